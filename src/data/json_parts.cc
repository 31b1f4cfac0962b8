#include "data/json_parts.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/shapes.h"

namespace loquat {
namespace {

// Walks over JSON text without recursion and without judging what stands inside of a value: the parser does that.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
      line_ += text_[at_++] == '\n';
  }
  bool ended() const { return at_ >= text_.size(); }
  char here() const { return ended() ? '\0' : text_[at_]; }
  int64_t line() const { return line_; }
  bool take(char c) {
    skip_space();
    if (here() != c) return false;
    ++at_;
    return true;
  }
  std::string found() const { return ended() ? "the file's end" : fmt::format("'{}'", utf8_safe(text_[at_])); }

  // The value that begins here.
  Result<JsonPart> value() {
    skip_space();
    const size_t begin = at_;
    const int64_t line = line_;
    int64_t depth = 0;
    while (!ended()) {
      const char c = text_[at_];
      if (depth == 0 && at_ > begin && (c == ',' || c == ']' || c == '}' || c == ':')) break;
      if (c == '"') {
        if (!skip_string()) return cut(line);
      } else {
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        if (depth < 0) return Err("line {}: found '{}', expected a value", line_, c);
        line_ += c == '\n';
        ++at_;
        if (depth > 0) continue;
        if (c != '}' && c != ']' && !ended() && !is_space(text_[at_])) continue;  // within a number or a word
      }
      if (depth == 0) break;
    }
    if (depth > 0) return cut(line);
    if (at_ == begin) return Err("line {}: found {}, expected a value", line, found());
    return JsonPart{text_.substr(begin, at_ - begin), line};
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static char utf8_safe(char c) { return static_cast<unsigned char>(c) < 0x80 && c >= ' ' ? c : '?'; }
  static Error cut(int64_t line) {
    return Err("the file ends within the value that begins on line {}: it is cut off", line);
  }

  bool skip_string() {
    for (++at_; !ended(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return true;
      } else {
        line_ += text_[at_] == '\n';
      }
    }
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

using PartFunction = std::function<Status(const JsonPart&)>;

Status list_parts(Walker& walk, int64_t lines_before, const PartFunction& f) {
  const int64_t begin = walk.line() + lines_before;
  walk.take('[');
  if (walk.take(']')) return {};
  for (int64_t i = 0;; ++i) {
    auto part = walk.value();
    if (!part.ok()) return Err("[{}]: {}", i, part.error());
    part->line += lines_before;
    part->index = i;
    TRY_STATUS(f(*part));
    if (walk.take(']')) return {};
    if (walk.take(',')) continue;
    if (walk.ended())
      return Err("the list that begins on line {} is cut off after {} rows: the file ends, expected \"]\"", begin,
                 i + 1);
    return Err("[{}]: line {}: found {}, expected \",\" or \"]\"", i, walk.line() + lines_before, walk.found());
  }
}

constexpr size_t kMostKeys = 10'000;

struct Member {
  std::string key;
  JsonPart value;
};

Result<std::string> key_of(const JsonPart& part) {
  try {
    const auto key = nlohmann::json::parse(part.text);
    if (key.is_string()) return key.get<std::string>();
  } catch (const nlohmann::json::exception&) {  // said below
  }
  return Err("line {}: expected a key in quotes", part.line);
}

Result<std::vector<Member>> members(Walker& walk) {
  std::vector<Member> out;
  walk.take('{');
  if (walk.take('}')) return out;
  while (true) {
    TRY(const JsonPart name, walk.value());
    TRY(std::string key, key_of(name));
    if (!walk.take(':')) return Err("line {}: found {}, expected \":\"", walk.line(), walk.found());
    TRY(const JsonPart value, walk.value());
    out.push_back({std::move(key), value});
    if (out.size() > kMostKeys) return Err("found an object of more than {} keys, expected rows", kMostKeys);
    if (walk.take('}')) return out;
    if (walk.take(',')) continue;
    if (walk.ended()) return Err("the object is cut off after its key \"{}\": the file ends", out.back().key);
    return Err("line {}: found {}, expected \",\" or \"}}\"", walk.line(), walk.found());
  }
}

bool is_list_of_objects(std::string_view text) {
  if (!text.starts_with('[')) return false;
  const size_t at = text.find_first_not_of(" \t\r\n", 1);
  return at != text.npos && (text[at] == '{' || text[at] == ']');
}

std::string quoted_names(const std::vector<const Member*>& lists) {
  std::string out;
  for (const Member* list : lists) out += (out.empty() ? "\"" : ", \"") + list->key + "\"";
  return out;
}

// The list of an object's that holds the rows.
Status object_parts(const JsonPart& object, const std::string& list, const PartFunction& f, std::string& taken_key) {
  Walker walk(object.text);
  TRY(const std::vector<Member> all, members(walk));
  std::vector<std::string> keys;
  std::vector<const Member*> lists;
  const Member* taken = nullptr;
  for (const Member& member : all) {
    keys.push_back(member.key);
    if (is_list_of_objects(member.value.text)) lists.push_back(&member);
    if (!list.empty() && member.key == list) taken = &member;
  }
  if (list.empty() && keys_make_a_row(keys)) return f(object);
  if (!list.empty()) {
    if (taken == nullptr || !taken->value.text.starts_with('['))
      return Err("found no list \"{}\"; there is {}", list, lists.empty() ? "none" : quoted_names(lists));
  } else if (lists.size() == 1) {
    taken = lists[0];
  } else if (lists.empty()) {
    return Err("found an object without a list of rows, expected a list of objects, or an object that holds one");
  } else {
    return Err("found several lists, {}: say which (split = \"{}\", or --split)", quoted_names(lists), lists[0]->key);
  }
  taken_key = taken->key;
  Walker inside(taken->value.text);
  return list_parts(inside, object.line + taken->value.line - 2, f);
}

}  // namespace

Status json_parts(std::string_view text, const std::string& list, const PartFunction& f, std::string& taken) {
  Walker walk(text);
  walk.skip_space();
  if (walk.here() == '[') {
    if (!list.empty()) return Err("a list \"{}\" was asked for; the file is one list", list);
    TRY_STATUS(list_parts(walk, 0, f));
    walk.skip_space();
    if (!walk.ended()) return Err("line {}: found {} after the list's end", walk.line(), walk.found());
    return {};
  }
  TRY(const JsonPart first, walk.value());
  if (!first.text.starts_with('{')) return Err("line {}: found no list and no object, expected rows", first.line);
  walk.skip_space();
  if (walk.ended()) return object_parts(first, list, f, taken);
  if (!list.empty()) return Err("a list \"{}\" was asked for; the file is not one object", list);
  TRY_STATUS(f(first));
  while (!walk.ended()) {
    TRY(const JsonPart part, walk.value());
    TRY_STATUS(f(part));
    walk.skip_space();
  }
  return {};
}

}  // namespace loquat
