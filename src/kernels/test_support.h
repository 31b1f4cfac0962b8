// For the kernels' tests: tensors that own memory, random numbers, comparison with the reference, and every table in
// both compute types.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "kernels/reference.h"

namespace loquat {

// Memory that every table under test can read: a graphics card's managed memory where there is one.
template <typename T>
struct TestAllocator {
  using value_type = T;
  TestAllocator() = default;
  template <typename U>
  TestAllocator(const TestAllocator<U>&) {}  // NOLINT: implicit on purpose
  static const Kernels& table() { return *all_kernels().back(); }
  T* allocate(size_t n) {
    return static_cast<T*>(table().allocate(static_cast<int64_t>(std::max<size_t>(1, n * sizeof(T)))));
  }
  void deallocate(T* p, size_t n) { table().release(p, static_cast<int64_t>(n * sizeof(T))); }
  template <typename U>
  bool operator==(const TestAllocator<U>&) const {
    return true;
  }
};
using Floats = std::vector<float, TestAllocator<float>>;
using Bytes = std::vector<uint8_t, TestAllocator<uint8_t>>;

// A matrix with `extra` unused columns after each row, which must stay as they are.
class Tensor {
 public:
  Tensor(int64_t rows, int64_t cols, DType dtype, int64_t extra = 0)
      : bytes_((rows * (cols + extra) + 1) * 4, 0x5a), mat_{bytes_.data(), rows, cols, cols + extra, dtype} {
    fill(0);
  }
  Tensor(const Tensor& other) : bytes_(other.bytes_), mat_(other.mat_) { mat_.data = bytes_.data(); }
  Tensor& operator=(const Tensor&) = delete;

  static Tensor random(Rng& rng, int64_t rows, int64_t cols, DType dtype, double scale = 1, int64_t extra = 0) {
    Tensor t(rows, cols, dtype, extra);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) reference::put(t.mat_, r, c, rng.normal() * scale);
    }
    return t;
  }
  void fill(float value) {
    for (int64_t r = 0; r < mat_.rows; ++r) {
      for (int64_t c = 0; c < mat_.cols; ++c) reference::put(mat_, r, c, value);
    }
  }
  Mat mat() const { return mat_; }
  operator Mat() const { return mat_; }  // NOLINT: implicit on purpose
  float at(int64_t r, int64_t c) const { return reference::get(mat_, r, c); }
  float* f32() const { return mat_.f32(); }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  Mat mat_;
};

inline Floats random_floats(Rng& rng, int64_t n, double scale = 1) {
  Floats x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(rng.normal() * scale);
  return x;
}

inline std::vector<int32_t> random_tokens(Rng& rng, int64_t n, int64_t vocab) {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int32_t& t : tokens) t = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocab)));
  return tokens;
}

// Shapes at random: the same in every run, others with --gtest_random_seed=N.
inline Rng random_shapes(const std::string& name) {
  return Rng(static_cast<uint64_t>(GTEST_FLAG_GET(random_seed)), name);
}

// Each element within `tolerance` of the expected one, relative to its size plus the tensor's root mean square; where
// the tensor is a few sums that may all come out near zero, plus `terms`, which is what their terms let expect.
inline void expect_close(Mat actual, Mat expected, double tolerance, const std::string& what, double terms = 0) {
  double squares = 0;
  for (int64_t r = 0; r < expected.rows; ++r) {
    for (int64_t c = 0; c < expected.cols; ++c) squares += std::pow(reference::get(expected, r, c), 2);
  }
  const double rms =
      std::max(terms, std::sqrt(squares / std::max<double>(1, static_cast<double>(expected.rows * expected.cols))));
  for (int64_t r = 0; r < expected.rows; ++r) {
    for (int64_t c = 0; c < expected.cols; ++c) {
      const double a = reference::get(actual, r, c), e = reference::get(expected, r, c);
      ASSERT_LE(std::abs(a - e), tolerance * (std::abs(e) + rms) + 1e-30)
          << what << ": element (" << r << ", " << c << ") is " << a << ", the reference has " << e;
    }
  }
}
inline void expect_close(Floats& actual, Floats& expected, double tolerance, const std::string& what,
                         double terms = 0) {
  const auto n = static_cast<int64_t>(expected.size());
  expect_close(mat(actual.data(), 1, n), mat(expected.data(), 1, n), tolerance, what, terms);
}

// W packed by one table.
class Packed {
 public:
  Packed(const Kernels& kernels, const Floats& w, int64_t n, int64_t k, DType dtype, float softcap = 0)
      : forward_(static_cast<size_t>(kernels.packed_bytes(n, k, dtype)) + 64), backward_(forward_.size()) {
    weight_ = {n, k, dtype, align(forward_), align(backward_), WeightType::kCompute, softcap};
    kernels.pack(w.data(), n, k, dtype, const_cast<void*>(weight_.forward), const_cast<void*>(weight_.backward));
  }
  operator const PackedWeight&() const { return weight_; }  // NOLINT: implicit on purpose

 private:
  static void* align(Bytes& bytes) {
    return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
  }
  Bytes forward_, backward_;
  PackedWeight weight_;
};

// Every table in both compute types.
class KernelsTest : public testing::TestWithParam<std::tuple<const Kernels*, DType>> {
 protected:
  const Kernels& k() const { return *std::get<0>(GetParam()); }
  DType dtype() const { return std::get<1>(GetParam()); }
  // Against the reference: one rounding of the result, and sums in another order.
  double tolerance() const { return dtype() == DType::kF32 ? 2e-5 : 1e-2; }
  void TearDown() override { set_thread_count(2); }
};

const Kernels* emulated_amx_kernels();  // cpu/amx_emulated_test.cc; null where the processor lacks AVX-512 BF16

inline auto every_table() {
  std::vector<const Kernels*> tables = all_kernels();
  if (const Kernels* emulated = emulated_amx_kernels()) tables.push_back(emulated);
  return testing::Combine(testing::ValuesIn(tables), testing::Values(DType::kF32, DType::kBF16));
}
inline std::string table_name(const testing::TestParamInfo<std::tuple<const Kernels*, DType>>& info) {
  return std::string(std::get<0>(info.param)->name) + (std::get<1>(info.param) == DType::kF32 ? "_f32" : "_bf16");
}

}  // namespace loquat
