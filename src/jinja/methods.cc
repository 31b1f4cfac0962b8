// Methods of dicts, lists, tuples and numbers, and of loops and cyclers. Strings' are in text_methods.cc.
#include <algorithm>
#include <cmath>

#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

using Names = std::initializer_list<std::string_view>;

MethodKind kind_in(std::string_view name, const Names& safe, const Names& unsafe) {
  if (std::find(safe.begin(), safe.end(), name) != safe.end()) return MethodKind::kSafe;
  return std::find(unsafe.begin(), unsafe.end(), name) != unsafe.end() ? MethodKind::kUnsafe : MethodKind::kNone;
}

const Names kTextMethods{
    "strip",      "lstrip",  "rstrip",  "split",      "rsplit",   "splitlines",   "startswith",   "endswith",
    "upper",      "lower",   "title",   "capitalize", "swapcase", "replace",      "find",         "rfind",
    "index",      "rindex",  "count",   "join",       "format",   "isdigit",      "isdecimal",    "isnumeric",
    "isalpha",    "isalnum", "isspace", "isupper",    "islower",  "removeprefix", "removesuffix", "partition",
    "rpartition", "zfill",   "center",  "ljust",      "rjust"};

Result<Value> dict_method(Context& context, const Dict& self, std::string_view name, const Args& args) {
  Budget& budget = context.budget;
  if (name == "get") {
    TRY(const auto bound, bind(args, {{"key"}, {"default", Value(None{})}}));
    if (!hashable(bound[0])) return Err("get: a {} cannot be the key of a dict", type_name(bound[0]));
    TRY(const auto found, find_key(self, bound[0], budget));
    return found ? *found : bound[1];
  }
  TRY(const auto none, bind(args, {}));
  if (name == "copy") return make_dict(self.items, budget);
  TRY_STATUS(budget.spend_elements(self.items.size()));
  std::vector<Value> items;
  for (const auto& [key, value] : self.items) {
    if (name == "items") {
      TRY(Value pair, make_list({key, value}, budget, true));
      items.push_back(std::move(pair));
    } else {
      items.push_back(name == "keys" ? key : value);
    }
  }
  return make_list(std::move(items), budget);
}

Result<Value> list_method(Context& context, const List& self, std::string_view name, const Args& args) {
  if (name == "copy") return make_list(self.items, context.budget);
  TRY(const auto bound, bind(args, {{"value"}}));
  int64_t count = 0;
  for (size_t i = 0; i < self.items.size(); ++i) {
    TRY(const bool same, equal(self.items[i], bound[0], context.budget));
    if (same && name == "index") return Value(static_cast<int64_t>(i));
    count += same;
  }
  if (name == "index") return Err("index: the value is not in the list");
  return Value(count);
}

Result<Value> loop_method(Context& context, Loop& loop, std::string_view name, const Args& args) {
  if (name == "cycle") {
    if (args.positional.empty() || !args.keywords.empty()) return Err("cycle: expected values");
    return args.positional[loop.index % args.positional.size()];
  }
  TRY(Value now, make_list(args.positional, context.budget, true));
  TRY(const bool same, equal(loop.changed, now, context.budget));
  loop.changed = std::move(now);
  return Value(!same);
}

}  // namespace

MethodKind method_kind(const Value& self, std::string_view name) {
  if (self.text()) return kind_in(name, kTextMethods, {});
  if (self.dict()) {
    return kind_in(name, {"get", "items", "keys", "values", "copy"},
                   {"clear", "pop", "popitem", "setdefault", "update"});
  }
  if (self.list() && self.list()->tuple) return kind_in(name, {"index", "count"}, {});
  if (self.list()) {
    return kind_in(name, {"index", "count", "copy"},
                   {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"});
  }
  if (self.as<double>()) return kind_in(name, {"is_integer"}, {});
  if (self.as<std::shared_ptr<Loop>>()) return kind_in(name, {"cycle", "changed"}, {});
  const Callable* callable = self.callable();
  if (callable && callable->kind == Callable::Kind::kCycler) return kind_in(name, {"next", "reset"}, {});
  return MethodKind::kNone;
}

Result<Value> call_method(Context& context, const Value& self, std::string_view name, const Args& args) {
  if (const Text* text = self.text()) return call_text_method(context, *text, name, args);
  if (const Dict* dict = self.dict()) return dict_method(context, *dict, name, args);
  if (const List* list = self.list()) return list_method(context, *list, name, args);
  if (const auto* loop = self.as<std::shared_ptr<Loop>>()) return loop_method(context, **loop, name, args);
  TRY(const auto none, bind(args, {}));
  if (const auto* number = self.as<double>()) return Value(std::isfinite(*number) && std::floor(*number) == *number);
  const Callable& cycler = *self.callable();
  if (name == "reset") {
    *cycler.turn = 0;
    return Value(None{});
  }
  const List& items = *cycler.self.list();
  return items.items[(*cycler.turn)++ % items.items.size()];
}

}  // namespace loquat::jinja
