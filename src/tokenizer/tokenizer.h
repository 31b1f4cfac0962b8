// Byte-level BPE, the GPT-4 kind: text is cut by a pre-tokenizer pattern (PCRE2), each piece's bytes are merged by
// rank. Any bytes encode, and decode to the same bytes (a foreign tokenizer.json that lacks a byte's token drops that
// byte, as its own library does). Files are Hugging Face's tokenizer.json.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat {

struct TokenizerTraining {
  int64_t vocab_size = 2048;                // with the 256 bytes and the special tokens
  std::vector<std::string> special_tokens;  // take the first ids, in this order
  std::string pattern;                      // empty: the GPT-4 pattern
};

class Tokenizer {
 public:
  // Deterministic whatever the number of threads: ties between pairs go to the smaller pair of ids.
  // Texts with few repeated pairs give a smaller vocabulary than was asked for.
  static Result<Tokenizer> train(std::span<const std::string> texts, const TokenizerTraining& options);
  static Result<Tokenizer> load(const std::string& folder_or_file);  // tokenizer.json
  Status save(const std::string& folder) const;                      // tokenizer.json, tokenizer_config.json

  int64_t vocab_size() const;
  // Special tokens in the text are plain text unless parse_special: what a user types can never become a control token.
  std::vector<int32_t> encode(std::string_view text, bool parse_special = false) const;
  // The same for many texts, on all cores.
  std::vector<std::vector<int32_t>> encode_batch(std::span<const std::string> texts, bool parse_special = false) const;
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  std::string_view token_bytes(int32_t id) const;  // "" past the vocabulary
  int32_t special(std::string_view token) const;   // its id, or -1
  bool is_special(int32_t id) const;

  struct Impl;  // tokenizer_impl.h; for this folder's own files
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;  // immutable, shared by copies and threads
};

// The special tokens of models that Loquat makes itself.
inline constexpr std::string_view kEndOfText = "<|endoftext|>";  // between documents
inline constexpr std::string_view kPad = "<|pad|>";              // never the end-of-sequence token
inline constexpr std::string_view kSystem = "<|system|>";
inline constexpr std::string_view kUser = "<|user|>";
inline constexpr std::string_view kAssistant = "<|assistant|>";
inline constexpr std::string_view kEndOfTurn = "<|end|>";  // ends every turn; an assistant's reply stops here
std::vector<std::string> loquat_special_tokens();          // all of these, in order

}  // namespace loquat
