// Settings: one shared table of values behind every section of it, and what the reads found wrong. The error that
// finish() reports is the one that stands first in the file, so that a person repairs a file from top to bottom.
#include "base/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <set>
#include <utility>

namespace loquat {
namespace {

using Value = decltype(SettingValue::value);

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string number_text(double x) {
  std::string text = fmt::format("{}", x);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";  // 1.0 stays a number with a point
  return text;
}

template <typename T, typename F>
std::string joined(const std::vector<T>& items, F&& text) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) out += (i ? ", " : "") + text(items[i]);
  return out + "]";
}

std::string value_text(const Value& value) {
  struct Visitor {
    std::string operator()(bool x) const { return x ? "true" : "false"; }
    std::string operator()(int64_t x) const { return fmt::format("{}", x); }
    std::string operator()(double x) const { return number_text(x); }
    std::string operator()(const std::string& x) const { return quoted(x); }
    std::string operator()(const std::vector<std::string>& x) const { return joined(x, quoted); }
    std::string operator()(const std::vector<double>& x) const { return joined(x, number_text); }
  };
  return std::visit(Visitor{}, value);
}

std::string shown(const Value& value) {
  std::string text = value_text(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// The number of single-character insertions, removals, changes and swaps of neighbours that turn a into b.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = above;
    above = row;
  }
  return above[b.size()];
}

std::string_view last_part(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

// What to say about an unknown key: the nearest declared one, or all of them where none is near and they are few.
std::string suggestion(const std::string& key, const std::set<std::string>& declared) {
  const std::string* nearest = nullptr;
  std::pair<size_t, size_t> best = {SIZE_MAX, SIZE_MAX};
  for (const std::string& candidate : declared) {
    const size_t whole = edit_distance(key, candidate);
    // The right name in the wrong section is one step away.
    const std::pair distance(std::min(whole, 1 + edit_distance(last_part(key), last_part(candidate))), whole);
    if (distance < best) {
      best = distance;
      nearest = &candidate;
    }
  }
  if (nearest && best.first <= std::max<size_t>(2, last_part(key).size() / 3))
    return fmt::format("did you mean '{}'?", *nearest);
  if (declared.empty()) return "no key is expected here";
  std::string names;
  size_t shown_names = 0;
  for (const std::string& candidate : declared) {
    if (shown_names++ == 40) {
      names += ", ...";
      break;
    }
    names += (names.empty() ? "" : ", ") + candidate;
  }
  return "the keys here are " + names;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Reads the value part of --set. Every function takes what it reads off the front of `rest`.
class ArgumentValue {
 public:
  explicit ArgumentValue(std::string_view text) : rest_(trimmed(text)) {}

  Result<Value> parse() {
    if (rest_.empty()) return Err("no value (write \"\" for an empty text)");
    if (rest_.front() == '[') return list();
    if (rest_.front() == '"' || rest_.front() == '\'') {
      TRY(std::string text, quoted_text());
      if (!rest_.empty()) return Err("'{}' after the closing quote", rest_);
      return Value(std::move(text));
    }
    return scalar(rest_);
  }

 private:
  static Result<Value> scalar(std::string_view word) {
    if (word == "true") return Value(true);
    if (word == "false") return Value(false);
    const bool like_number = word.find_first_of("0123456789") != std::string_view::npos &&
                             word.find_first_not_of("0123456789+-._eE") == std::string_view::npos;
    if (like_number) {
      std::string digits;
      for (const char c : word)
        if (c != '_') digits += c;
      const char* begin = digits.data() + (digits.front() == '+' ? 1 : 0);
      const char* end = digits.data() + digits.size();
      int64_t integer = 0;
      auto whole = std::from_chars(begin, end, integer);
      if (whole.ptr == end && whole.ec == std::errc()) return Value(integer);
      if (whole.ptr == end && whole.ec == std::errc::result_out_of_range)
        return Err("{} does not fit in 64 bits", word);
      double number = 0;
      auto real = std::from_chars(begin, end, number);
      if (real.ptr == end && real.ec == std::errc()) return Value(number);
      if (real.ptr == end && real.ec == std::errc::result_out_of_range) return Err("{} is no finite number", word);
    }
    return Value(std::string(word));
  }

  Result<std::string> quoted_text() {
    const char quote = rest_.front();
    std::string text;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        rest_ = trimmed(rest_.substr(i + 1));
        return text;
      }
      if (rest_[i] == '\\' && quote == '"') {
        if (++i == rest_.size()) break;
        switch (rest_[i]) {
          case 'n':
            text += '\n';
            break;
          case 't':
            text += '\t';
            break;
          case '"':
          case '\\':
            text += rest_[i];
            break;
          default:
            return Err("unknown escape \\{}", rest_[i]);
        }
      } else {
        text += rest_[i];
      }
    }
    return Err("the closing {} is missing", quote);
  }

  Result<Value> list() {
    std::vector<std::string> texts;
    std::vector<double> numbers;
    rest_ = trimmed(rest_.substr(1));
    while (!rest_.empty() && rest_.front() != ']') {
      if (rest_.front() == '"' || rest_.front() == '\'') {
        TRY(std::string text, quoted_text());
        texts.push_back(std::move(text));
      } else {
        const size_t end = std::min(rest_.find_first_of(",]"), rest_.size());
        TRY(Value value, scalar(trimmed(rest_.substr(0, end))));
        if (const auto* text = std::get_if<std::string>(&value)) {
          if (text->empty()) return Err("an empty place in the list");
          texts.push_back(*text);
        } else if (const auto* integer = std::get_if<int64_t>(&value)) {
          numbers.push_back(static_cast<double>(*integer));
        } else if (const auto* number = std::get_if<double>(&value)) {
          numbers.push_back(*number);
        } else {
          return Err("true or false in a list: expected strings or numbers");
        }
        rest_ = trimmed(rest_.substr(end));
      }
      if (rest_.empty() || (rest_.front() != ',' && rest_.front() != ']')) break;
      if (rest_.front() == ',') rest_ = trimmed(rest_.substr(1));
    }
    if (rest_ != "]") return Err("a list ends in ] and has a comma between its values");
    if (!texts.empty() && !numbers.empty()) return Err("strings and numbers in one list");
    if (!numbers.empty()) return Value(std::move(numbers));
    return Value(std::move(texts));
  }

  std::string_view rest_;
};

}  // namespace

struct Settings::State {
  struct Entry {
    SettingValue value;
    int64_t order = 0;
  };
  std::map<std::string, Entry> values;
  std::set<std::string> declared;
  std::map<std::string, std::string> wrong;  // by full key, the whole message
  int64_t next_order = 0;

  const Entry* find(const std::string& key) const {
    const auto found = values.find(key);
    return found == values.end() ? nullptr : &found->second;
  }

  // A read of `key`: what stands there, or null; `expected` says what a wrong value should have been.
  template <typename T, typename Convert>
  T read(const std::string& key, T fallback, const std::string& expected, Convert&& convert) {
    declared.insert(key);
    const Entry* entry = find(key);
    if (!entry) return fallback;
    T result = fallback;
    if (convert(entry->value.value, result)) return result;
    wrong.emplace(
        key, fmt::format("{}: '{}' is {}: expected {}", entry->value.source, key, shown(entry->value.value), expected));
    return fallback;
  }
};

Settings::Settings() : state_(std::make_shared<State>()) {}

void Settings::set(const std::string& key, SettingValue value) {
  const std::string full = prefix_ + key;
  state_->wrong.erase(full);
  state_->values[full] = {std::move(value), state_->next_order++};
}

Status Settings::set_from_argument(const std::string& key_equals_value) {
  const size_t equals = key_equals_value.find('=');
  if (equals == std::string::npos || equals == 0)
    return Err("--set {}: expected key=value, such as --set ppo.clip=0.2", key_equals_value);
  const std::string key(trimmed(std::string_view(key_equals_value).substr(0, equals)));
  for (const char c : key)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
          c == '.'))
      return Err("--set {}: '{}' in the key: expected letters, digits, _ - and .", key_equals_value, c);
  auto value = ArgumentValue(std::string_view(key_equals_value).substr(equals + 1)).parse();
  if (!value) return Err("--set {}: {}", key_equals_value, value.error());
  set(key, SettingValue{*std::move(value), "--set"});
  return {};
}

bool Settings::has(const std::string& key) const {
  const std::string full = prefix_ + key;
  if (state_->values.count(full)) {
    state_->declared.insert(full);
    return true;
  }
  const auto next = state_->values.lower_bound(full + ".");
  return next != state_->values.end() && next->first.starts_with(full + ".");
}

int64_t Settings::integer(const std::string& key, int64_t fallback, int64_t low, int64_t high) {
  std::string expected = "a whole number";
  if (high != INT64_MAX) {
    expected += fmt::format(" from {} to {}", low, high);
  } else if (low != INT64_MIN) {
    expected += fmt::format(", {} or more", low);
  }
  return state_->read(prefix_ + key, fallback, expected, [&](const Value& value, int64_t& out) {
    if (const auto* x = std::get_if<int64_t>(&value)) {
      out = *x;
    } else if (const auto* d = std::get_if<double>(&value)) {  // 1e6 is a whole number to a person
      if (!(std::abs(*d) < 0x1p53) || *d != std::floor(*d)) return false;
      out = static_cast<int64_t>(*d);
    } else {
      return false;
    }
    return low <= out && out <= high;
  });
}

double Settings::number(const std::string& key, double fallback, double low, double high) {
  std::string expected = "a number";
  if (high < 1e300) {
    expected += fmt::format(" from {} to {}", low, high);
  } else if (low > -1e300) {
    expected += fmt::format(", {} or more", low);
  }
  return state_->read(prefix_ + key, fallback, expected, [&](const Value& value, double& out) {
    if (const auto* x = std::get_if<int64_t>(&value)) {
      out = static_cast<double>(*x);
    } else if (const auto* d = std::get_if<double>(&value)) {
      out = *d;
    } else {
      return false;
    }
    return low <= out && out <= high;  // false for NaN
  });
}

bool Settings::flag(const std::string& key, bool fallback) {
  return state_->read(prefix_ + key, fallback, "true or false", [](const Value& value, bool& out) {
    const auto* x = std::get_if<bool>(&value);
    if (x) out = *x;
    return x != nullptr;
  });
}

std::string Settings::text(const std::string& key, const std::string& fallback) {
  return state_->read(prefix_ + key, fallback, "a text in quotes", [](const Value& value, std::string& out) {
    const auto* x = std::get_if<std::string>(&value);
    if (x) out = *x;
    return x != nullptr;
  });
}

std::string Settings::choice(const std::string& key, const std::string& fallback,
                             const std::vector<std::string>& choices) {
  return state_->read(prefix_ + key, fallback, "one of " + joined(choices, quoted),
                      [&](const Value& value, std::string& out) {
                        const auto* x = std::get_if<std::string>(&value);
                        if (!x || std::find(choices.begin(), choices.end(), *x) == choices.end()) return false;
                        out = *x;
                        return true;
                      });
}

std::vector<std::string> Settings::list(const std::string& key, const std::vector<std::string>& fallback) {
  return state_->read(prefix_ + key, fallback, "a list of texts",
                      [](const Value& value, std::vector<std::string>& out) {
                        if (const auto* x = std::get_if<std::vector<std::string>>(&value)) {
                          out = *x;
                        } else if (const auto* one = std::get_if<std::string>(&value)) {
                          out = {*one};
                        } else {
                          return false;
                        }
                        return true;
                      });
}

std::vector<double> Settings::numbers(const std::string& key, const std::vector<double>& fallback) {
  return state_->read(prefix_ + key, fallback, "a list of numbers", [](const Value& value, std::vector<double>& out) {
    if (const auto* x = std::get_if<std::vector<double>>(&value)) {
      out = *x;
    } else if (const auto* integer = std::get_if<int64_t>(&value)) {
      out = {static_cast<double>(*integer)};
    } else if (const auto* number = std::get_if<double>(&value)) {
      out = {*number};
    } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value); texts && texts->empty()) {
      out.clear();
    } else {
      return false;
    }
    return true;
  });
}

Settings Settings::section(const std::string& name) const {
  Settings result = *this;
  result.prefix_ = prefix_ + name + ".";
  return result;
}

std::map<std::string, SettingValue> Settings::values() const {
  std::map<std::string, SettingValue> result;
  for (auto at = state_->values.lower_bound(prefix_); at != state_->values.end() && at->first.starts_with(prefix_);
       ++at)
    result.emplace(at->first.substr(prefix_.size()), at->second.value);
  return result;
}

std::vector<std::string> Settings::keys() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : values()) result.push_back(key);
  return result;
}

Status Settings::finish() const {
  const State::Entry* first = nullptr;
  const std::string* first_key = nullptr;
  std::set<std::string> known;
  for (const auto& key : state_->declared)
    if (key.starts_with(prefix_)) known.insert(key);
  for (const auto& [key, entry] : state_->values) {
    if (!key.starts_with(prefix_) || (first && first->order < entry.order)) continue;
    if (state_->declared.count(key) && !state_->wrong.count(key)) continue;
    first = &entry;
    first_key = &key;
  }
  if (!first) return {};
  if (const auto wrong = state_->wrong.find(*first_key); wrong != state_->wrong.end()) return Error{wrong->second};
  return Err("{}: unknown key '{}': {}", first->value.source, *first_key, suggestion(*first_key, known));
}

std::string Settings::canonical() const {
  std::string out;
  for (const auto& [key, value] : values()) out += key + " = " + value_text(value.value) + "\n";
  return out;
}

}  // namespace loquat
