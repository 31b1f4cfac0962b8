// What a reply may be: a language over bytes, and which tokens keep a text in it. Made from JSON schemas, from "any
// JSON object", or from tools that a model may call. A Matcher walks along one reply; a text that it has let through
// can always be ended in the language, and within the tokens that are left.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/message.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

// The vocabulary as a tree of bytes, made once per model: control tokens (but for those of `shown`, which are text like
// others) and empty ones are not in it.
class TokenTree;
std::shared_ptr<const TokenTree> make_token_tree(const Tokenizer& tokenizer, int64_t vocab_size,
                                                 std::span<const int32_t> shown = {});

struct ToolSpec {
  std::string name;
  std::string parameters;  // a JSON schema of an object, as text; "" : any object
};

// Made of the same text again, a grammar is the same object while it is among the last few (known.h).
class Grammar {
 public:
  // Any JSON object (OpenAI's "json_object").
  static std::shared_ptr<const Grammar> json_object();
  // What a JSON schema allows. An error names the keyword that is not supported, is not valid, or would take too much
  // (docs/api.md lists keywords and bounds).
  static Result<std::shared_ptr<const Grammar>> json_schema(std::string_view schema);
  // Calls of tools in a family's form (tokenizer/message.h), one after the other. kAuto: any text first, or text alone
  // (Llama 3's calls have no mark before them: there a text does not begin with "{"); kRequired: calls alone.
  // `parallel`: more than one call (else exactly one).
  enum class ToolUse { kAuto, kRequired };
  static Result<std::shared_ptr<const Grammar>> tool_calls(std::span<const ToolSpec> tools, ToolUse use, bool parallel,
                                                           ToolFamily family = ToolFamily::kHermes);
  // Any text up to </think>, white space, then what `grammar` allows: for a reply that begins within thoughts.
  // An error where they together take too much.
  static Result<std::shared_ptr<const Grammar>> after_thoughts(const std::shared_ptr<const Grammar>& grammar);

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  using Made = Result<std::shared_ptr<const Grammar>>;
  static Made make_schema(std::string_view schema);
  static Made make_tool_calls(std::span<const ToolSpec> tools, ToolUse use, bool parallel, ToolFamily family);
  static Made make_after_thoughts(const Grammar& grammar);
  static Made known(const std::string& source, const std::function<Made()>& make);

  std::shared_ptr<const Impl> impl_;
  std::string source_;  // what it was made from
};

// One reply on its way. Copies are independent.
class Matcher {
 public:
  Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTree> tree);

  // The least number of tokens that complete the text from here (an upper bound of it: one token a byte), without the
  // end-of-turn token. Of a new matcher: what the whole reply needs.
  int64_t tokens_to_end() const;
  // Sets bit t % 64 of mask[t / 64] for every token that may come next, so that what follows can be completed in
  // `tokens_left` - 1 further tokens; clears the others. Control tokens are never set: whether the reply may end here
  // is can_end(). Where tokens_left >= tokens_to_end() and not can_end(), at least one bit is set.
  void allowed(int64_t tokens_left, std::span<uint64_t> mask) const;
  bool can_end() const;
  // False, and no change, where the token is not allowed.
  bool accept(int32_t token);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // copied on write
};

}  // namespace loquat
