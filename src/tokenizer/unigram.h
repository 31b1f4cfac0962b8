// The unigram language model of SentencePiece: of all ways to cut a piece into tokens, the one with the greatest sum of
// scores (Viterbi). And WordPiece, BERT's: the longest token first.
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

// Texts by their bytes; finds those that another text begins with.
class Trie {
 public:
  void insert(std::string_view text, int32_t id);  // a text inserted twice keeps its first id
  int32_t root() const { return 0; }
  int32_t child(int32_t node, unsigned char byte) const {  // -1: none
    const uint32_t* c = children_.find(pair_key(node, byte));
    return c == nullptr ? -1 : static_cast<int32_t>(*c);
  }
  int32_t id(int32_t node) const { return ids_[node]; }  // -1: no text ends here

 private:
  PairMap children_;
  std::vector<int32_t> ids_{-1};
};

struct UnigramOptions {
  std::array<int32_t, 256> byte_ids{};
  bool byte_fallback = false;
  int32_t unknown = -1;           // -1: dropped
  bool single_precision = false;  // sums as SentencePiece has them; tokenizer.json's library uses double
  double min_score = 0;           // of the whole vocabulary; an unknown character has 10 less
};

class Unigram {
 public:
  // names: of each id, "" where text cannot become that token. scores: one for each.
  Unigram(std::span<const std::string> names, std::vector<double> scores, const UnigramOptions& options);
  void encode(std::string_view piece, std::vector<int32_t>& out) const;
  std::span<const double> scores() const { return scores_; }

 private:
  double encode_word(std::string_view word, double score_before, std::vector<int32_t>& out) const;
  void unknown(std::string_view text, std::vector<int32_t>& out) const;
  double add(double a, double b) const { return options_.single_precision ? static_cast<float>(a + b) : a + b; }
  Trie trie_;
  std::vector<double> scores_;
  UnigramOptions options_;
  bool cut_words_ = false;
};

class WordPiece {
 public:
  WordPiece(std::span<const std::string> names, std::string prefix, int32_t unknown, size_t max_characters);
  void encode(std::string_view piece, std::vector<int32_t>& out) const;

 private:
  Trie words_, rest_;  // rest_: tokens with the prefix, without it
  int32_t unknown_;
  size_t max_characters_;
};

}  // namespace loquat
