// BPE over characters, as SentencePiece and Hugging Face's BPE do it: a piece starts as its characters' tokens, a
// character without one as its bytes' tokens (<0xE2>) or as the unknown token.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/bpe.h"

namespace loquat {

struct CharacterBpeOptions {
  std::array<int32_t, 256> byte_ids{};  // of the tokens <0x00> to <0xFF>; all are there where byte_fallback is set
  bool byte_fallback = false;
  int32_t unknown = -1;       // -1: a character without a token is dropped
  bool fuse_unknown = false;  // a run of unknown characters is one token
  bool ignore_merges = false;
};

class CharacterBpe {
 public:
  // names: of each id, "" where text cannot become that token (unused, special); they must outlive this. The merges'
  // ids are of such names.
  CharacterBpe(std::span<const std::string> names, MergeTable merges, const CharacterBpeOptions& options);
  void encode(std::string_view piece, std::vector<int32_t>& out) const;
  const MergeTable& merges() const { return merges_; }

 private:
  void encode_word(std::string_view word, std::vector<int32_t>& out) const;
  void start(std::string_view word, std::vector<int32_t>& ids) const;  // its characters' tokens
  MergeTable merges_;
  CharacterBpeOptions options_;
  std::array<int32_t, 128> ascii_;
  std::unordered_map<uint32_t, int32_t> characters_;      // past ASCII
  std::unordered_map<std::string_view, int32_t> whole_;   // words that become one token
  std::unordered_map<std::string_view, int32_t> tokens_;  // ignore_merges: every token
  bool cut_words_ = false;
};

}  // namespace loquat
