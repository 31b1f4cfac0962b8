// Buffers and arenas.
#include "model/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/threads.h"

namespace loquat {
namespace {

constexpr int64_t kLine = 64;
constexpr int64_t kHugePage = 2 << 20;

int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

}  // namespace

AlignedBuffer::AlignedBuffer(int64_t bytes) : bytes_(bytes) {
  if (bytes <= 0) return;
  const int64_t unit = bytes >= kHugePage ? kHugePage : kLine;
  data_ = static_cast<char*>(std::aligned_alloc(unit, round_up(bytes, unit)));
  CHECK(data_ != nullptr, "out of memory: {} bytes", bytes);
  if (unit == kHugePage) madvise(data_, round_up(bytes, unit), MADV_HUGEPAGE);  // a hint; its failure costs only speed
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

AlignedBuffer::~AlignedBuffer() {
  std::free(data_);
}

void AlignedBuffer::clear_to_zero() {
  parallel_blocks(bytes_, 1 << 20, [&](int64_t begin, int64_t end) { std::memset(data_ + begin, 0, end - begin); });
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    const int64_t total = bytes();
    blocks_.clear();
    blocks_.emplace_back(total);
  }
  used_ = 0;
}

int64_t Arena::bytes() const {
  int64_t total = 0;
  for (const auto& block : blocks_) total += block.bytes();
  return total;
}

char* Arena::take_bytes(int64_t bytes) {
  bytes = round_up(bytes, kLine);
  if (blocks_.empty() || used_ + bytes > blocks_.back().bytes()) {
    blocks_.emplace_back(bytes);
    used_ = 0;
  }
  char* p = blocks_.back().data() + used_;
  used_ += bytes;
  return p;
}

Mat Arena::take(int64_t rows, int64_t cols, DType dtype) {
  return {take_bytes(rows * cols * bytes_of(dtype)), rows, cols, cols, dtype};
}

float* Arena::take_floats(int64_t n) {
  return reinterpret_cast<float*>(take_bytes(n * 4));
}

}  // namespace loquat
