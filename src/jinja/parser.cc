// Statements.
#include "jinja/parser.h"

#include <algorithm>

namespace loquat::jinja {

Result<Program> Parser::run() {
  program_.read.resize(program_.names.size());
  for (size_t i = 0; i < program_.names.size(); ++i) ids_[program_.names[i]] = static_cast<int>(i);
  TRY(Ended all, body({}, "", {}));
  program_.body = std::move(all.body);
  return std::move(program_);
}

Status Parser::check_level() const {
  if (level_ > program_.limits.nesting) {
    return fail(now().at, "blocks or expressions more than {} deep", program_.limits.nesting);
  }
  return {};
}

bool Parser::skip_word(std::string_view word) {
  if (!is_word(word)) return false;
  take();
  return true;
}

bool Parser::skip_op(std::string_view op) {
  if (!is_op(op)) return false;
  take();
  return true;
}

Error Parser::unexpected(std::string_view expected) const {
  const Token& token = now();
  switch (token.kind) {
    case TokenKind::kText:
      return fail(token.at, "expected {}, found text", expected);
    case TokenKind::kOutputBegin:
    case TokenKind::kBlockBegin:
      return fail(token.at, "expected {}, found another tag", expected);
    case TokenKind::kOutputEnd:
    case TokenKind::kBlockEnd:
      return fail(token.at, "expected {}, found the end of the tag", expected);
    case TokenKind::kString:
      return fail(token.at, "expected {}, found a string", expected);
    case TokenKind::kEnd:
      return fail(token.at, "expected {}, found the end of the template", expected);
    default:
      return fail(token.at, "expected {}, found '{}'", expected, token.text);
  }
}

Status Parser::expect_word(std::string_view word) {
  if (!skip_word(word)) return unexpected(fmt::format("'{}'", word));
  return {};
}

Status Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) return unexpected(fmt::format("'{}'", op));
  return {};
}

Result<std::string> Parser::expect_name(std::string_view what) {
  if (now().kind != TokenKind::kName) return unexpected(what);
  return take().text;
}

int Parser::name_id(const std::string& name) {
  const auto [it, added] = ids_.try_emplace(name, static_cast<int>(program_.names.size()));
  if (added) {
    program_.names.push_back(name);
    program_.read.push_back(false);
  }
  return it->second;
}

Status Parser::end_tag() {
  if (now().kind != TokenKind::kBlockEnd) return unexpected("\"%}\"");
  take();
  return {};
}

Result<Parser::Ended> Parser::body(Place opened, std::string_view tag, std::vector<std::string_view> ends) {
  const Level level(level_);
  TRY_STATUS(check_level());
  Ended ended;
  for (;;) {
    const Token& token = now();
    if (token.kind == TokenKind::kEnd) {
      if (ends.empty()) return ended;
      return fail(opened, "{{% {} %}} has no end: expected {{% {} %}}", tag, ends.back());
    }
    if (token.kind == TokenKind::kText) {
      const Place at = token.at;
      ended.body.push_back({at, Plain{std::make_shared<Text>(Text::own(take().text))}});
    } else if (token.kind == TokenKind::kOutputBegin) {
      const Place at = take().at;
      TRY(ExprPtr value, tuple(true));
      if (now().kind != TokenKind::kOutputEnd) return unexpected("\"}}\"");
      take();
      ended.body.push_back({at, Output{std::move(value)}});
    } else {
      take();
      if (now().kind == TokenKind::kName && std::find(ends.begin(), ends.end(), now().text) != ends.end()) {
        ended.by = take().text;
        return ended;
      }
      TRY(Node node, statement());
      ended.body.push_back(std::move(node));
    }
  }
}

Result<Body> Parser::body_to_end(Place opened, std::string_view tag, std::string_view end) {
  TRY_STATUS(end_tag());
  TRY(Ended ended, body(opened, tag, {end}));
  TRY_STATUS(end_tag());
  return std::move(ended.body);
}

Result<Node> Parser::statement() {
  const Place at = now().at;
  TRY(const std::string word, expect_name("the name of a tag"));
  if (word == "if") return if_block(at);
  if (word == "for") return for_block(at);
  if (word == "set") return set(at);
  if (word == "macro") return macro(at);
  if (word == "call") return call_block(at);
  if (word == "with") return with(at);
  if (word == "filter") {
    FilterBlock block;
    TRY(Applied first, filter());
    block.filters.push_back(std::move(first));
    TRY(std::vector<Applied> more, filters());
    std::move(more.begin(), more.end(), std::back_inserter(block.filters));
    TRY(block.body, body_to_end(at, word, "endfilter"));
    return Node{at, std::move(block)};
  }
  if (word == "generation") {
    program_.has_generation = true;
    Generation block;
    const int loops = std::exchange(loops_, 0);
    TRY(block.body, body_to_end(at, word, "endgeneration"));
    loops_ = loops;
    return Node{at, std::move(block)};
  }
  if (word == "break" || word == "continue") {
    if (loops_ == 0) return fail(at, "'{}' outside of a loop", word);
    TRY_STATUS(end_tag());
    return word == "break" ? Node{at, Break{}} : Node{at, Continue{}};
  }
  return fail(at,
              "unknown tag '{}': expected if, for, set, macro, call, filter, with, raw, generation, break or continue",
              word);
}

Result<Node> Parser::if_block(Place at) {
  If block;
  std::string word = "if";
  while (word != "endif") {
    ExprPtr condition;
    const bool is_else = word == "else";
    if (!is_else) {
      TRY(condition, tuple(false));
      skip_op(":");
    }
    TRY_STATUS(end_tag());
    TRY(Ended ended, is_else ? body(at, "if", {"endif"}) : body(at, "if", {"elif", "else", "endif"}));
    block.branches.emplace_back(std::move(condition), std::move(ended.body));
    word = std::move(ended.by);
  }
  TRY_STATUS(end_tag());
  return Node{at, std::move(block)};
}

Result<Node> Parser::for_block(Place at) {
  For loop;
  TRY(loop.target, target(false));
  TRY_STATUS(expect_word("in"));
  TRY(loop.items, tuple(false));
  if (skip_word("if")) {
    TRY(loop.filter, expression());
  }
  if (is_word("recursive")) return fail(now().at, "recursive loops are not supported: expected a macro");
  skip_op(":");
  TRY_STATUS(end_tag());
  ++loops_;
  TRY(Ended ended, body(at, "for", {"else", "endfor"}));
  --loops_;
  loop.body = std::move(ended.body);
  if (ended.by == "else") {
    TRY(loop.otherwise, body_to_end(at, "for", "endfor"));
  } else {
    TRY_STATUS(end_tag());
  }
  return Node{at, std::move(loop)};
}

Result<Target> Parser::one_target(bool attributes) {
  Target made;
  made.at = now().at;
  if (skip_op("(")) {
    TRY(made, target(attributes));
    TRY_STATUS(expect_op(")"));
    return made;
  }
  TRY(const std::string name, expect_name("a name to assign to"));
  for (const char* constant : {"true", "false", "none", "True", "False", "None"}) {
    if (name == constant) return fail(made.at, "'{}' cannot be assigned to", name);
  }
  made.name = name_id(name);
  if (attributes && skip_op(".")) {
    program_.read[static_cast<size_t>(made.name)] = true;
    TRY(made.attribute, expect_name("the name of an attribute"));
  }
  return made;
}

Result<Target> Parser::target(bool attributes) {
  const Level level(level_);
  TRY_STATUS(check_level());
  const Place at = now().at;
  TRY(Target first, one_target(attributes));
  if (!is_op(",")) return first;
  Target all;
  all.at = at;
  all.items.push_back(std::move(first));
  while (skip_op(",")) {
    if (now().kind != TokenKind::kName && !is_op("(")) break;
    if (is_word("in")) break;
    TRY(Target more, one_target(attributes));
    all.items.push_back(std::move(more));
  }
  return all;
}

Result<Node> Parser::set(Place at) {
  TRY(Target to, target(true));
  if (skip_op("=")) {
    TRY(ExprPtr value, tuple(true));
    TRY_STATUS(end_tag());
    return Node{at, Set{std::move(to), std::move(value)}};
  }
  SetBlock block;
  block.target = std::move(to);
  if (!is_op("|") && now().kind != TokenKind::kBlockEnd) return unexpected("'='");
  TRY(block.filters, filters());
  TRY(block.body, body_to_end(at, "set", "endset"));
  return Node{at, std::move(block)};
}

Status Parser::signature(Macro& macro) {
  TRY_STATUS(expect_op("("));
  while (!is_op(")")) {
    if (!macro.parameters.empty()) TRY_STATUS(expect_op(","));
    const Place at = now().at;
    TRY(const std::string name, expect_name("the name of a parameter"));
    macro.parameters.push_back(name_id(name));
    if (skip_op("=")) {
      TRY(ExprPtr value, expression());
      macro.defaults.push_back(std::move(value));
    } else if (!macro.defaults.empty()) {
      return fail(at, "parameter '{}': expected a default, as the one before it has", name);
    }
  }
  return expect_op(")");
}

Result<Body> Parser::macro_body(Macro& macro, std::string_view tag, std::string_view end) {
  // What it takes beside its parameters is what it reads.
  std::vector<bool> outer(program_.read.begin(), program_.read.begin() + kKwargsName + 1);
  std::fill_n(program_.read.begin(), kKwargsName + 1, false);
  const int loops = std::exchange(loops_, 0);
  TRY(Body made, body_to_end(macro.at, tag, end));
  loops_ = loops;
  macro.takes_caller = program_.read[kCallerName];
  macro.takes_varargs = program_.read[kVarargsName];
  macro.takes_kwargs = program_.read[kKwargsName];
  for (size_t i = 0; i < outer.size(); ++i) program_.read[i] = program_.read[i] || outer[i];
  return made;
}

Result<Node> Parser::macro(Place at) {
  Macro made;
  made.at = at;
  TRY(made.name, expect_name("the name of the macro"));
  made.variable = name_id(made.name);
  TRY_STATUS(signature(made));
  TRY(made.body, macro_body(made, "macro", "endmacro"));
  return Node{at, std::move(made)};
}

Result<Node> Parser::call_block(Place at) {
  CallBlock block;
  block.caller.at = at;
  block.caller.name = "caller";
  if (is_op("(")) TRY_STATUS(signature(block.caller));
  const Place callee = now().at;
  TRY(ExprPtr call, expression());
  const auto* made = std::get_if<Call>(&call->node);
  if (!made) return fail(callee, "expected the call of a macro");
  block.call = std::move(const_cast<Call&>(*made));  // the expression is nobody else's
  TRY(block.caller.body, macro_body(block.caller, "call", "endcall"));
  return Node{at, std::move(block)};
}

Result<Node> Parser::with(Place at) {
  With block;
  while (now().kind != TokenKind::kBlockEnd) {
    if (!block.values.empty()) TRY_STATUS(expect_op(","));
    TRY(Target to, target(false));
    TRY_STATUS(expect_op("="));
    TRY(ExprPtr value, expression());
    block.values.emplace_back(std::move(to), std::move(value));
  }
  TRY(block.body, body_to_end(at, "with", "endwith"));
  return Node{at, std::move(block)};
}

}  // namespace loquat::jinja
