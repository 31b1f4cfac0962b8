// A rendered conversation as tokens: the whole text at once, as Hugging Face's libraries encode it, save that what came
// from people can never be, begin or end a control token.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/template.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

// A tokenizer's control tokens, to be found in a text.
class ControlTokens {
 public:
  explicit ControlTokens(const Tokenizer& tokenizer);

  struct Token {
    int32_t id;
    std::string text;
    bool lstrip, rstrip;  // takes the white space before it, after it
  };
  // Those that begin with this byte, the longest first.
  const std::vector<Token>& beginning_with(char c) const { return by_byte_[static_cast<unsigned char>(c)]; }

 private:
  std::array<std::vector<Token>, 256> by_byte_;
};

class EncodedText {
 public:
  // A control token whose middle is data stays one where that data is one of `trusted` (roles: templates write
  // '<|' + role + '|>').
  EncodedText(const Tokenizer& tokenizer, const ControlTokens& control, const jinja::Rendered& rendered,
              std::span<const std::string> trusted);

  const std::vector<int32_t>& tokens() const { return tokens_; }
  // The token in which the text's byte `at` stands, at < size. One that reaches over `at` counts.
  size_t token_at(size_t at) const;
  // Where the last control token of the text's bytes [begin, end) ends, if only white space follows it there; else
  // `end`.
  size_t end_of_turn(size_t begin, size_t end) const;
  // The id of the first control token that begins at or after `at`, and where it begins and ends; -1: none.
  int32_t first_control(size_t at, jinja::Range* where) const;

 private:
  struct Part {  // of the text: a control token, or text between two
    size_t begin, end;
    size_t first_token;
    bool control;
  };
  void add_plain(size_t begin, size_t end);
  const Part& part_of(size_t at) const;

  Tokenizer tokenizer_;
  std::string text_;
  std::vector<int32_t> tokens_;
  std::vector<Part> parts_;  // in the text's order; without gaps
};

}  // namespace loquat
