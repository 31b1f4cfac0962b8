#include "tokenizer/bpe.h"

#include <array>
#include <queue>

namespace loquat {

uint32_t& PairMap::at_or_insert(uint64_t key, uint32_t initial) {
  if ((size_ + 1) * 2 > slots_.size()) {
    std::vector<Slot> old(slots_.size() * 2);
    std::swap(old, slots_);
    for (const Slot& slot : old) {
      if (slot.key == kEmpty) continue;
      size_t i = place(slot.key);
      while (slots_[i].key != kEmpty) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = slot;
    }
  }
  size_t i = place(key);
  while (slots_[i].key != kEmpty && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
  if (slots_[i].key == kEmpty) {
    slots_[i] = {key, initial};
    ++size_;
  }
  return slots_[i].value;
}

MergeTable::MergeTable(std::vector<Merge> merges) : merges_(std::move(merges)) {
  for (size_t rank = 0; rank < merges_.size(); ++rank) {
    ranks_.at_or_insert(pair_key(merges_[rank].left, merges_[rank].right), static_cast<uint32_t>(rank));
  }
}

MergeTable::MergeTable(std::vector<Merge> merges, std::span<const uint32_t> ranks) : merges_(std::move(merges)) {
  for (size_t i = 0; i < merges_.size(); ++i) {
    const uint64_t key = pair_key(merges_[i].left, merges_[i].right);
    ranks_.at_or_insert(key, ranks[i]);
    tied_.at_or_insert(key, static_cast<uint32_t>(i));
  }
}

namespace {
constexpr size_t kShort = 48;
}

void MergeTable::apply(std::vector<int32_t>& ids) const {
  if (ids.size() < 2) return;
  if (ids.size() <= kShort) {
    apply_short(ids);
  } else {
    apply_long(ids);
  }
}

void MergeTable::apply_short(std::vector<int32_t>& ids) const {
  std::array<uint32_t, kShort> ranks;  // ranks[i]: of the pair (ids[i], ids[i + 1])
  size_t n = ids.size();
  for (size_t i = 0; i + 1 < n; ++i) ranks[i] = rank(ids[i], ids[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == UINT32_MAX) break;
    ids[best] = result(ranks[best], ids[best], ids[best + 1]);
    for (size_t i = best + 1; i + 1 < n; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
    }
    --n;
    if (best + 1 < n) ranks[best] = rank(ids[best], ids[best + 1]);
    if (best > 0) ranks[best - 1] = rank(ids[best - 1], ids[best]);
  }
  ids.resize(n);
}

void MergeTable::apply_long(std::vector<int32_t>& ids) const {
  struct Node {
    int64_t previous, next;  // -1 and n: none
  };
  struct Candidate {
    uint32_t rank;
    int64_t at;
    bool operator>(const Candidate& o) const { return rank != o.rank ? rank > o.rank : at > o.at; }
  };
  const auto n = static_cast<int64_t>(ids.size());
  std::vector<Node> nodes(n);
  std::vector<Candidate> start;
  for (int64_t i = 0; i < n; ++i) {
    nodes[i] = {i - 1, i + 1};
    const uint32_t r = i + 1 < n ? rank(ids[i], ids[i + 1]) : UINT32_MAX;
    if (r != UINT32_MAX) start.push_back({r, i});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue({}, std::move(start));
  const auto offer = [&](int64_t i) {
    if (i < 0 || nodes[i].next >= n) return;
    const uint32_t r = rank(ids[i], ids[nodes[i].next]);
    if (r != UINT32_MAX) queue.push({r, i});
  };
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    // Out of date where the symbols there have changed since; a removed symbol is -1, which has no rank.
    if (ids[c.at] < 0 || nodes[c.at].next >= n || rank(ids[c.at], ids[nodes[c.at].next]) != c.rank) continue;
    const int64_t right = nodes[c.at].next;
    ids[c.at] = result(c.rank, ids[c.at], ids[right]);
    ids[right] = -1;
    nodes[c.at].next = nodes[right].next;
    if (nodes[c.at].next < n) nodes[nodes[c.at].next].previous = c.at;
    offer(nodes[c.at].previous);
    offer(c.at);
  }
  std::erase(ids, -1);
}

}  // namespace loquat
