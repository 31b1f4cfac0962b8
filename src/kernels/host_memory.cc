// Ordinary memory: large pieces on huge pages, cleared and copied on all threads.
#include "kernels/host_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "base/threads.h"

namespace loquat::host {
namespace {

constexpr int64_t kLine = 64;
constexpr int64_t kHugePage = 2 << 20;
constexpr int64_t kGrain = 1 << 20;  // bytes that are worth a thread
constexpr int64_t kRowGrain = 64;

}  // namespace

void* allocate(int64_t bytes) {
  const int64_t unit = bytes >= kHugePage ? kHugePage : kLine;
  const int64_t rounded = (bytes + unit - 1) / unit * unit;
  void* memory = std::aligned_alloc(unit, rounded);
  if (memory != nullptr && unit == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // its failure costs only speed
  return memory;
}

void release(void* memory, int64_t) {
  std::free(memory);
}

void copy(void* to, const void* from, int64_t bytes) {
  if (to == from) return;
  parallel_blocks(bytes, kGrain, [&](int64_t begin, int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, end - begin);
  });
}

void clear(void* memory, int64_t bytes) {
  parallel_blocks(bytes, kGrain,
                  [&](int64_t begin, int64_t end) { std::memset(static_cast<char*>(memory) + begin, 0, end - begin); });
}

void copy_rows(std::span<const RowCopy> rows, int64_t bytes) {
  parallel_blocks(static_cast<int64_t>(rows.size()), kRowGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::memcpy(rows[i].to, rows[i].from, bytes);
  });
}

}  // namespace loquat::host
