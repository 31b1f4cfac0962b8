// Arithmetic, ~, slices, and looking things up. Integers have 64 bits: an overflow is an error, not a longer number.
#include <cmath>

#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

Error overflow() {
  return Err("an integer beyond 64 bits");
}

Result<Value> power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return Err("0 to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) return overflow();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return overflow();
  }
  return Value(result);
}

Result<Value> integers(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return overflow();
      return Value(result);
    case Op::kSub:
      if (__builtin_sub_overflow(a, b, &result)) return overflow();
      return Value(result);
    case Op::kMul:
      if (__builtin_mul_overflow(a, b, &result)) return overflow();
      return Value(result);
    case Op::kPow:
      return power(a, b);
    default:
      break;
  }
  if (b == 0) return Err("division by zero");
  if (op == Op::kDiv) return Value(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) {  // INT64_MIN / -1 does not fit
    if (op == Op::kMod) return Value(int64_t{0});
    return integers(Op::kSub, 0, a);
  }
  const bool down = a % b != 0 && (a < 0) != (b < 0);  // Python rounds towards minus infinity
  if (op == Op::kFloorDiv) return Value(a / b - down);
  return Value(a % b + (down ? b : 0));
}

Result<Value> floats(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return Value(a + b);
    case Op::kSub:
      return Value(a - b);
    case Op::kMul:
      return Value(a * b);
    case Op::kPow: {
      const double result = std::pow(a, b);
      if (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) return Err("the power is no real number");
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) return Err("the power is too large");
      return Value(result);
    }
    default:
      break;
  }
  if (b == 0) return Err("division by zero");
  if (op == Op::kDiv) return Value(a / b);
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  if (op == Op::kMod) return Value(rest);
  return Value(std::floor((a - rest) / b + 0.5));  // (a - rest) / b is a whole number, but for rounding
}

// To `left` itself where nobody else has it: a long chain of + copies nothing twice.
Result<Value> append(Value left, const Text& right, Budget& budget) {
  const size_t size = left.text()->bytes.size() + right.bytes.size();
  if (size > budget.limits().output_bytes) return Err("a string of more than {} bytes", budget.limits().output_bytes);
  TextPtr& text = std::get<TextPtr>(left.data);
  TRY_STATUS(budget.spend(1 + right.bytes.size() / 8 + 2 * right.data.size()));
  if (text.use_count() == 1) {
    text->append(right);
    return left;
  }
  TRY_STATUS(budget.spend_bytes(text->bytes.size()));
  TRY_STATUS(budget.spend(2 * text->data.size()));
  Text both = *text;
  both.append(right);
  return Value(std::move(both));
}

Result<Value> repeat(const Value& what, int64_t count, Budget& budget) {
  if (count < 0) count = 0;
  if (const Text* text = what.text()) {
    const size_t size = std::max<size_t>(text->bytes.size(), 1);
    if (static_cast<uint64_t>(count) > budget.limits().output_bytes / size) {
      return Err("a string of more than {} bytes", budget.limits().output_bytes);
    }
    TRY_STATUS(budget.spend_bytes(size * static_cast<size_t>(count)));
    Text out;
    for (int64_t i = 0; i < count; ++i) out.append(*text);
    return Value(std::move(out));
  }
  const List& list = *what.list();
  if (list.items.empty()) count = 0;
  TRY_STATUS(budget.spend(static_cast<uint64_t>(count)));  // before the product, which might overflow
  TRY_STATUS(budget.spend_elements(list.items.size() * static_cast<size_t>(count)));
  std::vector<Value> items;
  for (int64_t i = 0; i < count; ++i) items.insert(items.end(), list.items.begin(), list.items.end());
  return make_list(std::move(items), budget, list.tuple);
}

const char* op_text(Op op) {
  static constexpr const char* kTexts[] = {"+", "-", "*", "/", "//", "%", "**", "~"};
  return kTexts[static_cast<int>(op)];
}

// Python's slice.indices().
struct Indices {
  int64_t start, stop, step;
};
Result<Indices> indices(const Value& start, const Value& stop, const Value& step, int64_t size) {
  int64_t by = 1;
  if (!step.is_none()) {
    TRY(by, want_integer(step, "the step of a slice"));
  }
  if (by == 0) return Err("the step of a slice is 0");
  by = std::max(by, -INT64_MAX);
  const int64_t low = by < 0 ? -1 : 0, high = by < 0 ? size - 1 : size;
  const auto one = [&](const Value& v, int64_t otherwise) -> Result<int64_t> {
    if (v.is_none()) return otherwise;
    TRY(int64_t i, want_integer(v, "the bound of a slice"));
    if (i < 0) i = std::max(i, -size - 1) + size;
    return std::clamp(i, low, high);
  };
  TRY(const int64_t from, one(start, by < 0 ? high : low));
  TRY(const int64_t to, one(stop, by < 0 ? low : high));
  return Indices{from, to, by};
}

Value nothing_there(const Value& object, const std::string& what) {
  const char* kind = object.space() ? "namespace" : type_name(object);
  return Value::undefined(fmt::format("the {} has no {}", object.is_none() ? "value None" : kind, what));
}

Result<Value> loop_attribute(const Value& value, const std::string& name) {
  const Loop& loop = **value.as<std::shared_ptr<Loop>>();
  const auto at = static_cast<int64_t>(loop.index);
  const auto size = static_cast<int64_t>(loop.items->items.size());
  const auto item = [&](int64_t i) {
    if (i < 0 || i >= size) return nothing_there(value, fmt::format("item {}", i));
    return loop.items->items[static_cast<size_t>(i)];
  };
  if (name == "index") return Value(at + 1);
  if (name == "index0") return Value(at);
  if (name == "revindex") return Value(size - at);
  if (name == "revindex0") return Value(size - at - 1);
  if (name == "first") return Value(at == 0);
  if (name == "last") return Value(at == size - 1);
  if (name == "length") return Value(size);
  if (name == "depth") return Value(int64_t{1});
  if (name == "depth0") return Value(int64_t{0});
  if (name == "previtem") return item(at - 1);
  if (name == "nextitem") return item(at + 1);
  return Value::undefined(fmt::format("loop has no attribute '{}'", name));
}

Value method(const Value& self, const std::string& name) {
  auto made = std::make_shared<Callable>();
  made->kind = Callable::Kind::kMethod;
  made->name = name;
  made->self = self;
  return Value(std::shared_ptr<const Callable>(std::move(made)));
}

// A method, or what stands for one that is refused; nothing where there is none.
Result<std::optional<Value>> method_of(const Value& object, const std::string& name, Budget& budget) {
  const MethodKind kind = method_kind(object, name);
  if (kind == MethodKind::kNone) return std::optional<Value>();
  if (kind == MethodKind::kUnsafe) {
    return std::optional<Value>(Value::undefined(
        fmt::format("'{}' of a {} is not allowed: values cannot be changed", name, type_name(object))));
  }
  TRY_STATUS(budget.spend(16));
  return std::optional<Value>(method(object, name));
}

}  // namespace

Result<Value> operate(Op op, Value left, const Value& right, Budget& budget) {
  if (op == Op::kConcat) {
    TRY(const Text end, to_text(right, budget));
    if (!left.text()) {
      TRY(Text begin, to_text(left, budget));
      left = Value(std::move(begin));
    }
    return append(std::move(left), end, budget);
  }
  for (const Value* v : {static_cast<const Value*>(&left), &right}) {
    if (const auto* u = v->as<Undefined>()) return Err("{}", u->reason());
  }
  if (left.is_number() && right.is_number()) {
    if (const auto a = left.integer(), b = right.integer(); a && b) return integers(op, *a, *b);
    return floats(op, *left.number(), *right.number());
  }
  if (op == Op::kAdd && left.text() && right.text()) return append(std::move(left), *right.text(), budget);
  if (op == Op::kMod && left.text()) return format_percent(*left.text(), right, budget);
  if (op == Op::kMul && (left.text() || left.list()) && right.integer()) return repeat(left, *right.integer(), budget);
  if (op == Op::kMul && (right.text() || right.list()) && left.integer()) return repeat(right, *left.integer(), budget);
  if (const List* a = left.list(), *b = right.list(); op == Op::kAdd && a && b && a->tuple == b->tuple) {
    TRY_STATUS(budget.spend_elements(a->items.size() + b->items.size()));
    std::vector<Value> items = a->items;
    items.insert(items.end(), b->items.begin(), b->items.end());
    return make_list(std::move(items), budget, a->tuple);
  }
  return Err("a {} {} a {} is not possible", type_name(left), op_text(op), type_name(right));
}

Result<Value> slice(const Value& of, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  if (const auto* u = of.as<Undefined>()) return Err("{}", u->reason());
  if (!of.text() && !of.list()) return nothing_there(of, "slices");
  TRY(const int64_t size, length(of));
  TRY(const Indices at, indices(start, stop, step, size));
  const auto more = [&](int64_t i) { return at.step > 0 ? i < at.stop : i > at.stop; };
  if (const List* list = of.list()) {
    std::vector<Value> items;
    // The step may be as large as an integer can be.
    for (int64_t i = at.start; more(i);) {
      items.push_back(list->items[static_cast<size_t>(i)]);
      if (__builtin_add_overflow(i, at.step, &i)) break;
    }
    return make_list(std::move(items), budget, list->tuple);
  }
  const Text& text = *of.text();
  TRY_STATUS(budget.spend_bytes(text.bytes.size()));
  if (at.step == 1) {
    const size_t begin = char_offset(text.bytes, static_cast<size_t>(at.start));
    const int64_t count = std::max<int64_t>(at.stop - at.start, 0);
    const size_t end = begin + char_offset(std::string_view(text.bytes).substr(begin), static_cast<size_t>(count));
    return Value(text.slice(begin, end));
  }
  TRY_STATUS(budget.spend(2 * uint64_t{text.bytes.size()}));
  std::vector<size_t> offsets;
  for (size_t i = 0; i < text.bytes.size(); i = next_char(text.bytes, i)) offsets.push_back(i);
  offsets.push_back(text.bytes.size());
  Text out;
  for (int64_t i = at.start; more(i);) {
    out.append(text, offsets[static_cast<size_t>(i)], offsets[static_cast<size_t>(i) + 1]);
    if (__builtin_add_overflow(i, at.step, &i)) break;
  }
  return Value(std::move(out));
}

Result<Value> get_attribute(const Value& object, const std::string& name, Budget& budget) {
  if (const auto* u = object.as<Undefined>()) return Err("{}, so it has no attribute '{}'", u->reason(), name);
  if (const Namespace* space = object.space()) {
    if (const Value* found = const_cast<Namespace*>(space)->find(name)) return *found;
  }
  TRY(const auto found, method_of(object, name, budget));
  if (found) return *found;
  if (object.as<std::shared_ptr<Loop>>()) return loop_attribute(object, name);
  if (const Dict* dict = object.dict()) {
    TRY_STATUS(budget.spend(dict->items.size() / 8));
    if (const Value* value = dict->find(name)) return *value;
  }
  if (const Callable* c = object.callable(); c && c->kind == Callable::Kind::kCycler && name == "current") {
    const List& items = *c->self.list();
    return items.items[*c->turn % items.items.size()];
  }
  if (const Callable* c = object.callable(); c && name == "name") return Value::own(c->name);
  return nothing_there(object, fmt::format("attribute '{}'", name));
}

Result<Value> get_item(const Value& object, const Value& key, Budget& budget) {
  if (const auto* u = object.as<Undefined>()) return Err("{}, so it has no items", u->reason());
  if (const Dict* dict = object.dict(); dict && hashable(key)) {
    TRY(const auto found, find_key(*dict, key, budget));
    if (found) return *found;
  }
  if (const Text* name = key.text()) {
    if (object.dict()) {  // attributes but not items, which were just looked for
      TRY(const auto found, method_of(object, name->bytes, budget));
      return found ? *found : nothing_there(object, fmt::format("item '{}'", name->bytes));
    }
    return get_attribute(object, name->bytes, budget);
  }
  if (const auto index = key.integer(); index && (object.list() || object.text())) {
    if (object.text()) TRY_STATUS(budget.spend(object.text()->bytes.size() / 16));
    TRY(const int64_t size, length(object));
    const int64_t at = *index < 0 ? *index + size : *index;
    if (at < 0 || at >= size) return nothing_there(object, fmt::format("item {}", *index));
    if (const List* list = object.list()) return list->items[static_cast<size_t>(at)];
    TRY_STATUS(budget.spend(16));
    const Text& text = *object.text();
    const size_t begin = char_offset(text.bytes, static_cast<size_t>(at));
    return Value(text.slice(begin, next_char(text.bytes, begin)));
  }
  return nothing_there(object, "such item");
}

Result<Value> get_path(const Value& object, const Value& path, Budget& budget, const Value& otherwise) {
  const Text* text = path.text();
  if (!text) return get_item(object, path, budget);
  Value value = object;
  std::string_view rest = text->bytes;
  for (;;) {
    const size_t dot = rest.find('.');
    const std::string part(rest.substr(0, dot));
    TRY_STATUS(budget.spend_bytes(part.size()));
    const bool digits = !part.empty() && part.size() < 18 && part.find_first_not_of("0123456789") == std::string::npos;
    TRY(value, get_item(value, digits ? Value(int64_t{std::stoll(part)}) : Value::own(part), budget));
    if (value.is_undefined() && !otherwise.is_undefined()) value = otherwise;
    if (dot == std::string_view::npos) return value;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace loquat::jinja
