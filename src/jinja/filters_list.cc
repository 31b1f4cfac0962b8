// Filters of lists and dicts. Where Jinja gives a generator, these give a list that is one in name (List::generator).
#include <algorithm>

#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

// What is compared for sorting: an attribute where one is named, and strings without case unless that is wanted.
Result<Value> sort_key(Context& context, const Value& item, const Value& attribute, bool case_sensitive) {
  Value key = item;
  if (!attribute.is_none()) {
    TRY(key, get_path(item, attribute, context.budget));
  }
  const Text* text = key.text();
  if (case_sensitive || !text) return key;
  TRY_STATUS(context.budget.spend(16 + uint64_t{text->bytes.size()}));
  return Value(change_case(*text, Case::kLower));
}

struct Keyed {
  Value key;
  Value item;
};

Result<std::vector<Keyed>> with_keys(Context& context, const std::vector<Value>& items, const Value& attribute,
                                     bool case_sensitive) {
  TRY_STATUS(context.budget.spend_elements(2 * items.size()));
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    TRY(Value key, sort_key(context, item, attribute, case_sensitive));
    keyed.push_back({std::move(key), item});
  }
  return keyed;
}

Status sort_keyed(Context& context, std::vector<Keyed>& keyed, bool reverse) {
  std::optional<Error> failed;
  const auto before = [&](const Keyed& a, const Keyed& b) {
    if (failed) return false;
    const auto order = reverse ? compare(b.key, a.key, context.budget) : compare(a.key, b.key, context.budget);
    if (!order.ok()) failed = Error{order.error()};
    return order.ok() && *order < 0;
  };
  std::stable_sort(keyed.begin(), keyed.end(), before);
  if (failed) return *failed;
  return {};
}

Result<Value> items_of(Context& context, std::vector<Keyed> keyed) {
  std::vector<Value> items;
  for (Keyed& one : keyed) items.push_back(std::move(one.item));
  return make_list(std::move(items), context.budget);
}

Result<Value> sort(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound,
      bind(args, {{"reverse", Value(false)}, {"case_sensitive", Value(false)}, {"attribute", Value(None{})}}));
  TRY(const ListPtr items, iterate(input, context.budget));
  TRY(auto keyed, with_keys(context, items->items, bound[2], truthy(bound[1])));
  TRY_STATUS(sort_keyed(context, keyed, truthy(bound[0])));
  return items_of(context, std::move(keyed));
}

Result<Value> dict_sort(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound,
      bind(args, {{"case_sensitive", Value(false)}, {"by", Value::own("key")}, {"reverse", Value(false)}}));
  if (!input.dict()) return Err("dictsort: expected a dict, found a {}", type_name(input));
  TRY(const Text* by, want_text(bound[1], "dictsort"));
  if (by->bytes != "key" && by->bytes != "value")
    return Err("dictsort: expected by=\"key\" or \"value\", found '{}'", by->bytes);
  TRY(const Value pairs, call_method(context, input, "items", {}));
  TRY(auto keyed, with_keys(context, pairs.list()->items, Value(int64_t{by->bytes == "value"}), truthy(bound[0])));
  TRY_STATUS(sort_keyed(context, keyed, truthy(bound[2])));
  return items_of(context, std::move(keyed));
}

Result<Value> unique(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"case_sensitive", Value(false)}, {"attribute", Value(None{})}}));
  TRY(const ListPtr items, iterate(input, context.budget));
  TRY(auto keyed, with_keys(context, items->items, bound[1], truthy(bound[0])));
  std::vector<Keyed> kept;
  for (Keyed& one : keyed) {
    bool known = false;
    for (size_t i = 0; i < kept.size() && !known; ++i) {
      TRY(known, equal(kept[i].key, one.key, context.budget));
    }
    if (!known) kept.push_back(std::move(one));
  }
  std::vector<Value> made;
  for (Keyed& one : kept) made.push_back(std::move(one.item));
  return make_generator(std::move(made), context.budget);
}

template <bool greatest>
Result<Value> extreme(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"case_sensitive", Value(false)}, {"attribute", Value(None{})}}));
  TRY(const ListPtr items, iterate(input, context.budget));
  if (items->items.empty()) return Value::undefined("the list is empty");
  TRY(auto keyed, with_keys(context, items->items, bound[1], truthy(bound[0])));
  const Keyed* best = &keyed[0];
  for (const Keyed& one : keyed) {
    TRY(const int order, compare(one.key, best->key, context.budget));
    if (greatest ? order > 0 : order < 0) best = &one;
  }
  return best->item;
}

Result<Value> sum(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"attribute", Value(None{})}, {"start", Value(int64_t{0})}}));
  TRY(const ListPtr items, iterate(input, context.budget));
  Value total = bound[1];
  for (Value item : items->items) {
    if (!bound[0].is_none()) {
      TRY(item, get_path(item, bound[0], context.budget));
    }
    TRY(total, operate(Op::kAdd, std::move(total), item, context.budget));
  }
  return total;
}

Result<Value> join_filter(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"d", Value::own("")}, {"attribute", Value(None{})}}));
  TRY(const Text between, to_text(bound[0], context.budget));
  TRY(const ListPtr items, iterate(input, context.budget));
  if (bound[1].is_none()) return join(items->items, between, context.budget);
  std::vector<Value> values;
  for (const Value& item : items->items) {
    TRY(Value value, get_path(item, bound[1], context.budget));
    values.push_back(std::move(value));
  }
  return join(values, between, context.budget);
}

Result<Value> count(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  if (input.text()) TRY_STATUS(context.budget.spend(input.text()->bytes.size() / 16));
  TRY(const int64_t size, length(input));
  return Value(size);
}

Result<Value> first(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  if (const Text* text = input.text(); text && !text->bytes.empty())
    return Value(text->slice(0, next_char(text->bytes, 0)));
  TRY(const ListPtr items, iterate(input, context.budget));
  return items->items.empty() ? Value::undefined("the list has no first item") : items->items.front();
}

Result<Value> last(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  if (input.text()) return get_item(input, Value(int64_t{-1}), context.budget);
  TRY(const ListPtr items, iterate(input, context.budget));
  return items->items.empty() ? Value::undefined("the list has no last item") : items->items.back();
}

Result<Value> list(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  TRY(const ListPtr items, iterate(input, context.budget));
  return make_list(items->items, context.budget);
}

Result<Value> items(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  if (input.is_undefined()) return make_generator({}, context.budget);
  if (!input.dict()) return Err("items: expected a dict, found a {}", type_name(input));
  TRY(const Value pairs, call_method(context, input, "items", {}));
  return make_generator(pairs.list()->items, context.budget);
}

Result<Value> reverse(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  if (input.text()) return slice(input, Value(None{}), Value(None{}), Value(int64_t{-1}), context.budget);
  TRY(const ListPtr items, iterate(input, context.budget));
  return make_generator({items->items.rbegin(), items->items.rend()}, context.budget);
}

Result<Value> batch(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"linecount"}, {"fill_with", Value(None{})}}));
  TRY(const int64_t size, want_integer(bound[0], "batch"));
  if (size < 1 || size > 100000) return Err("batch: a size of {}", size);
  TRY(const ListPtr items, iterate(input, context.budget));
  std::vector<Value> batches;
  for (size_t at = 0; at < items->items.size(); at += static_cast<size_t>(size)) {
    const size_t end = std::min(at + static_cast<size_t>(size), items->items.size());
    std::vector<Value> one(items->items.begin() + static_cast<std::ptrdiff_t>(at),
                           items->items.begin() + static_cast<std::ptrdiff_t>(end));
    if (!bound[1].is_none()) one.resize(static_cast<size_t>(size), bound[1]);
    TRY(Value made, make_list(std::move(one), context.budget));
    batches.push_back(std::move(made));
  }
  return make_generator(std::move(batches), context.budget);
}

}  // namespace

std::vector<NamedFilter> list_filters() {
  return {{"sort", sort}, {"dictsort", dict_sort}, {"unique", unique}, {"min", extreme<false>}, {"max", extreme<true>},
          {"sum", sum},   {"join", join_filter},   {"length", count},  {"count", count},        {"first", first},
          {"last", last}, {"list", list},          {"items", items},   {"reverse", reverse},    {"batch", batch}};
}

}  // namespace loquat::jinja
