// The merges of byte-pair encoding and their use on one piece: the adjacent pair of lowest rank is merged, the leftmost
// first, until no pair has a merge.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace loquat {

inline uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// pair of ids → a 32-bit value; open addressing, since this look-up is nearly the whole cost of encoding.
class PairMap {
 public:
  PairMap() : slots_(16) {}
  // The value's place; a new one starts as `initial`. Valid until the next call of this.
  uint32_t& at_or_insert(uint64_t key, uint32_t initial);
  const uint32_t* find(uint64_t key) const {
    for (size_t i = place(key);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].key == key) return &slots_[i].value;
      if (slots_[i].key == kEmpty) return nullptr;
    }
  }
  size_t size() const { return size_; }

 private:
  static constexpr uint64_t kEmpty = ~0ull;  // no pair of ids: ids are not negative
  struct Slot {
    uint64_t key = kEmpty;
    uint32_t value = 0;
  };
  size_t place(uint64_t key) const {
    const uint64_t mixed = (key ^ key >> 32) * 0x9e3779b97f4a7c15ull;
    return static_cast<size_t>(mixed >> 32) & (slots_.size() - 1);
  }
  std::vector<Slot> slots_;  // a power of two, at most half full
  size_t size_ = 0;
};

struct Merge {
  int32_t left = 0, right = 0, result = 0;
  bool operator==(const Merge&) const = default;
};

class MergeTable {
 public:
  MergeTable() = default;
  explicit MergeTable(std::vector<Merge> merges);  // in the order of rank
  // ranks[i] is merge i's: merges of the same rank (SentencePiece: tokens of equal score) are done from the left.
  MergeTable(std::vector<Merge> merges, std::span<const uint32_t> ranks);
  const std::vector<Merge>& merges() const { return merges_; }
  // Merges `ids` in place.
  void apply(std::vector<int32_t>& ids) const;

 private:
  void apply_short(std::vector<int32_t>& ids) const;
  void apply_long(std::vector<int32_t>& ids) const;  // n log n: a hostile text can be one long piece
  uint32_t rank(int32_t left, int32_t right) const {
    const uint32_t* r = ranks_.find(pair_key(left, right));
    return r == nullptr ? UINT32_MAX : *r;
  }
  int32_t result(uint32_t rank, int32_t left, int32_t right) const {
    return merges_[tied_.size() == 0 ? rank : *tied_.find(pair_key(left, right))].result;
  }
  std::vector<Merge> merges_;
  PairMap ranks_;
  PairMap tied_;  // where ranks were given: pair → index of its merge; else empty, and the rank is the index
};

}  // namespace loquat
