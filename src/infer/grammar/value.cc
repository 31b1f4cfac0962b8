#include "infer/grammar/value.h"

#include <nlohmann/json.hpp>
#include <unordered_set>

namespace loquat::grammar {
namespace {

constexpr size_t kMaxText = size_t{256} << 10;
constexpr size_t kMaxDepth = 200;
constexpr size_t kMaxValues = 20'000;

class Reader : public nlohmann::json::json_sax_t {
 public:
  explicit Reader(Value& root) : root_(root) {}
  std::string error;

  bool null() override { return put({.kind = Value::kNull}) != nullptr; }
  bool boolean(bool value) override { return put({.kind = value ? Value::kTrue : Value::kFalse}) != nullptr; }
  bool number_integer(number_integer_t value) override { return number(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return number(text); }
  bool string(string_t& text) override { return put({.kind = Value::kString, .text = std::move(text)}) != nullptr; }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Value::kObject); }
  bool start_array(size_t) override { return open(Value::kArray); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!open_.back().names.insert(name).second) return fail(fmt::format("the key \"{}\" stands twice", shorten(name)));
    open_.back().value->keys.push_back(std::move(name));
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail(fmt::format("not valid JSON at byte {}", position));
  }

 private:
  struct Open {
    Value* value;
    std::unordered_set<std::string> names;
  };

  static std::string shorten(const std::string& name) { return name.substr(0, 40); }
  bool fail(std::string message) {
    if (error.empty()) error = std::move(message);
    return false;
  }
  // Where the parser is: the outermost four steps.
  std::string place() const {
    std::string out;
    for (size_t i = 0; i < open_.size() && i < 4; ++i) {
      const Value& value = *open_[i].value;
      if (value.is_object() ? value.keys.empty() : value.items.empty()) break;
      out += "/" + (value.is_object() ? shorten(value.keys.back()) : std::to_string(value.items.size() - 1));
    }
    return open_.size() > 4 ? out + "/..." : out;
  }
  bool number(std::string text) { return put({.kind = Value::kNumber, .text = std::move(text)}) != nullptr; }

  Value* put(Value value) {
    if (++count_ > kMaxValues) {
      fail(fmt::format("{}: more than {} values in a schema", place(), kMaxValues));
      return nullptr;
    }
    if (open_.empty()) return &(root_ = std::move(value));
    // A parent's vector may move its items while they grow, but never one that is still open: that is its last.
    auto& items = open_.back().value->items;
    items.push_back(std::move(value));
    return &items.back();
  }
  bool open(Value::Kind kind) {
    if (open_.size() == kMaxDepth) {
      return fail(fmt::format("{}: nested more than {} deep", place(), kMaxDepth));
    }
    Value* value = put({.kind = kind});
    if (value == nullptr) return false;
    open_.push_back({value, {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Value& root_;
  std::vector<Open> open_;
  size_t count_ = 0;
};

std::string escaped(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

const Value* Value::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return &items[i];
  }
  return nullptr;
}

void set_parents(Value& value) {
  for (Value& item : value.items) {
    item.parent = &value;
    set_parents(item);
  }
}

Result<Value> parse_value(std::string_view text) {
  if (text.size() > kMaxText) return Err("{} bytes: a schema has {} at most", text.size(), kMaxText);
  Value root;
  Reader reader(root);
  if (!nlohmann::json::sax_parse(text, &reader)) return Error{reader.error};
  return root;
}

std::string pointer_to(const Value& value) {
  constexpr size_t kLongest = 200;
  std::string out;
  for (const Value* v = &value; v->parent != nullptr; v = v->parent) {
    const size_t place = static_cast<size_t>(v - v->parent->items.data());
    out.insert(0, "/" + (v->parent->is_object() ? escaped(v->parent->keys[place]) : std::to_string(place)));
    if (out.size() > kLongest) return "/..." + out.substr(out.size() - kLongest);
  }
  return out;
}

bool same(const Value& a, const Value& b) {
  if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    const Value* other = a.is_object() ? b.find(a.keys[i]) : &b.items[i];
    if (other == nullptr || !same(a.items[i], *other)) return false;
  }
  return true;
}

}  // namespace loquat::grammar
