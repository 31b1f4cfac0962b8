#include "tokenizer/unigram.h"

#include <algorithm>

#include "tokenizer/utf8.h"
#include "tokenizer/words.h"

namespace loquat {
namespace {

constexpr double kUnknownPenalty = 10.0;

size_t character_length(std::string_view text) {
  return valid_utf8_prefix(text.substr(0, 4)) > 0 ? code_point_at(text, 0).length : 1;
}

}  // namespace

void Trie::insert(std::string_view text, int32_t id) {
  int32_t node = 0;
  for (const char c : text) {
    const auto next = static_cast<uint32_t>(ids_.size());
    const uint32_t found = children_.at_or_insert(pair_key(node, static_cast<unsigned char>(c)), next);
    if (found == next) ids_.push_back(-1);
    node = static_cast<int32_t>(found);
  }
  if (ids_[node] < 0) ids_[node] = id;
}

Unigram::Unigram(std::span<const std::string> names, std::vector<double> scores, const UnigramOptions& options)
    : scores_(std::move(scores)), options_(options) {
  bool has_mark = false;
  cut_words_ = true;
  for (size_t id = 0; id < names.size(); ++id) {
    if (names[id].empty()) continue;
    trie_.insert(names[id], static_cast<int32_t>(id));
    has_mark = has_mark || names[id] == kSpaceMark;
    cut_words_ = cut_words_ && is_one_word(names[id]);
  }
  cut_words_ = cut_words_ && has_mark;
}

void Unigram::unknown(std::string_view text, std::vector<int32_t>& out) const {
  if (options_.byte_fallback) {
    for (const char b : text) out.push_back(options_.byte_ids[static_cast<unsigned char>(b)]);
  } else if (options_.unknown >= 0) {
    out.push_back(options_.unknown);
  }
}

// The sum goes on from word to word, so that rounding is that of the whole text's sum.
double Unigram::encode_word(std::string_view word, double score_before, std::vector<int32_t>& out) const {
  struct Node {
    double score = 0;
    int64_t from = -1;  // where the token that ends here starts
    int32_t id = -1;    // -1: an unknown character
  };
  thread_local std::vector<Node> best;
  best.assign(word.size() + 1, {});
  best[0] = {score_before, 0, -1};
  const double unknown_score = add(options_.min_score, -kUnknownPenalty);
  for (size_t at = 0; at < word.size();) {
    const size_t length = character_length(word.substr(at));
    bool single = false;
    int32_t node = trie_.root();
    for (size_t end = at; end < word.size();) {
      node = trie_.child(node, static_cast<unsigned char>(word[end]));
      if (node < 0) break;
      ++end;
      const int32_t id = trie_.id(node);
      if (id < 0) continue;
      const double score = add(best[at].score, scores_[id]);
      if (best[end].from < 0 || score > best[end].score) best[end] = {score, static_cast<int64_t>(at), id};
      single = single || end - at == length;
    }
    if (!single) {
      Node& next = best[at + length];
      const double score = add(best[at].score, unknown_score);
      if (next.from < 0 || score > next.score) next = {score, static_cast<int64_t>(at), -1};
    }
    at += length;
  }
  thread_local std::vector<std::pair<size_t, size_t>> cuts;  // begin and end, last first
  cuts.clear();
  for (size_t end = word.size(); end > 0;) {
    const auto begin = static_cast<size_t>(best[end].from);
    if (best[end].id < 0 && !cuts.empty() && best[cuts.back().second].id < 0) {
      cuts.back().first = begin;  // a run of unknown characters is one
    } else {
      cuts.emplace_back(begin, end);
    }
    end = begin;
  }
  for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut) {
    const auto [begin, end] = *cut;
    if (best[end].id >= 0) {
      out.push_back(best[end].id);
    } else {
      unknown(word.substr(begin, end - begin), out);
    }
  }
  return best[word.size()].score;
}

void Unigram::encode(std::string_view piece, std::vector<int32_t>& out) const {
  double score = 0;
  while (!piece.empty()) {
    const std::string_view word = cut_words_ ? first_word(piece) : piece;
    score = encode_word(word, score, out);
    piece.remove_prefix(word.size());
  }
}

WordPiece::WordPiece(std::span<const std::string> names, std::string prefix, int32_t unknown, size_t max_characters)
    : unknown_(unknown), max_characters_(max_characters) {
  for (size_t id = 0; id < names.size(); ++id) {
    if (names[id].empty()) continue;
    words_.insert(names[id], static_cast<int32_t>(id));
    if (names[id].size() > prefix.size() && names[id].starts_with(prefix)) {
      rest_.insert(std::string_view(names[id]).substr(prefix.size()), static_cast<int32_t>(id));
    }
  }
}

void WordPiece::encode(std::string_view piece, std::vector<int32_t>& out) const {
  const size_t before = out.size();
  size_t characters = 0;
  for (const char c : piece) characters += (c & 0xC0) != 0x80;
  bool known = characters <= max_characters_;
  for (size_t at = 0; known && at < piece.size();) {
    const Trie& trie = at == 0 ? words_ : rest_;
    int32_t node = trie.root(), id = -1;
    size_t end = at;
    for (size_t i = at; i < piece.size(); ++i) {
      node = trie.child(node, static_cast<unsigned char>(piece[i]));
      if (node < 0) break;
      if (trie.id(node) < 0) continue;
      id = trie.id(node);
      end = i + 1;
    }
    known = id >= 0;
    if (known) out.push_back(id);
    at = end;
  }
  if (known) return;
  out.resize(before);  // one part unknown: the whole word is
  if (unknown_ >= 0) out.push_back(unknown_);
}

}  // namespace loquat
