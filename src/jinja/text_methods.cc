// Methods of strings. Every one keeps which bytes came from data, as it cuts and joins.
#include <algorithm>
#include <cmath>

#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

constexpr size_t kNone = std::string::npos;

// Where Python's splitlines cuts: the length in bytes of the line end at `at`, or 0.
size_t line_end(std::string_view bytes, size_t at) {
  if (bytes[at] == '\r') return at + 1 < bytes.size() && bytes[at + 1] == '\n' ? 2 : 1;
  const uint32_t code = code_point(bytes, at);
  const bool ends =
      (code >= 10 && code <= 12) || (code >= 28 && code <= 30) || code == 0x85 || code == 0x2028 || code == 0x2029;
  return ends ? next_char(bytes, at) - at : 0;
}

Result<Value> split_lines(Context& context, const Text& self, const Args& args) {
  TRY(const auto bound, bind(args, {{"keepends", Value(false)}}));
  std::vector<Range> lines;
  size_t begin = 0;
  for (size_t at = 0; at < self.bytes.size();) {
    const size_t end = line_end(self.bytes, at);
    if (end > 0) {
      lines.push_back({begin, truthy(bound[0]) ? at + end : at});
      begin = at = at + end;
    } else {
      at = next_char(self.bytes, at);
    }
  }
  if (begin < self.bytes.size()) lines.push_back({begin, self.bytes.size()});
  return list_of_slices(self, lines, context.budget);
}

std::vector<Range> words(std::string_view bytes, int64_t most, bool from_right) {
  std::vector<Range> all;
  for (size_t at = 0; at < bytes.size();) {
    if (is_space(code_point(bytes, at))) {
      at = next_char(bytes, at);
      continue;
    }
    const size_t begin = at;
    while (at < bytes.size() && !is_space(code_point(bytes, at))) at = next_char(bytes, at);
    all.push_back({begin, at});
  }
  // With at most `most` cuts, the last (or first) piece is the rest.
  const size_t pieces = most < 0 ? all.size() : static_cast<size_t>(most) + 1;
  if (pieces >= all.size()) return all;
  if (from_right) {
    const size_t joined = all.size() - pieces;
    all[joined].begin = 0;
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(joined));
  } else {
    all[pieces - 1].end = bytes.size();
    all.resize(pieces);
  }
  return all;
}

Result<Value> split(Context& context, const Text& self, const Args& args, bool from_right) {
  TRY(const auto bound, bind(args, {{"sep", Value(None{})}, {"maxsplit", Value(int64_t{-1})}}));
  TRY(const int64_t most, want_integer(bound[1], "maxsplit"));
  if (bound[0].is_none()) return list_of_slices(self, words(self.bytes, most, from_right), context.budget);
  TRY(const Text* sep, want_text(bound[0], "split"));
  if (sep->bytes.empty()) return Err("split: the separator is empty");
  std::vector<Range> pieces;
  const auto more = [&] { return most < 0 || pieces.size() < static_cast<uint64_t>(most); };
  if (from_right) {
    size_t end = self.bytes.size();
    while (more() && end >= sep->bytes.size()) {
      const size_t found = self.bytes.rfind(sep->bytes, end - sep->bytes.size());
      if (found == kNone) break;
      pieces.push_back({found + sep->bytes.size(), end});
      end = found;
    }
    pieces.push_back({0, end});
    std::reverse(pieces.begin(), pieces.end());
  } else {
    size_t begin = 0;
    for (size_t found; more() && (found = self.bytes.find(sep->bytes, begin)) != kNone;
         begin = found + sep->bytes.size()) {
      pieces.push_back({begin, found});
    }
    pieces.push_back({begin, self.bytes.size()});
  }
  return list_of_slices(self, pieces, context.budget);
}

Result<Value> partition(Context& context, const Text& self, const Args& args, bool from_right) {
  TRY(const auto bound, bind(args, {{"sep"}}));
  TRY(const Text* sep, want_text(bound[0], "partition"));
  if (sep->bytes.empty()) return Err("partition: the separator is empty");
  const size_t size = self.bytes.size();
  const size_t found = from_right ? self.bytes.rfind(sep->bytes) : self.bytes.find(sep->bytes);
  std::vector<Range> pieces{{0, found}, {found, found + sep->bytes.size()}, {found + sep->bytes.size(), size}};
  if (found == kNone)
    pieces = from_right ? std::vector<Range>{{0, 0}, {0, 0}, {0, size}} : std::vector<Range>{{0, size}, {0, 0}, {0, 0}};
  TRY(const Value list, list_of_slices(self, pieces, context.budget));
  return make_list(list.list()->items, context.budget, true);
}

Result<Value> has_end(const Text& self, std::string_view name, const Args& args) {
  TRY(const auto bound, bind(args, {{"prefix"}}));
  const auto fits = [&](const Text& end) {
    return name == "startswith" ? self.bytes.starts_with(end.bytes) : self.bytes.ends_with(end.bytes);
  };
  if (const List* list = bound[0].list(); list && list->tuple) {
    for (const Value& one : list->items) {
      TRY(const Text* end, want_text(one, name));
      if (fits(*end)) return Value(true);
    }
    return Value(false);
  }
  TRY(const Text* end, want_text(bound[0], name));
  return Value(fits(*end));
}

// find, rfind, index, rindex, count; within [start, end) characters.
Result<Value> search(const Text& self, std::string_view name, const Args& args) {
  TRY(const auto bound, bind(args, {{"sub"}, {"start", Value(None{})}, {"end", Value(None{})}}));
  TRY(const Text* sub, want_text(bound[0], name));
  const auto size = static_cast<int64_t>(count_chars(self.bytes));
  int64_t limits[2] = {0, size};
  for (int i = 0; i < 2; ++i) {
    if (bound[static_cast<size_t>(i) + 1].is_none()) continue;
    TRY(const int64_t given, want_integer(bound[static_cast<size_t>(i) + 1], name));
    limits[i] = given < 0 ? std::max<int64_t>(std::max(given, -size) + size, 0) : std::min(given, size + (i == 0));
  }
  int64_t found = -1, count = 0;
  if (limits[0] <= limits[1]) {
    const size_t begin = char_offset(self.bytes, static_cast<size_t>(limits[0]));
    const size_t end = char_offset(self.bytes, static_cast<size_t>(limits[1]));
    const std::string_view part = std::string_view(self.bytes).substr(begin, end - begin);
    if (name == "count") {
      if (sub->bytes.empty()) return Value(static_cast<int64_t>(count_chars(part)) + 1);
      for (size_t at = 0; (at = part.find(sub->bytes, at)) != kNone; at += sub->bytes.size()) ++count;
      return Value(count);
    }
    const size_t at = name[0] == 'r' ? part.rfind(sub->bytes) : part.find(sub->bytes);
    if (at != kNone) found = limits[0] + static_cast<int64_t>(count_chars(part.substr(0, at)));
  }
  if (name == "count") return Value(count);
  if (found < 0 && name.ends_with("index")) return Err("{}: the substring was not found", name);
  return Value(found);
}

// Every character is of the class, and there is one.
Result<Value> all_are(const Text& self, std::string_view name) {
  bool all = !self.bytes.empty();
  for (size_t at = 0; at < self.bytes.size() && all; at = next_char(self.bytes, at)) {
    const uint32_t code = code_point(self.bytes, at);
    const bool digit = code >= '0' && code <= '9';
    all = name == "isspace"   ? is_space(code)
          : name == "isalpha" ? is_alpha(code)
                              : digit || (name == "isalnum" && is_alpha(code));
  }
  return Value(all);
}

Result<Value> pad(Context& context, const Text& self, std::string_view name, const Args& args) {
  TRY(const auto bound, bind(args, {{"width"}, {"fillchar", Value::own(name == "zfill" ? "0" : " ")}}));
  TRY(const int64_t width, want_integer(bound[0], name));
  TRY(const Text* fill, want_text(bound[1], name));
  if (count_chars(fill->bytes) != 1) return Err("{}: expected one character to fill with", name);
  const auto size = static_cast<int64_t>(count_chars(self.bytes));
  const int64_t missing = std::max<int64_t>(width - size, 0);
  if (static_cast<uint64_t>(missing) > context.budget.limits().output_bytes / 4)
    return Err("{}: a width of {}", name, width);
  TRY_STATUS(context.budget.spend_bytes(self.bytes.size() + static_cast<size_t>(missing) * fill->bytes.size()));
  // Python's center puts the odd one left where the width is odd.
  const int64_t left = name == "ljust" ? 0 : name == "center" ? missing / 2 + (missing & width & 1) : missing;
  const bool sign = name == "zfill" && !self.bytes.empty() && (self.bytes[0] == '-' || self.bytes[0] == '+');
  Text out;
  if (sign) out.append(self, 0, 1);
  for (int64_t i = 0; i < left; ++i) out.append(*fill);
  out.append(self, sign, self.bytes.size());
  for (int64_t i = left; i < missing; ++i) out.append(*fill);
  return Value(std::move(out));
}

Result<Value> strip(const Text& self, std::string_view name, const Args& args) {
  TRY(const auto bound, bind(args, {{"chars", Value(None{})}}));
  const std::string* chars = nullptr;
  if (!bound[0].is_none()) {
    TRY(const Text* text, want_text(bound[0], name));
    chars = &text->bytes;
  }
  const Range kept = stripped(self.bytes, chars, name != "rstrip", name != "lstrip");
  return Value(self.slice(kept.begin, kept.end));
}

Result<Value> remove_end(const Text& self, std::string_view name, const Args& args) {
  TRY(const auto bound, bind(args, {{"affix"}}));
  TRY(const Text* affix, want_text(bound[0], name));
  const size_t size = self.bytes.size(), cut = affix->bytes.size();
  if (name == "removeprefix" && self.bytes.starts_with(affix->bytes)) return Value(self.slice(cut, size));
  if (name == "removesuffix" && self.bytes.ends_with(affix->bytes)) return Value(self.slice(0, size - cut));
  return Value(self);
}

// "{}", "{0}" and "{name}", without formats.
Result<Value> format(Context& context, const Text& self, const Args& args) {
  Text out;
  size_t next = 0;
  for (size_t at = 0; at < self.bytes.size();) {
    const char c = self.bytes[at];
    if ((c == '{' || c == '}') && at + 1 < self.bytes.size() && self.bytes[at + 1] == c) {
      out.append(self, at, at + 1);
      at += 2;
    } else if (c == '}') {
      return Err("format: a '}}' alone");
    } else if (c == '{') {
      const size_t end = self.bytes.find('}', at);
      if (end == kNone) return Err("format: a '{{' has no end");
      const std::string field = self.bytes.substr(at + 1, end - at - 1);
      const bool digits = field.find_first_not_of("0123456789") == kNone && field.size() < 9;
      const Value* value = nullptr;
      if (digits) {
        const size_t index = field.empty() ? next++ : std::stoul(field);
        if (index < args.positional.size()) value = &args.positional[index];
      }
      for (const auto& [name, named] : args.keywords) {
        if (name == field) value = &named;
      }
      if (!value) return Err("format: there is no argument for '{{{}}}'", field);
      TRY(const Text text, to_text(*value, context.budget));
      TRY_STATUS(context.budget.spend_bytes(out.bytes.size() + text.bytes.size()));
      out.append(text);
      at = end + 1;
    } else {
      const size_t end = std::min(self.bytes.find_first_of("{}", at), self.bytes.size());
      out.append(self, at, end);
      at = end;
    }
  }
  return Value(std::move(out));
}

Text swap_case(const Text& self) {
  Text out;
  for (size_t at = 0; at < self.bytes.size();) {
    const size_t next = next_char(self.bytes, at);
    const uint32_t code = code_point(self.bytes, at);
    out.append(change_case(self.slice(at, next), to_upper(code) != code ? Case::kUpper : Case::kLower));
    at = next;
  }
  return out;
}

}  // namespace

Result<Value> list_of_slices(const Text& text, const std::vector<Range>& pieces, Budget& budget) {
  // A string of its own for each.
  TRY_STATUS(budget.spend(16 * uint64_t{pieces.size()}));
  TRY_STATUS(budget.spend_bytes(text.bytes.size()));
  std::vector<Value> items;
  items.reserve(pieces.size());
  for (const Range& piece : pieces) items.emplace_back(text.slice(piece.begin, piece.end));
  return make_list(std::move(items), budget);
}

Result<Value> join(const std::vector<Value>& items, const Text& between, Budget& budget) {
  Text out;
  for (size_t i = 0; i < items.size(); ++i) {
    TRY(const Text printed, items[i].text() ? Result<Text>(Text{}) : to_text(items[i], budget));
    const Text& item = items[i].text() ? *items[i].text() : printed;
    const size_t size = item.bytes.size() + between.bytes.size();
    if (size > budget.limits().output_bytes - out.bytes.size()) {
      return Err("a string of more than {} bytes", budget.limits().output_bytes);
    }
    TRY_STATUS(budget.spend(1 + size / 8 + 2 * (item.data.size() + between.data.size())));
    if (i > 0) out.append(between);
    out.append(item);
  }
  return Value(std::move(out));
}

Result<Value> replace(const Text& text, const Text& old, const Text& with, int64_t count, Budget& budget) {
  const size_t most = budget.limits().output_bytes;
  Text out;
  size_t at = 0;
  const auto put = [&]() -> Status {
    if (with.bytes.size() > most - out.bytes.size()) return Err("a string of more than {} bytes", most);
    TRY_STATUS(budget.spend(1 + with.bytes.size() / 8 + 2 * (1 + with.data.size())));
    out.append(with);
    return {};
  };
  TRY_STATUS(budget.spend_bytes(text.bytes.size()));
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    if (old.bytes.empty()) {
      // Between all characters, and at both ends.
      TRY_STATUS(put());
      if (at >= text.bytes.size()) return Value(std::move(out));
      const size_t next = next_char(text.bytes, at);
      out.append(text, at, next);
      at = next;
      continue;
    }
    const size_t found = text.bytes.find(old.bytes, at);
    if (found == kNone) break;
    out.append(text, at, found);
    TRY_STATUS(put());
    at = found + old.bytes.size();
  }
  out.append(text, at, text.bytes.size());
  TRY_STATUS(budget.spend_bytes(out.bytes.size()));
  return Value(std::move(out));
}

Result<Value> call_text_method(Context& context, const Text& self, std::string_view name, const Args& args) {
  Budget& budget = context.budget;
  TRY_STATUS(budget.spend_bytes(self.bytes.size()));
  if (name == "strip" || name == "lstrip" || name == "rstrip") return strip(self, name, args);
  if (name == "split" || name == "rsplit") return split(context, self, args, name == "rsplit");
  if (name == "partition" || name == "rpartition") return partition(context, self, args, name == "rpartition");
  if (name == "splitlines") return split_lines(context, self, args);
  if (name == "startswith" || name == "endswith") return has_end(self, name, args);
  if (name == "find" || name == "rfind" || name == "index" || name == "rindex" || name == "count") {
    return search(self, name, args);
  }
  if (name == "replace") {
    TRY(const auto bound, bind(args, {{"old"}, {"new"}, {"count", Value(int64_t{-1})}}));
    TRY(const Text* old, want_text(bound[0], "replace"));
    TRY(const Text* with, want_text(bound[1], "replace"));
    TRY(const int64_t count, want_integer(bound[2], "replace"));
    return replace(self, *old, *with, count, budget);
  }
  if (name == "join") {
    TRY(const auto bound, bind(args, {{"iterable"}}));
    TRY(const ListPtr items, iterate(bound[0], budget));
    for (const Value& item : items->items) {
      if (!item.text()) return Err("join: expected strings, found a {}", type_name(item));
    }
    return join(items->items, self, budget);
  }
  if (name == "removeprefix" || name == "removesuffix") return remove_end(self, name, args);
  if (name == "zfill" || name == "center" || name == "ljust" || name == "rjust") return pad(context, self, name, args);
  if (name == "format") return format(context, self, args);
  TRY(const auto none, bind(args, {}));
  TRY_STATUS(budget.spend(uint64_t{self.bytes.size()}));
  if (name == "upper") return Value(change_case(self, Case::kUpper));
  if (name == "lower") return Value(change_case(self, Case::kLower));
  if (name == "title") return Value(change_case(self, Case::kTitle));
  if (name == "capitalize") return Value(change_case(self, Case::kCapitalize));
  if (name == "swapcase") return Value(swap_case(self));
  if (name == "islower" || name == "isupper") {
    TRY(const bool holds, find_test(name.substr(2))(context, Value(self), {}));
    return Value(holds);
  }
  return all_are(self, name);
}

}  // namespace loquat::jinja
