#include "infer/grammar/merge.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace loquat::grammar {
namespace {

constexpr std::string_view kAnnotations[] = {"title",    "description", "default",    "example",    "examples",
                                             "$schema",  "$id",         "id",         "$comment",   "$defs",
                                             "readOnly", "writeOnly",   "deprecated", "definitions"};
constexpr uint32_t kMaxAtLeast = 100'000;  // of minLength and minItems
constexpr uint32_t kMaxAtMost = 1'000'000'000;

struct Implied {
  std::string_view keyword;
  uint8_t types;
};
constexpr Implied kImplied[] = {{"properties", kObjectType},
                                {"required", kObjectType},
                                {"additionalProperties", kObjectType},
                                {"patternProperties", kObjectType},
                                {"items", kArrayType},
                                {"prefixItems", kArrayType},
                                {"minItems", kArrayType},
                                {"maxItems", kArrayType},
                                {"uniqueItems", kArrayType},
                                {"minLength", kStringType},
                                {"maxLength", kStringType},
                                {"pattern", kStringType},
                                {"format", kStringType},
                                {"minimum", kIntegerType | kFractionType},
                                {"maximum", kIntegerType | kFractionType},
                                {"exclusiveMinimum", kIntegerType | kFractionType},
                                {"exclusiveMaximum", kIntegerType | kFractionType},
                                {"multipleOf", kIntegerType | kFractionType}};

uint8_t implied(std::string_view keyword) {
  for (const Implied& i : kImplied) {
    if (i.keyword == keyword) return i.types;
  }
  return 0;
}

Result<uint8_t> named_type(const Value& value) {
  constexpr std::pair<std::string_view, uint8_t> kNames[] = {
      {"null", kNullType},       {"boolean", kBoolType},
      {"integer", kIntegerType}, {"number", kIntegerType | kFractionType},
      {"string", kStringType},   {"array", kArrayType},
      {"object", kObjectType}};
  for (const auto& [name, types] : kNames) {
    if (value.kind == Value::kString && value.text == name) return types;
  }
  return at(value, "expected \"null\", \"boolean\", \"integer\", \"number\", \"string\", \"array\" or \"object\"");
}

Result<uint8_t> types_of_keyword(const Value& value) {
  if (value.kind != Value::kArray) return named_type(value);
  uint8_t types = 0;
  for (const Value& item : value.items) {
    TRY(const uint8_t type, named_type(item));
    types |= type;
  }
  return types;
}

Result<uint32_t> count(const Value& value, uint32_t most) {
  const auto wrong = [&] { return at(value, fmt::format("expected a whole number from 0 to {}", most)); };
  if (value.kind != Value::kNumber) return wrong();
  const auto number = parse_decimal(value.text);
  if (!number || number->negative || !number->fraction.empty() || number->whole.size() > 10) return wrong();
  const uint64_t n = std::stoull(number->whole);
  if (n > most) return wrong();
  return static_cast<uint32_t>(n);
}

std::string percent_decoded(std::string_view text) {
  const auto hex = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

const Value* child(const Value& value, std::string_view escaped) {
  std::string name;
  for (size_t i = 0; i < escaped.size(); ++i) {
    const bool tilde = escaped[i] == '~' && i + 1 < escaped.size();
    name += tilde ? (escaped[++i] == '1' ? '/' : '~') : escaped[i];
  }
  if (value.is_object()) return value.find(name);
  if (value.kind != Value::kArray || name.empty() || name.size() > 6) return nullptr;
  size_t index = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return nullptr;
    index = index * 10 + static_cast<size_t>(c - '0');
  }
  return index < value.items.size() ? &value.items[index] : nullptr;
}

Result<const Value*> resolve(const Value& ref) {
  if (ref.kind != Value::kString || !ref.text.starts_with('#')) {
    return at(ref, "expected \"#\" or a place in this schema such as \"#/$defs/name\"");
  }
  const Value* to = &ref;
  while (to->parent != nullptr) to = to->parent;
  const std::string pointer = percent_decoded(std::string_view(ref.text).substr(1));
  if (!pointer.empty() && pointer[0] != '/') return at(ref, "only \"#\" and \"#/...\" are supported");
  for (size_t i = 0; i < pointer.size() && to != nullptr;) {
    const size_t end = std::min(pointer.find('/', i + 1), pointer.size());
    to = child(*to, std::string_view(pointer).substr(i + 1, end - i - 1));
    i = end;
  }
  if (to == nullptr) return at(ref, fmt::format("nothing is at \"{}\"", ref.text.substr(0, 100)));
  return to;
}

class Merger {
 public:
  Merger(Elements& elements, int64_t& work) : elements_(elements), work_(work) {}

  Result<Merged> run() {
    for (size_t i = 0; i < elements_.size(); ++i) TRY_STATUS(element(i));
    if (!has_type_ && out_.enums.empty() && implied_ != 0) out_.types &= implied_;
    return std::move(out_);
  }

 private:
  Status element(size_t index) {
    const Value& schema = *elements_[index].schema;
    if ((work_ -= 1 + static_cast<int64_t>(schema.keys.size())) < 0)
      return at(schema, "the schema takes too much work");
    if (schema.kind == Value::kTrue) return {};
    if (schema.kind == Value::kFalse) {
      out_.types = 0;
      has_type_ = true;
      return {};
    }
    if (!schema.is_object()) return at(schema, "expected a schema: an object, true or false");
    bool object = false;
    for (size_t i = 0; i < schema.keys.size(); ++i) {
      const std::string& keyword = schema.keys[i];
      if (const uint8_t types = implied(keyword)) {
        implied_ |= types;
        out_.only_types = false;
        object |= types == kObjectType;
      }
      TRY_STATUS(apply(index, keyword, schema.items[i]));
    }
    if (object) out_.objects.push_back(&schema);
    return {};
  }

  Status apply(size_t index, std::string_view keyword, const Value& value) {
    if (std::find(std::begin(kAnnotations), std::end(kAnnotations), keyword) != std::end(kAnnotations)) return {};
    if (keyword == "$ref") return reference(index, value);
    if (keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf") return combine(index, keyword, value);
    if (keyword == "type") {
      TRY(const uint8_t types, types_of_keyword(value));
      out_.types &= types;
      has_type_ = true;
      return {};
    }
    if (keyword == "enum" || keyword == "const") {
      if (keyword == "enum" && value.kind != Value::kArray) return at(value, "expected a list of values");
      out_.enums.push_back(&value);
      return {};
    }
    switch (implied(keyword)) {
      case kStringType:
        return of_string(keyword, value);
      case kArrayType:
        return of_array(keyword, value);
      case kObjectType:
        return of_object(keyword, value);
      case kIntegerType | kFractionType:
        return of_number(keyword, value);
      default:
        return at(value, fmt::format("the keyword \"{}\" is not supported", keyword.substr(0, 60)));
    }
  }

  bool present(const Value* schema) const {
    return std::any_of(elements_.begin(), elements_.end(), [&](const Element& e) { return e.schema == schema; });
  }

  Status reference(size_t index, const Value& value) {
    TRY(const Value* target, resolve(value));
    for (auto i = static_cast<int32_t>(index); i >= 0; i = elements_[i].parent) {
      if (elements_[i].schema == target) return at(value, "\"$ref\" leads back to itself, with nothing in between");
    }
    work_ -= static_cast<int64_t>(elements_.size());
    if (!present(target)) elements_.push_back({target, static_cast<int32_t>(index)});
    return {};
  }

  Status combine(size_t index, std::string_view keyword, const Value& value) {
    if (value.kind != Value::kArray || value.items.empty()) return at(value, "expected a list of schemas");
    if (keyword == "allOf") {
      work_ -= static_cast<int64_t>(elements_.size() * value.items.size());
      if (work_ < 0) return at(value, "the schema takes too much work");
      for (const Value& item : value.items) {
        if (!present(&item)) elements_.push_back({&item, static_cast<int32_t>(index)});
      }
      return {};
    }
    const bool any_of = keyword == "anyOf";
    if (out_.choice != nullptr || (any_of ? elements_[index].any_of_done : elements_[index].one_of_done)) return {};
    out_.choice = &value;
    out_.choice_element = index;
    out_.choice_is_any_of = any_of;
    return {};
  }

  Status of_string(std::string_view keyword, const Value& value) {
    if (keyword == "minLength") {
      TRY(const uint32_t n, count(value, kMaxAtLeast));
      out_.min_length = std::max(out_.min_length, n);
    } else if (keyword == "maxLength") {
      TRY(const uint32_t n, count(value, kMaxAtMost));
      out_.max_length = std::min(out_.max_length, n);
    } else {
      if (value.kind != Value::kString) return at(value, "expected a string");
      const Value*& mine = keyword == "pattern" ? out_.pattern : out_.format;
      if (mine != nullptr && mine->text != value.text)
        return at(value, "two that differ for one value are not supported");
      mine = &value;
      if (out_.pattern && out_.format) return at(value, "\"pattern\" and \"format\" together are not supported");
    }
    return {};
  }

  Status of_array(std::string_view keyword, const Value& value) {
    if (keyword == "minItems") {
      TRY(const uint32_t n, count(value, kMaxAtLeast));
      out_.min_items = std::max(out_.min_items, n);
    } else if (keyword == "maxItems") {
      TRY(const uint32_t n, count(value, kMaxAtMost));
      out_.max_items = std::min(out_.max_items, n);
    } else if (keyword == "items") {
      if (value.kind == Value::kArray) return at(value, "a list is not supported here (use \"prefixItems\")");
      out_.items.push_back(&value);
    } else if (keyword == "prefixItems") {
      if (value.kind != Value::kArray) return at(value, "expected a list of schemas");
      out_.prefix_items = &value;
    } else if (value.kind != Value::kFalse) {
      return at(value, "\"uniqueItems\" is not supported");
    }
    // Which of several "items" a prefix holds back would depend on the schema that it is in.
    if (out_.prefix_items && (out_.items.size() > 1 || (prefix_ && prefix_ != out_.prefix_items) ||
                              (!out_.items.empty() && out_.items[0]->parent != out_.prefix_items->parent))) {
      return at(value, "\"prefixItems\" joined with the items of another schema is not supported");
    }
    prefix_ = out_.prefix_items;
    return {};
  }

  Status of_object(std::string_view keyword, const Value& value) {
    if (keyword == "required") {
      const bool names = value.kind == Value::kArray && std::all_of(value.items.begin(), value.items.end(),
                                                                    [](auto& i) { return i.kind == Value::kString; });
      if (!names) return at(value, "expected a list of names");
    } else if (keyword != "additionalProperties" && !value.is_object()) {
      return at(value, "expected an object");
    }
    return {};
  }

  Status of_number(std::string_view keyword, const Value& value) {
    if (value.kind != Value::kNumber) return at(value, "expected a number");
    const auto number = parse_decimal(value.text);
    if (!number) return at(value, number.error());
    if (keyword == "multipleOf") {
      if (number->negative || number->whole != "1" || !number->fraction.empty())
        return at(value, "only 1 is supported");
      out_.types &= static_cast<uint8_t>(~kFractionType);
      return {};
    }
    if (number->whole.size() > kMaxWholeDigits) {
      return at(value, fmt::format("expected a number of up to {} digits", kMaxWholeDigits));
    }
    const Bound bound{*number, keyword.starts_with("exclusive")};
    const bool low = keyword == "minimum" || keyword == "exclusiveMinimum";
    std::optional<Bound>& mine = low ? out_.low : out_.high;
    const int order = mine ? compare(bound.value, mine->value) * (low ? 1 : -1) : 1;
    if (order > 0 || (order == 0 && bound.exclusive)) {
      mine = bound;
      (low ? out_.low_place : out_.high_place) = &value;
    }
    return {};
  }

  Elements& elements_;
  int64_t& work_;
  Merged out_;
  const Value* prefix_ = nullptr;
  uint8_t implied_ = 0;
  bool has_type_ = false;
};

}  // namespace

uint8_t type_of(const Value& value) {
  switch (value.kind) {
    case Value::kNull:
      return kNullType;
    case Value::kFalse:
    case Value::kTrue:
      return kBoolType;
    case Value::kNumber:
      return value.text.find_first_of(".eE") == std::string::npos ? kIntegerType : kFractionType;
    case Value::kString:
      return kStringType;
    case Value::kArray:
      return kArrayType;
    case Value::kObject:
      return kObjectType;
  }
  return 0;
}

Error at(const Value& place, const std::string& message) {
  const std::string pointer = pointer_to(place);
  return Err("{}: {}", pointer.empty() ? "the schema" : pointer, message);
}

Result<Merged> merge(Elements& elements, int64_t& work) {
  return Merger(elements, work).run();
}

std::span<const Value> constants_at(const Value& place) {
  if (place.parent->keys[&place - place.parent->items.data()] == "const") return {&place, 1};
  return place.items;
}

}  // namespace loquat::grammar
