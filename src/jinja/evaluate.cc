// Expressions.
#include "jinja/interpreter.h"

namespace loquat::jinja {

Result<Value> Interpreter::eval(const Expr& expr) {
  TRY_STATUS(located(expr.at, budget_.spend(1)));
  const Deeper deeper(depth_);
  TRY_STATUS(check_depth(expr.at));
  return std::visit([&](const auto& node) { return eval(expr.at, node); }, expr.node);
}

Result<Value> Interpreter::eval_or_none(const ExprPtr& expr) {
  if (!expr) return Value(None{});
  return eval(*expr);
}

Result<Value> Interpreter::eval(Place, const Literal& node) {
  return node.value;
}

Result<Value> Interpreter::eval(Place, const Name& node) {
  for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get()) {
    for (const auto& [name, value] : scope->values) {
      if (name == node.name) return value;
    }
  }
  return Value::undefined(fmt::format("'{}' is undefined", program_.names[static_cast<size_t>(node.name)]));
}

Result<Value> Interpreter::eval(Place at, const ListExpr& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExprPtr& item : node.items) {
    TRY(Value value, eval(*item));
    items.push_back(std::move(value));
  }
  return located(at, make_list(std::move(items), budget_, node.tuple));
}

Result<Value> Interpreter::eval(Place at, const DictExpr& node) {
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [key_expr, value_expr] : node.items) {
    TRY(Value key, eval(*key_expr));
    TRY(Value value, eval(*value_expr));
    items.emplace_back(std::move(key), std::move(value));
  }
  return located(at, make_dict(std::move(items), budget_));
}

Result<Value> Interpreter::eval(Place at, const Attribute& node) {
  TRY(const Value object, eval(*node.of));
  return located(at, get_attribute(object, node.name, budget_));
}

Result<Value> Interpreter::eval(Place at, const Item& node) {
  TRY(const Value object, eval(*node.of));
  TRY(const Value key, eval(*node.key));
  return located(at, get_item(object, key, budget_));
}

Result<Value> Interpreter::eval(Place at, const SliceExpr& node) {
  TRY(const Value object, eval(*node.of));
  TRY(const Value start, eval_or_none(node.start));
  TRY(const Value stop, eval_or_none(node.stop));
  TRY(const Value step, eval_or_none(node.step));
  return located(at, slice(object, start, stop, step, budget_));
}

Result<Args> Interpreter::eval_args(const Arguments& args) {
  Args made;
  for (const ExprPtr& arg : args.positional) {
    TRY(Value value, eval(*arg));
    made.positional.push_back(std::move(value));
  }
  for (const auto& [name, arg] : args.keywords) {
    TRY(Value value, eval(*arg));
    made.keywords.emplace_back(name, std::move(value));
  }
  if (args.more) {
    TRY(const Value value, eval(*args.more));
    TRY(const ListPtr items, located(args.more->at, iterate(value, budget_)));
    TRY_STATUS(located(args.more->at, budget_.spend_elements(items->items.size())));
    made.positional.insert(made.positional.end(), items->items.begin(), items->items.end());
  }
  if (args.more_keywords) {
    const Place at = args.more_keywords->at;
    TRY(const Value value, eval(*args.more_keywords));
    const Dict* dict = value.dict();
    if (!dict) return Error{place_text(at) + fmt::format("expected a dict after **, found a {}", type_name(value))};
    TRY_STATUS(located(at, budget_.spend_elements(2 * dict->items.size())));
    for (const auto& [key, item] : dict->items) {
      if (!key.text()) return Error{place_text(at) + "expected names that are strings after **"};
      made.keywords.emplace_back(key.text()->bytes, item);
    }
  }
  return made;
}

Result<Value> Interpreter::eval(Place at, const Call& node) {
  TRY(const Value callee, eval(*node.callee));
  TRY(Args args, eval_args(node.args));
  return call(at, callee, std::move(args));
}

Result<Value> Interpreter::apply(const Applied& filter, const Value& input) {
  TRY(const Args args, eval_args(filter.args));
  const FilterFunction function = find_filter(filter.name);
  if (!function) return located(filter.at, Result<Value>(Err("there is no filter '{}'", filter.name)));
  return located(filter.at, function(context_, input, args));
}

Result<Value> Interpreter::eval(Place, const Filter& node) {
  TRY(const Value input, eval(*node.input));
  return apply(node.filter, input);
}

Result<Value> Interpreter::eval(Place, const Test& node) {
  TRY(const Value input, eval(*node.input));
  TRY(const Args args, eval_args(node.test.args));
  const TestFunction function = find_test(node.test.name);
  if (!function) return located(node.test.at, Result<Value>(Err("there is no test '{}'", node.test.name)));
  TRY(const bool holds, located(node.test.at, function(context_, input, args)));
  return Value(holds != node.negated);
}

Result<Value> Interpreter::eval(Place, const Not& node) {
  TRY(const Value operand, eval(*node.operand));
  return Value(!truthy(operand));
}

Result<Value> Interpreter::eval(Place at, const Sign& node) {
  TRY(const Value operand, eval(*node.operand));
  if (!operand.is_number()) {
    if (const auto* u = operand.as<Undefined>()) return located(at, Result<Value>(Err("{}", u->reason())));
    return located(at, Result<Value>(Err("a sign needs a number, found a {}", type_name(operand))));
  }
  if (const auto* d = operand.as<double>()) return Value(node.negative ? -*d : *d);
  return located(at, operate(node.negative ? Op::kSub : Op::kAdd, Value(int64_t{0}), operand, budget_));
}

Result<Value> Interpreter::eval(Place at, const Binary& node) {
  TRY(Value left, eval(*node.left));
  TRY(const Value right, eval(*node.right));
  return located(at, operate(node.op, std::move(left), right, budget_));
}

Result<Value> Interpreter::eval(Place, const Logic& node) {
  TRY(Value left, eval(*node.left));
  if (truthy(left) != node.is_and) return left;
  return eval(*node.right);
}

Result<bool> Interpreter::relate(Relation relation, const Value& left, const Value& right) {
  switch (relation) {
    case Relation::kEq:
      return equal(left, right, budget_);
    case Relation::kNe: {
      TRY(const bool same, equal(left, right, budget_));
      return !same;
    }
    case Relation::kIn:
      return contains(right, left, budget_);
    case Relation::kNotIn: {
      TRY(const bool in, contains(right, left, budget_));
      return !in;
    }
    default:
      break;
  }
  TRY(const int order, compare(left, right, budget_));
  if (const auto x = left.number(), y = right.number(); x && y && (*x != *x || *y != *y)) return false;
  if (relation == Relation::kLt) return order < 0;
  if (relation == Relation::kLe) return order <= 0;
  return relation == Relation::kGt ? order > 0 : order >= 0;
}

Result<Value> Interpreter::eval(Place at, const Compare& node) {
  TRY(Value left, eval(*node.first));
  for (const auto& [relation, expr] : node.rest) {
    TRY(Value right, eval(*expr));
    TRY(const bool holds, located(at, relate(relation, left, right)));
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Interpreter::eval(Place, const Conditional& node) {
  TRY(const Value condition, eval(*node.condition));
  if (truthy(condition)) return eval(*node.then);
  if (node.otherwise) return eval(*node.otherwise);
  return Value::undefined("the inline if has no else");
}

}  // namespace loquat::jinja
