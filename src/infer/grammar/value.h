// A schema's JSON: members in order, numbers as they are written. Size and depth are bounded while it is read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::grammar {

struct Value {
  enum Kind : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };
  Kind kind = kNull;
  std::string text;               // of a string, its characters; of a number, as it is written
  std::vector<std::string> keys;  // of an object, one for each item
  std::vector<Value> items;
  const Value* parent = nullptr;

  const Value* find(std::string_view key) const;  // null: none
  bool is_object() const { return kind == kObject; }
  bool is_bool() const { return kind == kTrue || kind == kFalse; }
};

Result<Value> parse_value(std::string_view text);
void set_parents(Value& value);  // of all below it; again after a copy or move of `value`

// RFC 6901, from the outermost value; cut short where it is long.
std::string pointer_to(const Value& value);
bool same(const Value& a, const Value& b);  // numbers: as they are written

}  // namespace loquat::grammar
