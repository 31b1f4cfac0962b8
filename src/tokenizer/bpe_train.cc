#include "tokenizer/bpe_train.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

#include "base/threads.h"

namespace loquat {
namespace {

using Counts = std::unordered_map<std::string_view, int64_t>;

// Runs of texts of about this many bytes are counted by one thread: small enough to share out, large enough that
// merging the tables costs little.
constexpr size_t kBytesPerPart = 4 << 20;

std::vector<size_t> cut_into_parts(std::span<const std::string> texts) {
  std::vector<size_t> begins{0};
  size_t bytes = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    bytes += texts[i].size();
    if (bytes >= kBytesPerPart && i + 1 < texts.size()) {
      begins.push_back(i + 1);
      bytes = 0;
    }
  }
  begins.push_back(texts.size());
  return begins;
}

// The distinct pieces as symbols, with every pair's count and the pieces that may hold it, kept up to date merge by
// merge.
class Trainer {
 public:
  Trainer(const std::vector<PieceCount>& pieces, int32_t first_byte, MergeTies ties)
      : first_byte_(first_byte), next_id_(first_byte + 256), queue_(Later{ties, this}) {
    for (int b = 0; b < 256; ++b) bytes_.emplace_back(1, static_cast<char>(b));
    begins_.reserve(pieces.size() + 1);
    for (const PieceCount& p : pieces) {
      begins_.push_back(symbols_.size());
      for (const char b : p.piece) symbols_.push_back(first_byte + static_cast<unsigned char>(b));
      lengths_.push_back(static_cast<uint32_t>(p.piece.size()));
      weights_.push_back(p.count);
    }
    for (size_t w = 0; w < pieces.size(); ++w) {
      const int32_t* s = symbols_.data() + begins_[w];
      for (uint32_t i = 0; i + 1 < lengths_[w]; ++i) add(s[i], s[i + 1], w, weights_[w]);
    }
    push_changed();
  }

  std::vector<Merge> run(int64_t merges, const std::function<bool(int32_t, int32_t)>& allowed) {
    std::vector<Merge> out;
    while (static_cast<int64_t>(out.size()) < merges && !queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      Pair& pair = pairs_[best.pair];
      if (pair.count != best.count) {  // out of date; its present count is in the queue as well, or will be
        if (pair.count < best.count && pair.count > 1) queue_.push({pair.count, best.key, best.pair});
        continue;
      }
      if (pair.count < 2) break;
      const auto left = static_cast<int32_t>(best.key >> 32), right = static_cast<int32_t>(best.key);
      if (allowed && !allowed(left, right)) continue;
      out.push_back({left, right, next_id_});
      bytes_.push_back(bytes(left) + bytes(right));
      const std::vector<uint32_t> places = std::move(pair.places);
      pair.places = {};
      for (const uint32_t w : places) merge_in(w, left, right);
      ++next_id_;
      push_changed();
    }
    return out;
  }

 private:
  struct Pair {
    uint64_t key = 0;
    int64_t count = 0;
    bool changed = false;          // its count grew since it was last put in the queue
    std::vector<uint32_t> places;  // pieces that hold it, or once did
  };
  struct Candidate {
    int64_t count;
    uint64_t key;
    uint32_t pair;
  };
  struct Later {
    MergeTies ties;
    const Trainer* trainer;
    bool operator()(const Candidate& a, const Candidate& b) const {
      if (a.count != b.count) return a.count < b.count;
      if (ties == MergeTies::kSmallerIds || a.key == b.key) return a.key > b.key;
      const auto left = [](const Candidate& c) { return static_cast<int32_t>(c.key >> 32); };
      const auto right = [](const Candidate& c) { return static_cast<int32_t>(c.key); };
      const int order = trainer->bytes(left(a)).compare(trainer->bytes(left(b)));
      return order != 0 ? order < 0 : trainer->bytes(right(a)) < trainer->bytes(right(b));
    }
  };

  const std::string& bytes(int32_t id) const { return bytes_[id - first_byte_]; }

  void add(int32_t left, int32_t right, uint32_t piece, int64_t weight) {
    const uint64_t key = pair_key(left, right);
    const uint32_t index = index_.at_or_insert(key, static_cast<uint32_t>(pairs_.size()));
    if (index == pairs_.size()) pairs_.push_back({key});
    Pair& pair = pairs_[index];
    pair.count += weight;
    if (pair.places.empty() || pair.places.back() != piece) pair.places.push_back(piece);
    if (!pair.changed) {
      pair.changed = true;
      changed_.push_back(index);
    }
  }

  void push_changed() {
    for (const uint32_t index : changed_) {
      pairs_[index].changed = false;
      if (pairs_[index].count > 1) queue_.push({pairs_[index].count, pairs_[index].key, index});
    }
    changed_.clear();
  }

  // Merges the pair in one piece and corrects the counts of the pairs that came and went with it.
  void merge_in(uint32_t w, int32_t left, int32_t right) {
    int32_t* s = symbols_.data() + begins_[w];
    const uint32_t n = lengths_[w];
    merged_.clear();
    touched_.assign(n, 0);
    for (uint32_t i = 0; i < n;) {
      if (i + 1 < n && s[i] == left && s[i + 1] == right) {
        touched_[i] = touched_[i + 1] = 1;
        merged_.push_back(next_id_);
        i += 2;
      } else {
        merged_.push_back(s[i++]);
      }
    }
    if (merged_.size() == n) return;  // the pair was here once, and is no more
    for (uint32_t i = 0; i + 1 < n; ++i) {
      if (touched_[i] || touched_[i + 1]) pairs_[*index_.find(pair_key(s[i], s[i + 1]))].count -= weights_[w];
    }
    for (size_t i = 0; i + 1 < merged_.size(); ++i) {
      if (merged_[i] == next_id_ || merged_[i + 1] == next_id_) add(merged_[i], merged_[i + 1], w, weights_[w]);
    }
    std::copy(merged_.begin(), merged_.end(), s);
    lengths_[w] = static_cast<uint32_t>(merged_.size());
  }

  std::vector<int32_t> symbols_;  // all pieces, one after another
  std::vector<size_t> begins_;
  std::vector<uint32_t> lengths_;
  std::vector<int64_t> weights_;
  PairMap index_;
  std::vector<Pair> pairs_;
  std::vector<uint32_t> changed_;
  std::vector<int32_t> merged_;
  std::vector<uint8_t> touched_;
  std::vector<std::string> bytes_;  // of each id from first_byte_ on
  int32_t first_byte_, next_id_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue_;
};

}  // namespace

std::vector<PieceCount> count_pieces(std::span<const std::string> texts, const Splitter& splitter) {
  const std::vector<size_t> begins = cut_into_parts(texts);
  std::vector<Counts> parts(begins.size() - 1);
  parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t part) {
    std::vector<std::string_view> pieces;
    for (size_t i = begins[part]; i < begins[part + 1]; ++i) {
      pieces.clear();
      splitter.split(texts[i], pieces);
      for (const std::string_view piece : pieces) ++parts[part][piece];
    }
  });
  Counts all;
  for (Counts& part : parts) {
    if (all.empty()) {
      all = std::move(part);
      continue;
    }
    for (const auto& [piece, count] : part) all[piece] += count;
    part.clear();
  }
  std::vector<PieceCount> out;
  out.reserve(all.size());
  for (const auto& [piece, count] : all) out.push_back({piece, count});
  std::sort(out.begin(), out.end(), [](const PieceCount& a, const PieceCount& b) { return a.piece < b.piece; });
  return out;
}

std::vector<Merge> learn_merges(const std::vector<PieceCount>& pieces, int32_t first_byte, int64_t merges,
                                MergeTies ties, const std::function<bool(int32_t left, int32_t right)>& allowed) {
  return Trainer(pieces, first_byte, ties).run(merges, allowed);
}

}  // namespace loquat
