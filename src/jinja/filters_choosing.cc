// Filters that apply other filters and tests to each item, and the table of all filters.
#include <algorithm>
#include <map>

#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

Args without_first(const Args& args, size_t count) {
  return {{args.positional.begin() + static_cast<std::ptrdiff_t>(count), args.positional.end()}, args.keywords};
}

Result<Value> map_attribute(Context& context, const List& items, const Args& args) {
  TRY(const auto bound, bind(args, {{"attribute"}, {"default", Value()}}));
  std::vector<Value> made;
  for (const Value& item : items.items) {
    TRY(Value value, get_path(item, bound[0], context.budget, bound[1]));
    made.push_back(std::move(value));
  }
  return make_generator(std::move(made), context.budget);
}

Result<Value> map(Context& context, const Value& input, const Args& args) {
  // Jinja goes through nothing that is false, whatever it is.
  TRY(const ListPtr items, iterate(truthy(input) ? input : Value(), context.budget));
  if (args.positional.empty()) return map_attribute(context, *items, args);
  TRY(const Text* name, want_text(args.positional[0], "map"));
  const FilterFunction filter = find_filter(name->bytes);
  if (!filter) return Err("map: there is no filter '{}'", name->bytes);
  // map('map', ...) would take the stack by its arguments alone.
  if (filter == map) return Err("map: 'map' cannot be mapped");
  const Args rest = without_first(args, 1);
  std::vector<Value> made;
  for (const Value& item : items->items) {
    TRY_STATUS(context.budget.spend(4));
    TRY(Value value, filter(context, item, rest));
    made.push_back(std::move(value));
  }
  return make_generator(std::move(made), context.budget);
}

// select, reject, selectattr and rejectattr.
template <bool keep, bool by_attribute>
Result<Value> select(Context& context, const Value& input, const Args& args) {
  constexpr size_t kAt = by_attribute ? 1 : 0;  // of the test's name
  if (args.positional.size() < kAt) return Err("expected the name of an attribute");
  TestFunction test = nullptr;
  Args rest;
  if (args.positional.size() > kAt) {
    TRY(const Text* name, want_text(args.positional[kAt], "select"));
    test = find_test(name->bytes);
    if (!test) return Err("there is no test '{}'", name->bytes);
    rest = without_first(args, kAt + 1);
  }
  TRY(const ListPtr items, iterate(truthy(input) ? input : Value(), context.budget));
  std::vector<Value> kept;
  for (const Value& item : items->items) {
    TRY_STATUS(context.budget.spend(4));
    Value value = item;
    if (by_attribute) {
      TRY(value, get_path(item, args.positional[0], context.budget));
    }
    TRY(const bool holds, test ? test(context, value, rest) : Result<bool>(truthy(value)));
    if (holds == keep) kept.push_back(item);
  }
  return make_generator(std::move(kept), context.budget);
}

Result<Value> attr(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"name"}}));
  TRY(const Text* name, want_text(bound[0], "attr"));
  if (input.dict() && method_kind(input, name->bytes) == MethodKind::kNone) {
    return Value::undefined(fmt::format("the dict has no attribute '{}'", name->bytes));
  }
  return get_attribute(input, name->bytes, context.budget);
}

Result<Value> group_by(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"attribute"}, {"default", Value()}, {"case_sensitive", Value(false)}}));
  Args sorting{{}, {{"attribute", bound[0]}, {"case_sensitive", bound[2]}}};
  TRY(const Value sorted, find_filter("sort")(context, input, sorting));
  std::vector<std::pair<Value, std::vector<Value>>> groups;
  for (const Value& item : sorted.list()->items) {
    TRY(Value key, get_path(item, bound[0], context.budget, bound[1]));
    bool same = false;
    if (!groups.empty()) {
      TRY(same, equal(groups.back().first, key, context.budget));
    }
    if (!same) groups.push_back({std::move(key), {}});
    groups.back().second.push_back(item);
  }
  std::vector<Value> made;
  for (auto& [key, items] : groups) {
    TRY(Value list, make_list(std::move(items), context.budget));
    TRY(Value pair, make_list({key, std::move(list)}, context.budget, true));
    made.push_back(std::move(pair));
  }
  return make_list(std::move(made), context.budget);
}

}  // namespace

std::vector<NamedFilter> choosing_filters() {
  return {{"map", map},
          {"select", select<true, false>},
          {"reject", select<false, false>},
          {"selectattr", select<true, true>},
          {"rejectattr", select<false, true>},
          {"attr", attr},
          {"groupby", group_by}};
}

FilterFunction find_filter(std::string_view name) {
  static const std::map<std::string_view, FilterFunction> all = [] {
    std::map<std::string_view, FilterFunction> made;
    for (const auto& table : {text_filters(), number_filters(), list_filters(), choosing_filters()}) {
      made.insert(table.begin(), table.end());
    }
    return made;
  }();
  const auto it = all.find(name);
  return it == all.end() ? nullptr : it->second;
}

}  // namespace loquat::jinja
