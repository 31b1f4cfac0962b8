// What a SentencePiece tokenizer.model holds (a GGUF vocabulary of the kind "llama" or "t5" and llama2.c's
// tokenizer.bin hold the same), and the tokenizer that gives its ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

struct SentencePieceModel {
  enum class Kind { kUnigram, kBpe };
  enum class Type : int { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::kNormal;
  };
  Kind kind = Kind::kUnigram;
  std::vector<Piece> pieces;   // by id
  std::string characters_map;  // precompiled_charsmap; empty: characters stay as they are
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool byte_fallback = false;
  std::string unknown_text = " \xE2\x81\x87 ";  // what the unknown piece decodes to
  int32_t bos = -1, eos = -1;                   // put around a text by encode_with_special(); -1: not

  // tokenizer.model, a protobuf message of sentencepiece_model.proto; fields that do not matter here are passed over.
  static Result<SentencePieceModel> parse(std::string_view bytes);
  // llama2.c's tokenizer.bin: int32 longest token, then float score, int32 length and text of each token. Its ids 0 to
  // 2 are unknown, <s> and </s>, then come the 256 bytes.
  static Result<SentencePieceModel> parse_llama2c(std::string_view bytes);

  // A tokenizer.json of the same ids, in the manner of Hugging Face's conversion: BPE with merges made from the scores.
  // What tokenizer.json cannot say, and a tokenizer made by tokenizer() does: of merges with equal scores the left one
  // is first; before a text that begins with one of the user's symbols stands a "▁" too, and none behind such a symbol.
  std::string tokenizer_json() const;
  Result<Tokenizer> tokenizer(const std::string& path) const;  // path: for messages
};

}  // namespace loquat
