// Buffers and arenas.
#include "model/memory.h"

#include <utility>

#include "base/check.h"

namespace loquat {
namespace {

constexpr int64_t kLine = 256;  // bytes that pieces of an arena are aligned to: a graphics card's widest access

}  // namespace

Buffer::Buffer(const Kernels& kernels, int64_t bytes) : kernels_(&kernels), bytes_(bytes) {
  if (bytes <= 0) return;
  data_ = static_cast<char*>(kernels.allocate(bytes));
  CHECK(data_ != nullptr, "out of memory: {} MiB wanted for the {} kernels", bytes >> 20, kernels.name);
}

Buffer::Buffer(Buffer&& other) noexcept
    : kernels_(other.kernels_), data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(kernels_, other.kernels_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) kernels_->release(data_, bytes_);
}

void Buffer::clear_to_zero() {
  if (bytes_ > 0) kernels_->clear(data_, bytes_);
}

Buffer zeros(const Kernels& kernels, int64_t floats) {
  Buffer buffer(kernels, floats * 4);
  buffer.clear_to_zero();
  return buffer;
}

Buffer floats_of(const Kernels& kernels, std::span<const float> values) {
  Buffer buffer(kernels, static_cast<int64_t>(values.size_bytes()));
  if (!values.empty()) kernels.upload(buffer.data(), values.data(), buffer.bytes());
  return buffer;
}

std::vector<float> to_host(const Kernels& kernels, const float* values, int64_t n) {
  std::vector<float> out(static_cast<size_t>(n));
  if (n > 0) kernels.download(out.data(), values, n * 4);
  return out;
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    const int64_t total = bytes();
    blocks_.clear();
    blocks_.emplace_back(*kernels_, total);
  }
  used_ = 0;
}

int64_t Arena::bytes() const {
  int64_t total = 0;
  for (const auto& block : blocks_) total += block.bytes();
  return total;
}

char* Arena::take_bytes(int64_t bytes) {
  bytes = (bytes + kLine - 1) / kLine * kLine;
  if (blocks_.empty() || used_ + bytes > blocks_.back().bytes()) {
    blocks_.emplace_back(*kernels_, bytes);
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
