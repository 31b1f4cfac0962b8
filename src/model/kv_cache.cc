// The cache of keys and values: plain row storage; what the numbers mean is attention's business.
#include "model/kv_cache.h"

#include "base/check.h"

namespace loquat {

KvCache::KvCache(const ModelConfig& config, const Kernels& kernels, DType compute, int64_t pages, int64_t page_tokens)
    : kernels_(kernels),
      layers_(config.num_layers),
      width_(config.num_kv_heads * config.head_dim),
      pages_(pages),
      page_tokens_(page_tokens),
      dtype_(compute),
      memory_(kernels, pages * bytes(config, compute, page_tokens)) {
  CHECK(pages >= 1 && page_tokens >= 1, "{} pages of {} tokens", pages, page_tokens);
}

int64_t KvCache::bytes(const ModelConfig& config, DType compute, int64_t tokens) {
  return 2 * config.num_layers * config.num_kv_heads * config.head_dim * tokens * bytes_of(compute);
}

Mat KvCache::rows(int64_t layer, int32_t page, int64_t which) const {
  CHECK(page >= 0 && page < pages_, "page {} of {}", page, pages_);
  const int64_t block = (page * layers_ + layer) * 2 + which;
  return {memory_.data() + block * page_tokens_ * width_ * bytes_of(dtype_), page_tokens_, width_, width_, dtype_};
}

void KvCache::copy(int32_t from, int32_t to, int64_t count) {
  CHECK(from != to && count >= 0 && count <= page_tokens_, "copy of {} tokens from page {} to {}", count, from, to);
  if (count == 0) return;
  std::vector<RowCopy> copies;
  for (int64_t layer = 0; layer < layers_; ++layer) {
    copies.push_back({keys(layer, to).data, keys(layer, from).data});
    copies.push_back({values(layer, to).data, values(layer, from).data});
  }
  kernels_.copy_rows(copies, count * width_ * bytes_of(dtype_));
}

}  // namespace loquat
