// A parsed template. It is immutable; the parser has bounded how deep nodes stand within one another (Limits::nesting),
// so walking and freeing it is safe. Names of variables are numbers: indices of Program::names.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/value.h"

namespace loquat::jinja {

struct Place {
  int line = 1;
  int column = 1;  // in characters
};

struct Expr;
using ExprPtr = std::unique_ptr<const Expr>;

struct Arguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> keywords;
  ExprPtr more, more_keywords;  // *a and **b; may be null
};

// A filter or a test, by name.
struct Applied {
  Place at;
  std::string name;
  Arguments args;
};

enum class Op { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow, kConcat };
enum class Relation { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Literal {
  Value value;
};
struct Name {
  int name = 0;
};
struct ListExpr {
  std::vector<ExprPtr> items;
  bool tuple = false;
};
struct DictExpr {
  std::vector<std::pair<ExprPtr, ExprPtr>> items;
};
struct Attribute {
  ExprPtr of;
  std::string name;
};
struct Item {
  ExprPtr of, key;
};
struct SliceExpr {
  ExprPtr of, start, stop, step;  // but `of`, each may be null
};
struct Call {
  ExprPtr callee;
  Arguments args;
};
struct Filter {
  ExprPtr input;
  Applied filter;
};
struct Test {
  ExprPtr input;
  Applied test;
  bool negated = false;
};
struct Not {
  ExprPtr operand;
};
struct Sign {
  ExprPtr operand;
  bool negative = false;
};
struct Binary {
  Op op = Op::kAdd;
  ExprPtr left, right;
};
struct Logic {
  bool is_and = false;
  ExprPtr left, right;
};
struct Compare {
  ExprPtr first;
  std::vector<std::pair<Relation, ExprPtr>> rest;
};
struct Conditional {
  ExprPtr condition, then, otherwise;  // `otherwise` may be null
};

struct Expr {
  Place at;
  int height = 1;  // nodes from here to the deepest one below
  std::variant<Literal, Name, ListExpr, DictExpr, Attribute, Item, SliceExpr, Call, Filter, Test, Not, Sign, Binary,
               Logic, Compare, Conditional>
      node;
};

// What is assigned to: a name, an attribute of a namespace, or several of these.
struct Target {
  Place at;
  int name = -1;
  std::string attribute;  // not empty: of the namespace `name`
  std::vector<Target> items;
};

struct Node;
using Body = std::vector<Node>;

struct Plain {
  TextPtr text;
};
struct Output {
  ExprPtr value;
};
struct If {
  std::vector<std::pair<ExprPtr, Body>> branches;  // a null condition: else
};
struct For {
  Target target;
  ExprPtr items, filter;  // `filter` may be null
  Body body, otherwise;
};
struct Set {
  Target target;
  ExprPtr value;
};
struct SetBlock {
  Target target;
  std::vector<Applied> filters;
  Body body;
};
struct Macro {
  Place at;
  std::string name;
  int variable = -1;  // -1: a caller()
  std::vector<int> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Body body;
  bool takes_varargs = false, takes_kwargs = false, takes_caller = false;
};
struct CallBlock {
  Macro caller;
  Call call;
};
struct FilterBlock {
  std::vector<Applied> filters;
  Body body;
};
struct With {
  std::vector<std::pair<Target, ExprPtr>> values;
  Body body;
};
struct Generation {
  Body body;
};
struct Break {};
struct Continue {};

struct Node {
  Place at;
  std::variant<Plain, Output, If, For, Set, SetBlock, Macro, CallBlock, FilterBlock, With, Generation, Break, Continue>
      node;
};

// Names that mean something to the interpreter have fixed numbers.
inline constexpr int kLoopName = 0, kCallerName = 1, kVarargsName = 2, kKwargsName = 3;

struct Program {
  Body body;
  std::vector<std::string> names{"loop", "caller", "varargs", "kwargs"};
  std::vector<bool> read;  // of each name: whether it is read anywhere
  bool has_generation = false;
  Limits limits;
};

}  // namespace loquat::jinja
