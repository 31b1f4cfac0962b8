// What entities of each kind have: attributes and the kinds of their values. An attribute's name in a Fact is its key,
// or for three keys it holds a detail too: "price of bread", "cellar door word", "mixed with marl", "keeps the diary".
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "data/town/town.h"

namespace loquat::town {

struct AttributeSpec {
  std::string_view kind;  // of the entity
  std::string_view key;
  ValueKind value;
};
std::span<const AttributeSpec> attribute_specs();  // the plain ones: no secrets, no prices

struct AttributeName {
  std::string_view key;     // of the wordings
  std::string_view detail;  // goods, door, substance, thing; empty for most
};
AttributeName split_attribute(std::string_view attribute);
std::string join_attribute(std::string_view key, std::string_view detail);

inline bool is_secret(const Fact& fact) {
  return fact.kind == ValueKind::kSecret;
}

}  // namespace loquat::town
