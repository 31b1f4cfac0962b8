// Runs a program once. Scopes are Jinja's: a for loop's turn, a macro's call, and the with, set, filter and generation
// blocks have one each; an if has none.
#pragma once

#include "base/check.h"
#include "jinja/builtins.h"
#include "jinja/lexer.h"

namespace loquat::jinja {

struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<int, Value>> values;

  void set(int name, Value value);
};

class Interpreter {
 public:
  Interpreter(const Program& program, Context& context, std::shared_ptr<Scope> variables)
      : program_(program), context_(context), budget_(context.budget), scope_(std::move(variables)) {}
  Result<Text> run();

 private:
  enum class Flow { kOn, kBreak, kContinue };
  // Until it ends: another scope, or another text that is written to.
  template <typename T>
  struct Instead {
    Instead(T& place, T value) : place(place), old(std::exchange(place, std::move(value))) {}
    ~Instead() { place = std::move(old); }
    T& place;
    T old;
  };
  using InScope = Instead<std::shared_ptr<Scope>>;
  using Writing = Instead<Text*>;
  struct Deeper {
    explicit Deeper(int& depth) : depth(depth) { ++depth; }
    ~Deeper() { --depth; }
    int& depth;
  };
  Status check_depth(Place at) const;
  template <typename T>
  static Result<T> located(Place at, Result<T> result) {
    if (result.ok()) return result;
    return Error{place_text(at) + result.error()};
  }

  Result<Flow> exec(const Body& body);
  Result<Flow> exec_node(const Node& node);
  Result<Flow> exec(Place at, const Plain& node);
  Result<Flow> exec(Place at, const Output& node);
  Result<Flow> exec(Place at, const If& node);
  Result<Flow> exec(Place at, const For& node);
  Result<Flow> exec(Place at, const Set& node);
  Result<Flow> exec(Place at, const SetBlock& node);
  Result<Flow> exec(Place at, const Macro& node);
  Result<Flow> exec(Place at, const CallBlock& node);
  Result<Flow> exec(Place at, const FilterBlock& node);
  Result<Flow> exec(Place at, const With& node);
  Result<Flow> exec(Place at, const Generation& node);
  Result<Flow> exec(Place at, const Break&);
  Result<Flow> exec(Place at, const Continue&);
  Result<ListPtr> kept_items(const For& loop, ListPtr items);
  Result<Value> apply(const Applied& filter, const Value& input);
  Result<Value> apply_all(const std::vector<Applied>& filters, Text input);
  Status assign(const Target& target, Value value);
  Status write(Place at, const Text& text);

  Result<Value> eval(const Expr& expr);
  Result<Value> eval(Place at, const Literal& node);
  Result<Value> eval(Place at, const Name& node);
  Result<Value> eval(Place at, const ListExpr& node);
  Result<Value> eval(Place at, const DictExpr& node);
  Result<Value> eval(Place at, const Attribute& node);
  Result<Value> eval(Place at, const Item& node);
  Result<Value> eval(Place at, const SliceExpr& node);
  Result<Value> eval(Place at, const Call& node);
  Result<Value> eval(Place at, const Filter& node);
  Result<Value> eval(Place at, const Test& node);
  Result<Value> eval(Place at, const Not& node);
  Result<Value> eval(Place at, const Sign& node);
  Result<Value> eval(Place at, const Binary& node);
  Result<Value> eval(Place at, const Logic& node);
  Result<Value> eval(Place at, const Compare& node);
  Result<Value> eval(Place at, const Conditional& node);
  Result<Value> eval_or_none(const ExprPtr& expr);
  Result<Args> eval_args(const Arguments& args);
  Result<bool> relate(Relation relation, const Value& left, const Value& right);
  Result<Value> call(Place at, const Value& callee, Args args);
  Result<Value> call_macro(Place at, const Macro& macro, std::shared_ptr<Scope> parent, Args args);
  Status bind_macro(Place at, const Macro& macro, Args args);

  const Program& program_;
  Context& context_;
  Budget& budget_;
  std::shared_ptr<Scope> scope_;
  Text* out_ = nullptr;
  int depth_ = 0;
};

}  // namespace loquat::jinja
