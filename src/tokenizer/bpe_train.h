// Learns the merges of byte-pair encoding from text.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/splitter.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

struct PieceCount {
  std::string_view piece;
  int64_t count = 0;
};

// The distinct pieces of the texts, sorted; views into the texts.
std::vector<PieceCount> count_pieces(std::span<const std::string> texts, const Splitter& splitter);

// At most `merges` merges: again and again the adjacent pair with the greatest count is merged everywhere, of equal
// counts the one that `ties` says. Byte b has id first_byte + b; the merges' results follow the bytes. A pair seen once
// is not merged. `allowed` (may be empty) is asked before a pair is merged: a pair that it refuses never is.
std::vector<Merge> learn_merges(const std::vector<PieceCount>& pieces, int32_t first_byte, int64_t merges,
                                MergeTies ties, const std::function<bool(int32_t left, int32_t right)>& allowed);

}  // namespace loquat
