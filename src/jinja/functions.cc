// Global functions, and how arguments are bound to parameters.
#include <algorithm>

#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

Result<Value> make_namespace(Context& context, const Args& args) {
  auto space = std::make_shared<Namespace>();
  if (args.positional.size() > 1) return Err("namespace: expected at most one dict before the names");
  if (args.positional.size() == 1) {
    const Dict* dict = args.positional[0].dict();
    if (!dict) return Err("namespace: expected a dict, found a {}", type_name(args.positional[0]));
    TRY_STATUS(context.budget.spend_elements(dict->items.size()));
    for (const auto& [key, value] : dict->items) {
      if (!key.text()) return Err("namespace: expected names that are strings");
      space->items.emplace_back(key.text()->bytes, value);
    }
  }
  for (const auto& [name, value] : args.keywords) {
    TRY_STATUS(check_kept(value));
    if (Value* old = space->find(name)) {
      *old = value;
    } else {
      space->items.emplace_back(name, value);
    }
  }
  return Value(std::move(space));
}

Result<Value> make_dict_of(Context& context, const Args& args) {
  std::vector<std::pair<Value, Value>> items;
  if (args.positional.size() > 1) return Err("dict: expected at most one value without a name");
  if (args.positional.size() == 1) {
    if (const Dict* dict = args.positional[0].dict()) {
      TRY_STATUS(context.budget.spend_elements(dict->items.size()));
      items = dict->items;
    } else {
      TRY(const ListPtr pairs, iterate(args.positional[0], context.budget));
      TRY_STATUS(context.budget.spend_elements(pairs->items.size()));
      for (const Value& pair : pairs->items) {
        const List* both = pair.list();
        if (!both || both->items.size() != 2) return Err("dict: expected pairs");
        items.emplace_back(both->items[0], both->items[1]);
      }
    }
  }
  // A name may be from ** of data.
  for (const auto& [name, value] : args.keywords) items.emplace_back(Text::from_data(name), value);
  return make_dict(std::move(items), context.budget);
}

Result<Value> range(Context& context, const Args& args) {
  TRY(const auto bound, bind(args, {{"start"}, {"stop", Value(None{})}, {"step", Value(int64_t{1})}}));
  TRY(int64_t start, want_integer(bound[0], "range"));
  int64_t stop = start;
  if (bound[1].is_none()) {
    start = 0;
  } else {
    TRY(stop, want_integer(bound[1], "range"));
  }
  TRY(const int64_t step, want_integer(bound[2], "range"));
  if (step == 0) return Err("range: the step is 0");
  // As many as Jinja's sandbox allows.
  constexpr uint64_t kMost = 100000;
  const bool any = step > 0 ? start < stop : start > stop;
  const uint64_t span = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                 : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t by = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  const uint64_t count = any ? (span - 1) / by + 1 : 0;
  if (count > kMost) return Err("range: {} numbers, at most {} are allowed", count, kMost);
  TRY_STATUS(context.budget.spend_elements(count));
  std::vector<Value> items;
  items.reserve(count);
  for (uint64_t i = 0; i < count; ++i)
    items.emplace_back(static_cast<int64_t>(static_cast<uint64_t>(start) + i * static_cast<uint64_t>(step)));
  return make_list(std::move(items), context.budget);
}

Result<Value> raise_exception(Context& context, const Args& args) {
  TRY(const auto bound, bind(args, {{"message"}}));
  TRY(const Text message, to_text(bound[0], context.budget));
  context.raised = message.bytes;
  return Err("{}", message.bytes);
}

Result<Value> strftime_now(Context& context, const Args& args) {
  TRY(const auto bound, bind(args, {{"format"}}));
  TRY(const Text* format, want_text(bound[0], "strftime_now"));
  if (format->bytes.empty()) return Value::own("");
  const std::tm now = context.now();
  char buffer[1024];
  const size_t size = std::strftime(buffer, sizeof buffer, format->bytes.c_str(), &now);
  if (size == 0) return Err("strftime_now: '{}' gives nothing, or more than {} bytes", format->bytes, sizeof buffer);
  Text text = Text::own(std::string(buffer, size));
  if (format->has_data()) text.mark_data();
  return Value(std::move(text));
}

Value turning(Callable::Kind kind, std::string name, Value self) {
  auto made = std::make_shared<Callable>();
  made->kind = kind;
  made->name = std::move(name);
  made->self = std::move(self);
  made->turn = std::make_shared<size_t>(0);
  return Value(std::shared_ptr<const Callable>(std::move(made)));
}

Result<Value> cycler(Context& context, const Args& args) {
  if (args.positional.empty() || !args.keywords.empty()) return Err("cycler: expected values");
  TRY(Value items, make_list(args.positional, context.budget));
  return turning(Callable::Kind::kCycler, "cycler", std::move(items));
}

Result<Value> joiner(Context&, const Args& args) {
  TRY(auto bound, bind(args, {{"sep", Value::own(", ")}}));
  TRY_STATUS(check_kept(bound[0]));
  return turning(Callable::Kind::kJoiner, "joiner", std::move(bound[0]));
}

using Function = Result<Value> (*)(Context&, const Args&);

Function find_function(std::string_view name) {
  static constexpr std::pair<std::string_view, Function> kFunctions[] = {
      {"namespace", make_namespace},
      {"dict", make_dict_of},
      {"range", range},
      {"cycler", cycler},
      {"joiner", joiner},
      {"raise_exception", raise_exception},
      {"strftime_now", strftime_now},
  };
  for (const auto& [known, function] : kFunctions) {
    if (known == name) return function;
  }
  return nullptr;
}

}  // namespace

bool is_function(std::string_view name) {
  return find_function(name) != nullptr;
}

Result<Value> call_function(Context& context, const std::string& name, const Args& args) {
  return find_function(name)(context, args);
}

Result<Value> call_builtin(Context& context, const Callable& callable, const Args& args) {
  TRY_STATUS(context.budget.spend(4));
  switch (callable.kind) {
    case Callable::Kind::kFunction:
      return call_function(context, callable.name, args);
    case Callable::Kind::kMethod:
      return call_method(context, callable.self, callable.name, args);
    case Callable::Kind::kJoiner:
      return (*callable.turn)++ == 0 ? Value::own("") : callable.self;
    default:
      return Err("a {} cannot be called", callable.name);
  }
}

Result<std::vector<Value>> bind(const Args& args, std::initializer_list<Parameter> parameters) {
  if (args.positional.size() > parameters.size()) {
    return Err("expected at most {} arguments, found {}", parameters.size(), args.positional.size());
  }
  std::vector<Value> bound;
  size_t used = 0;
  for (const Parameter& parameter : parameters) {
    const auto named = std::find_if(args.keywords.begin(), args.keywords.end(),
                                    [&](const auto& keyword) { return keyword.first == parameter.name; });
    const bool has_name = named != args.keywords.end();
    const size_t i = bound.size();
    if (i < args.positional.size()) {
      if (has_name) return Err("'{}' is given twice", parameter.name);
      bound.push_back(args.positional[i]);
    } else if (has_name) {
      bound.push_back(named->second);
      ++used;
    } else if (parameter.otherwise) {
      bound.push_back(*parameter.otherwise);
    } else {
      return Err("expected the argument '{}'", parameter.name);
    }
  }
  if (used != args.keywords.size()) {
    for (const auto& [name, value] : args.keywords) {
      const auto known = [&name = name](const Parameter& parameter) { return parameter.name == name; };
      if (std::none_of(parameters.begin(), parameters.end(), known)) return Err("there is no argument '{}'", name);
    }
    return Err("an argument is given twice");
  }
  return bound;
}

Result<int64_t> want_integer(const Value& value, std::string_view what) {
  if (const auto i = value.integer()) return *i;
  if (const auto* u = value.as<Undefined>()) return Err("{}: {}", what, u->reason());
  return Err("{}: expected an integer, found a {}", what, type_name(value));
}

Result<const Text*> want_text(const Value& value, std::string_view what) {
  if (const Text* text = value.text()) return text;
  if (const auto* u = value.as<Undefined>()) return Err("{}: {}", what, u->reason());
  return Err("{}: expected a string, found a {}", what, type_name(value));
}

}  // namespace loquat::jinja
