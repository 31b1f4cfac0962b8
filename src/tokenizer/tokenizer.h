// Text to token ids and back. Loquat trains byte-level BPE, the GPT-4 kind: text is cut by a pattern, each piece's
// bytes are merged by rank; any bytes encode, and decode to the same bytes. Hugging Face's tokenizer.json of other
// models opens too (byte-level and SentencePiece BPE, Unigram, WordPiece, with normalizers), with their ids; what such
// a tokenizer rewrites or drops does not come back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat {

// Of two pairs with the same count, which is merged first.
enum class MergeTies {
  kSmallerIds,    // the pair whose tokens are older
  kGreaterBytes,  // the pair that is greater as (left's bytes, right's bytes): as many teaching trainers have it
};

struct TokenizerTraining {
  int64_t vocab_size = 2048;                // with the 256 bytes and the special tokens
  std::vector<std::string> special_tokens;  // take the first ids, in this order
  std::string pattern;                      // empty: the GPT-4 pattern
  MergeTies ties = MergeTies::kSmallerIds;
};

class Tokenizer {
 public:
  // Deterministic whatever the number of threads.
  // Texts with few repeated pairs give a smaller vocabulary than was asked for.
  static Result<Tokenizer> train(std::span<const std::string> texts, const TokenizerTraining& options);
  // A folder with tokenizer.json or tokenizer.model, or the file: a SentencePiece model by its name's ending .model,
  // llama2.c's by .bin.
  static Result<Tokenizer> load(const std::string& folder_or_file);
  // tokenizer.json, tokenizer_config.json. A tokenizer.json that was loaded is written as it was.
  Status save(const std::string& folder) const;

  int64_t vocab_size() const;
  // Special tokens in the text are plain text unless parse_special: what a user types can never become a control token.
  std::vector<int32_t> encode(std::string_view text, bool parse_special = false) const;
  // With the tokens that the tokenizer itself puts around a text (its file's post_processor): Llama's <s>, BERT's [CLS]
  // and [SEP]. The same as encode() where it has none, as Loquat's own do.
  std::vector<int32_t> encode_with_special(std::string_view text, bool parse_special = false) const;
  std::span<const int32_t> prefix() const;  // what that puts before a text, and
  std::span<const int32_t> suffix() const;  // behind it
  // encode() for many texts, on all cores.
  std::vector<std::vector<int32_t>> encode_batch(std::span<const std::string> texts, bool parse_special = false) const;
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  std::string_view token_bytes(int32_t id) const;  // within a text; "" past the vocabulary
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
