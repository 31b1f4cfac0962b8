// Cuts a template into plain text and the tokens of its tags, as Jinja2 does with trim_blocks and lstrip_blocks:
// whitespace control, comments and {% raw %} are gone after this.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jinja/ast.h"

namespace loquat::jinja {

enum class TokenKind {
  kText,         // between tags
  kOutputBegin,  // {{
  kOutputEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Place at;
  std::string text;  // of a string: its value; of an operator or name: itself
  int64_t integer = 0;
  double number = 0;
};

// The last token is kEnd. Errors name the place.
Result<std::vector<Token>> tokenize(std::string source);

// "line 3, column 7: "
std::string place_text(Place at);

}  // namespace loquat::jinja
