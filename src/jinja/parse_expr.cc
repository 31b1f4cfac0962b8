// Expressions: operators by precedence climbing, so that a level of brackets takes few stack frames.
#include <algorithm>
#include <initializer_list>
#include <optional>

#include "jinja/parser.h"

namespace loquat::jinja {

namespace {

enum Precedence { kOr = 1, kAnd, kNot, kComparison, kSum, kJoin, kProduct, kPower };

struct BinaryOp {
  int precedence;
  Op op;
};

std::optional<BinaryOp> binary_op(const Token& token) {
  if (token.kind != TokenKind::kOperator) return std::nullopt;
  if (token.text == "+") return BinaryOp{kSum, Op::kAdd};
  if (token.text == "-") return BinaryOp{kSum, Op::kSub};
  if (token.text == "~") return BinaryOp{kJoin, Op::kConcat};
  if (token.text == "*") return BinaryOp{kProduct, Op::kMul};
  if (token.text == "/") return BinaryOp{kProduct, Op::kDiv};
  if (token.text == "//") return BinaryOp{kProduct, Op::kFloorDiv};
  if (token.text == "%") return BinaryOp{kProduct, Op::kMod};
  if (token.text == "**") return BinaryOp{kPower, Op::kPow};
  return std::nullopt;
}

std::optional<Relation> relation(const Token& token, const Token& next) {
  if (token.kind == TokenKind::kName) {
    if (token.text == "in") return Relation::kIn;
    if (token.text == "not" && next.kind == TokenKind::kName && next.text == "in") return Relation::kNotIn;
    return std::nullopt;
  }
  if (token.kind != TokenKind::kOperator) return std::nullopt;
  if (token.text == "==") return Relation::kEq;
  if (token.text == "!=") return Relation::kNe;
  if (token.text == "<") return Relation::kLt;
  if (token.text == "<=") return Relation::kLe;
  if (token.text == ">") return Relation::kGt;
  if (token.text == ">=") return Relation::kGe;
  return std::nullopt;
}

int highest(std::initializer_list<const ExprPtr*> parts, const Arguments* args = nullptr) {
  int height = 0;
  const auto see = [&](const ExprPtr& part) { height = part ? std::max(height, part->height) : height; };
  for (const ExprPtr* part : parts) see(*part);
  if (args) {
    for (const auto& arg : args->positional) see(arg);
    for (const auto& [name, arg] : args->keywords) see(arg);
    see(args->more);
    see(args->more_keywords);
  }
  return height;
}

}  // namespace

Result<ExprPtr> Parser::make(Place at, int below, decltype(Expr::node) node) const {
  if (below >= program_.limits.nesting) return fail(at, "an expression more than {} deep", program_.limits.nesting);
  return ExprPtr(std::make_unique<const Expr>(Expr{at, below + 1, std::move(node)}));
}

// One expression, or several with commas: a tuple. `conditional`: whether it may hold "a if b else c".
Result<ExprPtr> Parser::tuple(bool conditional, bool in_brackets) {
  const Place at = now().at;
  if (in_brackets && is_op(")")) return make(at, 0, ListExpr{{}, true});
  ListExpr made{{}, true};
  int below = 0;
  bool comma = false;
  for (;;) {
    TRY(ExprPtr item, conditional ? expression() : binary(kOr));
    below = std::max(below, item->height);
    made.items.push_back(std::move(item));
    if (!skip_op(",")) break;
    comma = true;
    if (is_op(")") || now().kind == TokenKind::kBlockEnd || now().kind == TokenKind::kOutputEnd) break;
  }
  if (!comma) return std::move(made.items[0]);
  return make(at, below, std::move(made));
}

Result<ExprPtr> Parser::expression() {
  const Level level(level_);
  TRY_STATUS(check_level());
  const Place at = now().at;
  TRY(ExprPtr value, binary(kOr));
  while (skip_word("if")) {
    Conditional made;
    made.then = std::move(value);
    TRY(made.condition, binary(kOr));
    if (skip_word("else")) {
      TRY(made.otherwise, expression());
    }
    const int below = highest({&made.then, &made.condition, &made.otherwise});
    TRY(value, make(at, below, std::move(made)));
  }
  return value;
}

// Operators that bind at least as strongly as `precedence`.
Result<ExprPtr> Parser::binary(int precedence) {
  const Level level(level_);
  TRY_STATUS(check_level());
  const Place begin = now().at;
  ExprPtr left;
  if (precedence <= kNot && skip_word("not")) {
    TRY(ExprPtr operand, binary(kNot));
    const int below = operand->height;
    TRY(left, make(begin, below, Not{std::move(operand)}));
  } else {
    TRY(left, unary(true));
  }
  for (;;) {
    const Place at = now().at;
    const auto op = binary_op(now());
    const bool logic = (is_word("and") && precedence <= kAnd) || (is_word("or") && precedence <= kOr);
    if (precedence <= kComparison && relation(now(), next())) {
      TRY(left, comparison(std::move(left)));
    } else if (logic || (op && op->precedence >= precedence)) {
      const bool is_and = take().text == "and";
      TRY(ExprPtr right, binary(!logic ? op->precedence + 1 : is_and ? kNot : kAnd));
      const int below = highest({&left, &right});
      if (logic) {
        TRY(left, make(at, below, Logic{is_and, std::move(left), std::move(right)}));
      } else {
        TRY(left, make(at, below, Binary{op->op, std::move(left), std::move(right)}));
      }
    } else {
      return left;
    }
  }
}

Result<ExprPtr> Parser::comparison(ExprPtr first) {
  const Place at = now().at;
  Compare made;
  made.first = std::move(first);
  int below = made.first->height;
  while (const auto found = relation(now(), next())) {
    take();
    if (*found == Relation::kNotIn) take();
    TRY(ExprPtr operand, binary(kSum));
    below = std::max(below, operand->height);
    made.rest.emplace_back(*found, std::move(operand));
  }
  return make(at, below, std::move(made));
}

Result<ExprPtr> Parser::unary(bool with_filters) {
  const Level level(level_);
  TRY_STATUS(check_level());
  const Place at = now().at;
  ExprPtr value;
  if (is_op("-") || is_op("+")) {
    const bool negative = take().text == "-";
    TRY(ExprPtr operand, unary(false));
    const int below = operand->height;
    TRY(value, make(at, below, Sign{std::move(operand), negative}));
  } else {
    TRY(value, primary());
  }
  TRY(value, postfix(std::move(value)));
  if (!with_filters) return value;
  return filters_and_tests(std::move(value));
}

Result<ExprPtr> Parser::primary() {
  const Place at = now().at;
  switch (now().kind) {
    case TokenKind::kName:
      return name_or_constant();
    case TokenKind::kString: {
      std::string text = take().text;
      while (now().kind == TokenKind::kString) text += take().text;
      return make(at, 0, Literal{Value::own(std::move(text))});
    }
    case TokenKind::kInteger:
      return make(at, 0, Literal{Value(take().integer)});
    case TokenKind::kFloat:
      return make(at, 0, Literal{Value(take().number)});
    default:
      break;
  }
  if (skip_op("(")) {
    TRY(ExprPtr value, tuple(true, true));
    TRY_STATUS(expect_op(")"));
    return value;
  }
  if (is_op("[")) return list();
  if (is_op("{")) return dict();
  return unexpected("a value");
}

Result<ExprPtr> Parser::name_or_constant() {
  const Place at = now().at;
  for (const char* word : {"not", "and", "or", "is", "in", "if", "else"}) {
    if (is_word(word)) return unexpected("a value");
  }
  const std::string name = take().text;
  if (name == "true" || name == "True") return make(at, 0, Literal{Value(true)});
  if (name == "false" || name == "False") return make(at, 0, Literal{Value(false)});
  if (name == "none" || name == "None") return make(at, 0, Literal{Value(None{})});
  const int id = name_id(name);
  program_.read[static_cast<size_t>(id)] = true;
  return make(at, 0, Name{id});
}

Result<ExprPtr> Parser::list() {
  const Place at = take().at;
  ListExpr made;
  int below = 0;
  while (!is_op("]")) {
    if (!made.items.empty()) {
      TRY_STATUS(expect_op(","));
      if (is_op("]")) break;
    }
    TRY(ExprPtr item, expression());
    below = std::max(below, item->height);
    made.items.push_back(std::move(item));
  }
  take();
  return make(at, below, std::move(made));
}

Result<ExprPtr> Parser::dict() {
  const Place at = take().at;
  DictExpr made;
  int below = 0;
  while (!is_op("}")) {
    if (!made.items.empty()) {
      TRY_STATUS(expect_op(","));
      if (is_op("}")) break;
    }
    TRY(ExprPtr key, expression());
    TRY_STATUS(expect_op(":"));
    TRY(ExprPtr value, expression());
    below = std::max({below, key->height, value->height});
    made.items.emplace_back(std::move(key), std::move(value));
  }
  take();
  return make(at, below, std::move(made));
}

Result<ExprPtr> Parser::postfix(ExprPtr of) {
  for (;;) {
    const Place at = now().at;
    if (skip_op(".")) {
      const int below = of->height;
      if (now().kind == TokenKind::kInteger) {
        TRY(ExprPtr key, make(now().at, 0, Literal{Value(take().integer)}));
        TRY(of, make(at, below, Item{std::move(of), std::move(key)}));
      } else {
        TRY(std::string name, expect_name("the name of an attribute"));
        TRY(of, make(at, below, Attribute{std::move(of), std::move(name)}));
      }
    } else if (skip_op("[")) {
      TRY(of, subscript(std::move(of)));
    } else if (is_op("(")) {
      TRY(of, call(std::move(of)));
    } else {
      return of;
    }
  }
}

// After "[".
Result<ExprPtr> Parser::subscript(ExprPtr of) {
  const Place at = now().at;
  ExprPtr part[3];
  int colons = 0;
  while (!is_op("]")) {
    if (is_op(":") && colons < 2) {
      take();
      ++colons;
    } else if (part[colons]) {
      return unexpected("']'");
    } else {
      TRY(part[colons], expression());
    }
  }
  if (colons == 0 && !part[0]) return unexpected("an index");
  take();
  const int below = highest({&of, &part[0], &part[1], &part[2]});
  if (colons == 0) return make(at, below, Item{std::move(of), std::move(part[0])});
  return make(at, below, SliceExpr{std::move(of), std::move(part[0]), std::move(part[1]), std::move(part[2])});
}

Result<ExprPtr> Parser::filters_and_tests(ExprPtr of) {
  for (;;) {
    if (skip_op("|")) {
      TRY(Applied applied, filter());
      const Place at = applied.at;
      const int below = highest({&of}, &applied.args);
      TRY(of, make(at, below, Filter{std::move(of), std::move(applied)}));
    } else if (is_word("is")) {
      TRY(of, test(std::move(of)));
    } else if (is_op("(")) {
      TRY(of, call(std::move(of)));
    } else {
      return of;
    }
  }
}

Result<ExprPtr> Parser::test(ExprPtr of) {
  take();
  Test made;
  made.negated = skip_word("not");
  made.test.at = now().at;
  TRY(made.test.name, expect_name("the name of a test"));
  const TokenKind kind = now().kind;
  const bool value = kind == TokenKind::kString || kind == TokenKind::kInteger || kind == TokenKind::kFloat ||
                     is_op("[") || is_op("{") ||
                     (kind == TokenKind::kName && !is_word("else") && !is_word("or") && !is_word("and") &&
                      !is_word("is") && !is_word("if") && !is_word("in") && !is_word("not"));
  if (is_word("is")) return fail(now().at, "tests cannot be chained: expected brackets around the first");
  if (is_op("(")) {
    TRY(made.test.args, arguments());
  } else if (value) {
    TRY(ExprPtr arg, primary());
    TRY(arg, postfix(std::move(arg)));
    made.test.args.positional.push_back(std::move(arg));
  }
  const int below = highest({&of}, &made.test.args);
  const Place at = made.test.at;
  made.input = std::move(of);
  return make(at, below, std::move(made));
}

Result<ExprPtr> Parser::call(ExprPtr callee) {
  const Place at = now().at;
  TRY(Arguments args, arguments());
  const int below = highest({&callee}, &args);
  return make(at, below, Call{std::move(callee), std::move(args)});
}

Result<Arguments> Parser::arguments() {
  TRY_STATUS(expect_op("("));
  Arguments made;
  bool first = true;
  while (!is_op(")")) {
    if (!first) {
      TRY_STATUS(expect_op(","));
      if (is_op(")")) break;
    }
    first = false;
    if (is_op("*") || is_op("**")) {
      ExprPtr& more = is_op("*") ? made.more : made.more_keywords;
      if (more || made.more_keywords) return unexpected("')'");
      take();
      TRY(more, expression());
    } else if (now().kind == TokenKind::kName && next().kind == TokenKind::kOperator && next().text == "=") {
      std::string name = take().text;
      take();
      TRY(ExprPtr value, expression());
      made.keywords.emplace_back(std::move(name), std::move(value));
    } else if (!made.keywords.empty() || made.more || made.more_keywords) {
      return unexpected("an argument with a name, as the one before it has");
    } else {
      TRY(ExprPtr value, expression());
      made.positional.push_back(std::move(value));
    }
  }
  take();
  return made;
}

Result<Applied> Parser::filter() {
  Applied made;
  made.at = now().at;
  TRY(made.name, expect_name("the name of a filter"));
  if (is_op("(")) {
    TRY(made.args, arguments());
  }
  return made;
}

Result<std::vector<Applied>> Parser::filters() {
  std::vector<Applied> made;
  while (skip_op("|")) {
    TRY(Applied one, filter());
    made.push_back(std::move(one));
  }
  return made;
}

}  // namespace loquat::jinja
