// Tokens to a program: statements in parser.cc, expressions in parse_expr.cc, with Jinja2's grammar and precedences.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/lexer.h"

namespace loquat::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, const Limits& limits) : tokens_(std::move(tokens)) { program_.limits = limits; }
  Result<Program> run();

 private:
  // One more level of blocks or expressions, as long as it lives.
  struct Level {
    explicit Level(int& count) : count(count) { ++count; }
    ~Level() { --count; }
    int& count;
  };
  Status check_level() const;

  const Token& now() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is(TokenKind kind, std::string_view text) const { return now().kind == kind && now().text == text; }
  bool is_word(std::string_view word) const { return is(TokenKind::kName, word); }
  bool is_op(std::string_view op) const { return is(TokenKind::kOperator, op); }
  bool skip_word(std::string_view word);
  bool skip_op(std::string_view op);
  Status expect_word(std::string_view word);
  Status expect_op(std::string_view op);
  Result<std::string> expect_name(std::string_view what);
  Error unexpected(std::string_view expected) const;  // at the token that comes
  template <typename... Args>
  static Error fail(Place at, fmt::format_string<Args...> format, Args&&... args) {
    return Error{place_text(at) + fmt::format(format, std::forward<Args>(args)...)};
  }

  // Statements. A body ends before a tag that begins with one of `ends`, whose word is then taken.
  struct Ended {
    Body body;
    std::string by;
  };
  Result<Ended> body(Place opened, std::string_view tag, std::vector<std::string_view> ends);
  Result<Body> body_to_end(Place opened, std::string_view tag, std::string_view end);
  Result<Node> statement();
  Result<Node> if_block(Place at);
  Result<Node> for_block(Place at);
  Result<Node> set(Place at);
  Result<Node> macro(Place at);
  Result<Node> call_block(Place at);
  Result<Node> with(Place at);
  Status signature(Macro& macro);
  Result<Body> macro_body(Macro& macro, std::string_view tag, std::string_view end);
  Result<Target> target(bool attributes);
  Result<Target> one_target(bool attributes);
  Status end_tag();
  int name_id(const std::string& name);

  // Expressions.
  // `below`: the greatest height of its parts.
  Result<ExprPtr> make(Place at, int below, decltype(Expr::node) node) const;
  Result<ExprPtr> tuple(bool conditional, bool in_brackets = false);
  Result<ExprPtr> expression();
  Result<ExprPtr> binary(int precedence);
  Result<ExprPtr> comparison(ExprPtr first);
  Result<ExprPtr> unary(bool with_filters);
  Result<ExprPtr> primary();
  Result<ExprPtr> name_or_constant();
  Result<ExprPtr> list();
  Result<ExprPtr> dict();
  Result<ExprPtr> postfix(ExprPtr of);
  Result<ExprPtr> subscript(ExprPtr of);
  Result<ExprPtr> filters_and_tests(ExprPtr of);
  Result<ExprPtr> test(ExprPtr of);
  Result<ExprPtr> call(ExprPtr callee);
  Result<Arguments> arguments();
  Result<Applied> filter();
  Result<std::vector<Applied>> filters();  // "|a|b", maybe none

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int level_ = 0;
  int loops_ = 0;  // that break and continue may end
  std::map<std::string, int> ids_;
  Program program_;
};

}  // namespace loquat::jinja
