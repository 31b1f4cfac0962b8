// What several schemas say together: $ref and allOf are followed, keywords of one kind are joined, and what is not
// supported is refused with its place. anyOf and oneOf are left: each of their ways is joined in turn.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "infer/grammar/graph.h"
#include "infer/grammar/number.h"
#include "infer/grammar/value.h"

namespace loquat::grammar {

enum Types : uint8_t {
  kNullType = 1,
  kBoolType = 2,
  kIntegerType = 4,
  kFractionType = 8,  // with kIntegerType: "number"
  kStringType = 16,
  kArrayType = 32,
  kObjectType = 64,
  kAllTypes = 127
};
uint8_t type_of(const Value& value);

// One of the schemas that a value satisfies all of.
struct Element {
  const Value* schema = nullptr;
  int32_t parent = -1;  // the element whose $ref, allOf, anyOf or oneOf brought this one
  bool any_of_done = false, one_of_done = false;
};
using Elements = std::vector<Element>;

struct Merged {
  uint8_t types = kAllTypes;
  std::vector<const Value*> enums;  // arrays of values; or the value of "const"
  uint32_t min_length = 0, max_length = kUnbounded;
  const Value* pattern = nullptr;
  const Value* format = nullptr;
  std::optional<Bound> low, high;
  const Value* low_place = nullptr;
  const Value* high_place = nullptr;
  uint32_t min_items = 0, max_items = kUnbounded;
  const Value* prefix_items = nullptr;
  std::vector<const Value*> items;
  std::vector<const Value*> objects;  // schemas with keywords of objects
  // The first anyOf or oneOf that is still to be chosen from, and whose element it is.
  const Value* choice = nullptr;
  size_t choice_element = 0;
  bool choice_is_any_of = false;
  bool only_types = true;  // beside enums, and anyOf and the like
};

// What a place in Merged::enums allows.
std::span<const Value> constants_at(const Value& place);

// Follows $ref and allOf in `elements`, which grows by what they bring. Takes steps from `work`.
Result<Merged> merge(Elements& elements, int64_t& work);

// "/properties/a/pattern: MESSAGE"
Error at(const Value& place, const std::string& message);

}  // namespace loquat::grammar
