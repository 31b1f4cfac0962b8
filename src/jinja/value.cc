// Every walk over a value pays a step for each value it meets: the same list may stand in another many times over.
#include "jinja/value.h"

#include <algorithm>
#include <cmath>

namespace loquat::jinja {

namespace {

int depth_of(const Value& value) {
  if (const List* l = value.list()) return l->depth;
  if (const Dict* d = value.dict()) return d->depth;
  if (const auto* loop = value.as<std::shared_ptr<Loop>>()) return 1 + (*loop)->items->depth;
  if (const Callable* c = value.callable()) return 1 + depth_of(c->self);
  return 0;
}

// The depth of what holds this too.
Status deepen(const Value& value, int& depth) {
  TRY_STATUS(check_kept(value));
  depth = std::max(depth, 1 + depth_of(value));
  if (depth > kMaxValueDepth) return Err("lists or dicts more than {} deep", kMaxValueDepth);
  return {};
}

Result<bool> equal_lists(const List& a, const List& b, Budget& budget) {
  if (a.tuple != b.tuple || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    TRY(const bool same, equal(a.items[i], b.items[i], budget));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    TRY(const auto other, find_key(b, key, budget));
    if (!other) return false;
    TRY(const bool same, equal(value, *other, budget));
    if (!same) return false;
  }
  return true;
}

// Exact where a double would round the integer.
int compare_numbers(const Value& a, const Value& b) {
  if (const auto x = a.integer(), y = b.integer(); x && y) return *x < *y ? -1 : *x > *y;
  const double x = *a.number(), y = *b.number();
  return x < y ? -1 : x > y;
}

}  // namespace

std::optional<int64_t> Value::integer() const {
  if (const auto* b = as<bool>()) return *b;
  if (const auto* i = as<int64_t>()) return *i;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto* d = as<double>()) return *d;
  if (const auto i = integer()) return static_cast<double>(*i);
  return std::nullopt;
}

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name.text() && name.text()->bytes == key) return &value;
  }
  return nullptr;
}

Value* Namespace::find(std::string_view name) {
  for (auto& [key, value] : items) {
    if (key == name) return &value;
  }
  return nullptr;
}

Status check_kept(const Value& value) {
  if (value.space()) return Err("a namespace cannot be kept in a list, a dict or another namespace");
  return {};
}

Result<Value> make_list(std::vector<Value> items, Budget& budget, bool tuple) {
  TRY_STATUS(budget.spend_elements(items.size()));
  auto list = std::make_shared<List>();
  for (const Value& item : items) TRY_STATUS(deepen(item, list->depth));
  list->items = std::move(items);
  list->tuple = tuple;
  return Value(ListPtr(std::move(list)));
}

Result<Value> make_generator(std::vector<Value> items, Budget& budget) {
  TRY(const Value made, make_list(std::move(items), budget));
  auto list = std::make_shared<List>(*made.list());
  list->generator = true;
  return Value(ListPtr(std::move(list)));
}

Result<Value> make_dict(std::vector<std::pair<Value, Value>> items, Budget& budget) {
  TRY_STATUS(budget.spend_elements(2 * items.size()));
  auto dict = std::make_shared<Dict>();
  for (auto& [key, value] : items) {
    if (!hashable(key)) return Err("a {} cannot be the key of a dict", type_name(key));
    TRY_STATUS(deepen(key, dict->depth));
    TRY_STATUS(deepen(value, dict->depth));
    bool found = false;
    for (auto& [old_key, old_value] : dict->items) {
      TRY(found, equal(old_key, key, budget));
      if (found) {
        old_value = std::move(value);
        break;
      }
    }
    if (!found) dict->items.emplace_back(std::move(key), std::move(value));
  }
  return Value(DictPtr(std::move(dict)));
}

Result<Value> from_json(const nlohmann::ordered_json& json, bool is_data, int depth) {
  if (depth > kMaxValueDepth) return Err("a variable nests more than {} deep", kMaxValueDepth);
  const auto text = [&](const std::string& bytes) {
    return Value(is_data ? Text::from_data(bytes) : Text::own(bytes));
  };
  using Kind = nlohmann::ordered_json::value_t;
  switch (json.type()) {
    case Kind::boolean:
      return Value(json.get<bool>());
    case Kind::number_integer:
      return Value(json.get<int64_t>());
    case Kind::number_unsigned: {
      const auto n = json.get<uint64_t>();
      return n <= INT64_MAX ? Value(static_cast<int64_t>(n)) : Value(static_cast<double>(n));
    }
    case Kind::number_float:
      return Value(json.get<double>());
    case Kind::string:
      return text(json.get_ref<const std::string&>());
    case Kind::array: {
      auto list = std::make_shared<List>();
      list->items.reserve(json.size());
      for (const auto& element : json) {
        TRY(Value value, from_json(element, is_data, depth + 1));
        list->depth = std::max(list->depth, 1 + depth_of(value));
        list->items.push_back(std::move(value));
      }
      return Value(ListPtr(std::move(list)));
    }
    case Kind::object: {
      auto dict = std::make_shared<Dict>();
      dict->items.reserve(json.size());
      for (const auto& [key, element] : json.items()) {
        TRY(Value value, from_json(element, is_data, depth + 1));
        dict->depth = std::max(dict->depth, 1 + depth_of(value));
        dict->items.emplace_back(text(key), std::move(value));
      }
      return Value(DictPtr(std::move(dict)));
    }
    default:
      return Value(None{});
  }
}

bool truthy(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const auto n = value.number()) return *n != 0;
  if (const Text* t = value.text()) return !t->bytes.empty();
  if (const List* l = value.list()) return !l->items.empty() || l->generator;
  if (const Dict* d = value.dict()) return !d->items.empty();
  return true;
}

const char* type_name(const Value& value) {
  static constexpr const char* kNames[] = {"Undefined", "NoneType", "bool",      "int",         "float",   "str",
                                           "list",      "dict",     "Namespace", "LoopContext", "function"};
  return value.list() && value.list()->tuple ? "tuple" : kNames[value.data.index()];
}

Result<bool> equal(const Value& a, const Value& b, Budget& budget) {
  TRY_STATUS(budget.spend(1));
  if (a.is_number() && b.is_number()) {
    // NaN equals nothing.
    return a.number() == b.number() && compare_numbers(a, b) == 0;
  }
  if (a.data.index() != b.data.index()) return false;
  if (const Text* x = a.text(), *y = b.text(); x && y) {
    TRY_STATUS(budget.spend(std::min(x->bytes.size(), y->bytes.size()) / 64));
    return x->bytes == y->bytes;
  }
  if (const List* x = a.list(), *y = b.list(); x && y) return x == y ? Result<bool>(true) : equal_lists(*x, *y, budget);
  if (const Dict* x = a.dict(), *y = b.dict(); x && y) return x == y ? Result<bool>(true) : equal_dicts(*x, *y, budget);
  if (const auto* x = a.as<std::shared_ptr<Namespace>>()) return *x == *b.as<std::shared_ptr<Namespace>>();
  if (const auto* x = a.as<std::shared_ptr<Loop>>()) return *x == *b.as<std::shared_ptr<Loop>>();
  if (const auto* x = a.as<std::shared_ptr<const Callable>>()) return *x == *b.as<std::shared_ptr<const Callable>>();
  return true;  // both undefined or none
}

Result<int> compare(const Value& a, const Value& b, Budget& budget) {
  TRY_STATUS(budget.spend(1));
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (const Text* x = a.text(), *y = b.text(); x && y) {
    TRY_STATUS(budget.spend(std::min(x->bytes.size(), y->bytes.size()) / 64));
    const int order = x->bytes.compare(y->bytes);  // the order of UTF-8 is that of code points
    return order < 0 ? -1 : order > 0;
  }
  if (const List* x = a.list(), *y = b.list(); x && y && x->tuple == y->tuple) {
    for (size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i) {
      TRY(const bool same, equal(x->items[i], y->items[i], budget));
      if (!same) return compare(x->items[i], y->items[i], budget);
    }
    return x->items.size() < y->items.size() ? -1 : x->items.size() > y->items.size();
  }
  for (const Value* v : {&a, &b}) {
    if (const auto* u = v->as<Undefined>()) return Err("{}", u->reason());
  }
  return Err("there is no order between a {} and a {}", type_name(a), type_name(b));
}

bool hashable(const Value& value) {
  if (value.dict()) return false;
  const List* list = value.list();
  return !list || (list->tuple && std::all_of(list->items.begin(), list->items.end(), hashable));
}

Result<std::optional<Value>> find_key(const Dict& dict, const Value& key, Budget& budget) {
  if (const Text* text = key.text()) {
    TRY_STATUS(budget.spend(dict.items.size() / 8));
    const Value* found = dict.find(text->bytes);
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  for (const auto& [other, value] : dict.items) {
    TRY(const bool same, equal(other, key, budget));
    if (same) return std::optional<Value>(value);
  }
  return std::optional<Value>();
}

Result<bool> contains(const Value& container, const Value& item, Budget& budget) {
  if (const Text* whole = container.text()) {
    const Text* part = item.text();
    if (!part) return Err("'in' a string needs a string before it, found a {}", type_name(item));
    TRY_STATUS(budget.spend(whole->bytes.size() / 64));
    return whole->bytes.find(part->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    if (!hashable(item)) return Err("a {} cannot be the key of a dict", type_name(item));
    TRY(const auto found, find_key(*dict, item, budget));
    return found.has_value();
  }
  TRY(const ListPtr items, iterate(container, budget));
  for (const Value& element : items->items) {
    TRY(const bool same, equal(element, item, budget));
    if (same) return true;
  }
  return false;
}

Result<ListPtr> iterate(const Value& value, Budget& budget) {
  if (const auto* list = value.as<ListPtr>()) return *list;
  auto items = std::make_shared<List>();
  if (const Text* text = value.text()) {
    // Each character is a string of its own.
    TRY_STATUS(budget.spend(16 * uint64_t{text->bytes.size()}));
    for (size_t at = 0; at < text->bytes.size();) {
      const size_t next = next_char(text->bytes, at);
      items->items.emplace_back(text->slice(at, next));
      at = next;
    }
  } else if (const Dict* dict = value.dict()) {
    TRY_STATUS(budget.spend_elements(dict->items.size()));
    items->depth = dict->depth;
    for (const auto& [key, unused] : dict->items) items->items.push_back(key);
  } else if (!value.is_undefined()) {
    return Err("a {} cannot be gone through: expected a list, a dict or a string", type_name(value));
  }
  return ListPtr(std::move(items));
}

Result<int64_t> length(const Value& value) {
  if (const Text* t = value.text()) return static_cast<int64_t>(count_chars(t->bytes));
  if (const List* l = value.list()) return static_cast<int64_t>(l->items.size());
  if (const Dict* d = value.dict()) return static_cast<int64_t>(d->items.size());
  if (value.is_undefined()) return int64_t{0};
  if (const auto* loop = value.as<std::shared_ptr<Loop>>()) return static_cast<int64_t>((*loop)->items->items.size());
  return Err("a {} has no length", type_name(value));
}

}  // namespace loquat::jinja
