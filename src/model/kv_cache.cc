// The cache of keys and values: plain row storage; what the numbers mean is attention's business.
#include "model/kv_cache.h"

#include "base/check.h"

namespace loquat {

KvCache::KvCache(const ModelConfig& config, const Kernels& kernels, DType compute, int64_t slots, int64_t max_length)
    : kernels_(kernels),
      layers_(config.num_layers),
      width_(config.num_kv_heads * config.head_dim),
      max_length_(max_length),
      dtype_(compute),
      lengths_(slots, 0),
      memory_(kernels, slots * bytes(config, compute, max_length)) {
  CHECK(slots >= 1 && max_length >= 1, "{} slots of {} tokens", slots, max_length);
}

int64_t KvCache::bytes(const ModelConfig& config, DType compute, int64_t tokens) {
  return 2 * config.num_layers * config.num_kv_heads * config.head_dim * tokens * bytes_of(compute);
}

Mat KvCache::rows(int64_t layer, int64_t slot, int64_t which) const {
  const int64_t block = (slot * layers_ + layer) * 2 + which;
  return {memory_.data() + block * max_length_ * width_ * bytes_of(dtype_), max_length_, width_, width_, dtype_};
}

void KvCache::truncate(int64_t slot, int64_t length) {
  CHECK(length >= 0 && length <= lengths_[slot], "slot {} holds {} tokens, not {}", slot, lengths_[slot], length);
  lengths_[slot] = length;
}

void KvCache::copy_prefix(int64_t from, int64_t to, int64_t length) {
  CHECK(from != to && length >= 0 && length <= lengths_[from], "copy of {} tokens from slot {} ({}) to {}", length,
        from, lengths_[from], to);
  const int64_t bytes = length * width_ * bytes_of(dtype_);
  std::vector<RowCopy> copies;
  for (int64_t layer = 0; layer < layers_; ++layer) {
    copies.push_back({keys(layer, to).data, keys(layer, from).data});
    copies.push_back({values(layer, to).data, values(layer, from).data});
  }
  if (bytes > 0) kernels_.copy_rows(copies, bytes);
  lengths_[to] = length;
}

void KvCache::append(int64_t slot, int64_t count) {
  CHECK(lengths_[slot] + count <= max_length_, "slot {}: {} + {} tokens, room for {}", slot, lengths_[slot], count,
        max_length_);
  lengths_[slot] += count;
}

}  // namespace loquat
