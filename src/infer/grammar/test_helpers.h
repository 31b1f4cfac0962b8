// Shared by this folder's tests: a toy vocabulary that has every byte, texts fed to a matcher, random replies.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "infer/grammar/grammar.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

// Some hundred tokens beside the bytes: pieces of JSON, of words, of characters.
inline const Tokenizer& toy_tokenizer() {
  static const Tokenizer made = [] {
    const std::vector<std::string> texts(
        3, R"({"name": "x", "name": "y", "a": 1, "a": 12, [1, 2], [true, false, null], "b": "\"", "\\", "\u00e9"}}
  {"kind": "cat", "tags": ["red", "red"]}, <tool_call>
 </tool_call> naïve 東京 東京 😀😀 2024-01-31T10:20:30Z {}, [], ""}, "":)");
    auto t = Tokenizer::train(texts, {.vocab_size = 420, .special_tokens = loquat_special_tokens()});
    EXPECT_TRUE(t.ok()) << t.error();
    return *t;
  }();
  return made;
}

inline std::shared_ptr<const TokenTree> toy_tree() {
  static const auto made = make_token_tree(toy_tokenizer(), toy_tokenizer().vocab_size());
  return made;
}

// The token that is this one byte.
inline int32_t byte_token(char c) {
  static const std::vector<int32_t> tokens = [] {
    std::vector<int32_t> out(256, -1);
    for (int32_t t = 0; t < toy_tokenizer().vocab_size(); ++t) {
      const auto bytes = toy_tokenizer().token_bytes(t);
      if (!toy_tokenizer().is_special(t) && bytes.size() == 1) out[static_cast<uint8_t>(bytes[0])] = t;
    }
    return out;
  }();
  return tokens[static_cast<uint8_t>(c)];
}

inline std::shared_ptr<const Grammar> grammar_of(const std::string& schema) {
  auto made = Grammar::json_schema(schema);
  EXPECT_TRUE(made.ok()) << schema << ": " << (made.ok() ? "" : made.error());
  return made.ok() ? *made : Grammar::json_object();
}

// How many bytes of the text are let through; all, and it may end there: true.
inline bool accepts(const std::shared_ptr<const Grammar>& grammar, const std::string& text) {
  Matcher matcher(grammar, toy_tree());
  for (const char c : text) {
    if (!matcher.accept(byte_token(c))) return false;
  }
  return matcher.can_end();
}

inline bool accepts(const std::string& schema, const std::string& text) {
  return accepts(grammar_of(schema), text);
}

inline std::vector<int32_t> allowed_tokens(const Matcher& matcher, int64_t tokens_left) {
  const int64_t vocab = toy_tokenizer().vocab_size();
  std::vector<uint64_t> mask(static_cast<size_t>(vocab + 63) / 64);
  matcher.allowed(tokens_left, mask);
  std::vector<int32_t> out;
  for (int32_t t = 0; t < vocab; ++t) {
    if (mask[t / 64] >> (t % 64) & 1) out.push_back(t);
  }
  return out;
}

// A reply of random allowed tokens; "" and a failure where the promise that it can be ended in time is broken.
inline std::string random_reply(const std::shared_ptr<const Grammar>& grammar, int64_t spare, Rng& rng) {
  Matcher matcher(grammar, toy_tree());
  int64_t left = matcher.tokens_to_end() + spare;
  std::string text;
  for (;; --left) {
    if (matcher.can_end() && (left == 0 || rng.chance(0.2))) return text;
    const auto tokens = allowed_tokens(matcher, left);
    if (tokens.empty() && matcher.can_end()) return text;
    if (left <= 0 || tokens.empty()) {
      ADD_FAILURE() << left << " tokens left, " << tokens.size() << " allowed, after " << text;
      return {};
    }
    const int32_t token = rng.pick(tokens);
    EXPECT_TRUE(matcher.accept(token));
    EXPECT_LE(matcher.tokens_to_end(), left - 1);
    text += toy_tokenizer().token_bytes(token);
  }
}

}  // namespace loquat
