// Statements, macros and their scopes. Expressions are in evaluate.cc.
#include "jinja/interpreter.h"

#include <algorithm>

namespace loquat::jinja {

void Scope::set(int name, Value value) {
  for (auto& [id, old] : values) {
    if (id == name) {
      old = std::move(value);
      return;
    }
  }
  values.emplace_back(name, std::move(value));
}

Result<Text> Interpreter::run() {
  Text out;
  const Writing writing(out_, &out);
  TRY(const Flow flow, exec(program_.body));
  CHECK(flow == Flow::kOn);
  return out;
}

Result<Interpreter::Flow> Interpreter::exec(const Body& body) {
  for (const Node& node : body) {
    TRY(const Flow flow, exec_node(node));
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::exec_node(const Node& node) {
  TRY_STATUS(located(node.at, budget_.spend(1)));
  const Deeper deeper(depth_);
  TRY_STATUS(check_depth(node.at));
  return std::visit([&](const auto& n) { return exec(node.at, n); }, node.node);
}

Status Interpreter::check_depth(Place at) const {
  if (depth_ <= budget_.limits().depth) return {};
  return located(at, Status(Err("more than {} nodes and macros within one another", budget_.limits().depth)));
}

Status Interpreter::write(Place at, const Text& text) {
  const size_t most = budget_.limits().output_bytes;
  if (text.bytes.size() > most - out_->bytes.size()) {
    return located(at, Status(Err("the template writes more than {} bytes", most)));
  }
  const size_t ranges = text.data.size() + text.generation.size();
  TRY_STATUS(located(at, budget_.spend(1 + text.bytes.size() / 8 + 2 * ranges)));
  out_->append(text);
  return {};
}

Result<Interpreter::Flow> Interpreter::exec(Place at, const Plain& node) {
  TRY_STATUS(write(at, *node.text));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::exec(Place at, const Output& node) {
  TRY(const Value value, eval(*node.value));
  if (const Text* text = value.text()) {
    TRY_STATUS(write(at, *text));
    return Flow::kOn;
  }
  TRY(const Text text, located(at, to_text(value, budget_)));
  TRY_STATUS(write(at, text));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::exec(Place, const If& node) {
  for (const auto& [condition, body] : node.branches) {
    if (condition) {
      TRY(const Value value, eval(*condition));
      if (!truthy(value)) continue;
    }
    return exec(body);
  }
  return Flow::kOn;
}

// What the loop's filter lets through.
Result<ListPtr> Interpreter::kept_items(const For& loop, ListPtr items) {
  auto kept = std::make_shared<List>();
  kept->depth = items->depth;
  TRY_STATUS(located(loop.filter->at, budget_.spend_elements(items->items.size())));
  for (const Value& item : items->items) {
    const InScope inner(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
    TRY_STATUS(assign(loop.target, item));
    TRY(const Value keep, eval(*loop.filter));
    if (truthy(keep)) kept->items.push_back(item);
  }
  return ListPtr(std::move(kept));
}

Result<Interpreter::Flow> Interpreter::exec(Place, const For& node) {
  TRY(const Value value, eval(*node.items));
  TRY(ListPtr items, located(node.items->at, iterate(value, budget_)));
  if (node.filter) {
    TRY(items, kept_items(node, std::move(items)));
  }
  if (items->items.empty()) {
    const InScope inner(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
    return exec(node.otherwise);
  }
  const auto loop = std::make_shared<Loop>(Loop{items, 0, Value()});
  for (; loop->index < items->items.size(); ++loop->index) {
    TRY_STATUS(located(node.target.at, budget_.spend(8)));
    const InScope inner(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
    scope_->set(kLoopName, loop);
    TRY_STATUS(assign(node.target, items->items[loop->index]));
    TRY(const Flow flow, exec(node.body));
    if (flow == Flow::kBreak) break;
  }
  return Flow::kOn;
}

Status Interpreter::assign(const Target& target, Value value) {
  if (!target.items.empty()) {
    TRY(const ListPtr items, located(target.at, iterate(value, budget_)));
    if (items->items.size() != target.items.size()) {
      return located(target.at,
                     Status(Err("expected {} values to unpack, found {}", target.items.size(), items->items.size())));
    }
    for (size_t i = 0; i < target.items.size(); ++i) TRY_STATUS(assign(target.items[i], items->items[i]));
    return {};
  }
  if (target.attribute.empty()) {
    scope_->set(target.name, std::move(value));
    return {};
  }
  TRY(const Value object, eval(target.at, Name{target.name}));
  const auto* space = object.as<std::shared_ptr<Namespace>>();
  if (!space) {
    return located(target.at, Status(Err("'{}': expected a namespace to assign an attribute of, found a {}",
                                         program_.names[static_cast<size_t>(target.name)], type_name(object))));
  }
  TRY_STATUS(located(target.at, check_kept(value)));
  if (Value* old = (*space)->find(target.attribute)) {
    *old = std::move(value);
  } else {
    (*space)->items.emplace_back(target.attribute, std::move(value));
  }
  return {};
}

Result<Interpreter::Flow> Interpreter::exec(Place, const Set& node) {
  TRY(Value value, eval(*node.value));
  TRY_STATUS(assign(node.target, std::move(value)));
  return Flow::kOn;
}

Result<Value> Interpreter::apply_all(const std::vector<Applied>& filters, Text input) {
  Value value(std::move(input));
  for (const Applied& one : filters) {
    TRY(value, apply(one, value));
  }
  return value;
}

Result<Interpreter::Flow> Interpreter::exec(Place, const SetBlock& node) {
  Text out;
  {
    const InScope inner(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
    const Writing writing(out_, &out);
    TRY(const Flow flow, exec(node.body));
    if (flow != Flow::kOn) return flow;
  }
  TRY(Value value, apply_all(node.filters, std::move(out)));
  TRY_STATUS(assign(node.target, std::move(value)));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::exec(Place at, const FilterBlock& node) {
  Text out;
  {
    const InScope inner(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
    const Writing writing(out_, &out);
    TRY(const Flow flow, exec(node.body));
    if (flow != Flow::kOn) return flow;
  }
  TRY(const Value value, apply_all(node.filters, std::move(out)));
  TRY(const Text text, located(at, to_text(value, budget_)));
  TRY_STATUS(write(at, text));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::exec(Place, const With& node) {
  std::vector<Value> values;
  for (const auto& [target, expr] : node.values) {
    TRY(Value value, eval(*expr));
    values.push_back(std::move(value));
  }
  const InScope inner(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
  for (size_t i = 0; i < values.size(); ++i) TRY_STATUS(assign(node.values[i].first, std::move(values[i])));
  return exec(node.body);
}

Result<Interpreter::Flow> Interpreter::exec(Place, const Generation& node) {
  const size_t begin = out_->bytes.size();
  const InScope inner(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
  TRY(const Flow flow, exec(node.body));
  out_->mark_generation(begin, out_->bytes.size());
  return flow;
}

Result<Interpreter::Flow> Interpreter::exec(Place, const Break&) {
  return Flow::kBreak;
}
Result<Interpreter::Flow> Interpreter::exec(Place, const Continue&) {
  return Flow::kContinue;
}

namespace {

Value macro_value(const Macro& macro, const std::shared_ptr<Scope>& scope) {
  auto made = std::make_shared<Callable>();
  made->kind = Callable::Kind::kMacro;
  made->name = macro.name;
  made->macro = &macro;
  made->scope = scope;
  return Value(std::shared_ptr<const Callable>(std::move(made)));
}

}  // namespace

Result<Interpreter::Flow> Interpreter::exec(Place, const Macro& node) {
  scope_->set(node.variable, macro_value(node, scope_));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::exec(Place at, const CallBlock& node) {
  TRY(const Value callee, eval(*node.call.callee));
  TRY(Args args, eval_args(node.call.args));
  args.keywords.emplace_back("caller", macro_value(node.caller, scope_));
  TRY(const Value value, call(at, callee, std::move(args)));
  TRY(const Text text, located(at, to_text(value, budget_)));
  TRY_STATUS(write(at, text));
  return Flow::kOn;
}

Result<Value> Interpreter::call(Place at, const Value& callee, Args args) {
  const Callable* callable = callee.callable();
  if (!callable) {
    if (const auto* undefined = callee.as<Undefined>())
      return located(at, Result<Value>(Err("{}", undefined->reason())));
    return located(at, Result<Value>(Err("a {} cannot be called", type_name(callee))));
  }
  if (callable->kind == Callable::Kind::kMacro) {
    const std::shared_ptr<Scope> scope = callable->scope.lock();
    if (!scope) return located(at, Result<Value>(Err("the block that defined macro '{}' has ended", callable->name)));
    return call_macro(at, *callable->macro, scope, std::move(args));
  }
  return located(at, call_builtin(context_, *callable, args));
}

Result<Value> Interpreter::call_macro(Place at, const Macro& macro, std::shared_ptr<Scope> parent, Args args) {
  TRY_STATUS(located(at, budget_.spend(16)));
  const Deeper deeper(depth_);
  TRY_STATUS(check_depth(at));
  const InScope inner(scope_, std::make_shared<Scope>(Scope{std::move(parent), {}}));
  TRY_STATUS(bind_macro(at, macro, std::move(args)));
  Text out;
  {
    const Writing writing(out_, &out);
    TRY(const Flow flow, exec(macro.body));
    CHECK(flow == Flow::kOn);
  }
  return Value(std::move(out));
}

Status Interpreter::bind_macro(Place at, const Macro& macro, Args args) {
  const size_t count = macro.parameters.size();
  const size_t plain = count - macro.defaults.size();
  const auto refuse = [&](std::string why) { return located(at, Status(Err("macro '{}': {}", macro.name, why))); };
  if (macro.takes_caller) scope_->set(kCallerName, Value::undefined("no caller is defined"));
  std::vector<bool> used(args.keywords.size());
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = program_.names[static_cast<size_t>(macro.parameters[i])];
    std::optional<Value> value;
    if (i < args.positional.size()) value = args.positional[i];
    for (size_t k = 0; k < args.keywords.size(); ++k) {
      if (args.keywords[k].first != name) continue;
      if (value) return refuse(fmt::format("'{}' is given twice", name));
      value = args.keywords[k].second;
      used[k] = true;
    }
    if (!value && i >= plain) {
      TRY(value, eval(*macro.defaults[i - plain]));
    }
    scope_->set(macro.parameters[i],
                value ? std::move(*value) : Value::undefined(fmt::format("parameter '{}' was not provided", name)));
  }
  std::vector<std::pair<Value, Value>> more;
  for (size_t k = 0; k < args.keywords.size(); ++k) {
    auto& [name, value] = args.keywords[k];
    if (used[k]) continue;
    if (name == "caller" && macro.takes_caller) {
      scope_->set(kCallerName, std::move(value));
    } else if (macro.takes_kwargs) {
      more.emplace_back(Text::from_data(name), std::move(value));  // it may be from **
    } else {
      return refuse(fmt::format("it has no parameter '{}'", name));
    }
  }
  if (macro.takes_kwargs) {
    TRY(Value kwargs, located(at, make_dict(std::move(more), budget_)));
    scope_->set(kKwargsName, std::move(kwargs));
  }
  if (args.positional.size() > count && !macro.takes_varargs) {
    return refuse(fmt::format("expected at most {} arguments, found {}", count, args.positional.size()));
  }
  if (macro.takes_varargs) {
    const auto from = args.positional.begin() + static_cast<std::ptrdiff_t>(std::min(count, args.positional.size()));
    TRY(Value varargs, located(at, make_list({from, args.positional.end()}, budget_, true)));
    scope_->set(kVarargsName, std::move(varargs));
  }
  return {};
}

}  // namespace loquat::jinja
