// Weights of 8 and 4 bits: how near the quantised values are, products against the reference, batch invariance, the
// vocabulary head.
#include "kernels/quantize.h"
#include "kernels/test_support.h"

namespace loquat {
namespace {

// W quantised and packed by one table.
struct Quantized {
  Quantized(const Kernels& kernels, const Floats& w, int64_t n, int64_t k, DType dtype, WeightType type)
      : codes(n * k), scales(n * group_count(k, type)) {
    quantize_weight(w.data(), n, k, type, codes.data(), scales.data());
    pack(kernels, n, k, dtype, type);
  }
  // Any codes and scales, as a file may have them.
  Quantized(const Kernels& kernels, Rng& rng, int64_t n, int64_t k, DType dtype, WeightType type)
      : codes(n * k), scales(n * group_count(k, type)) {
    for (uint8_t& code : codes) code = static_cast<uint8_t>(rng.below(1u << bits_of(type)));
    for (BF16& scale : scales) scale = to_bf16(static_cast<float>(rng.normal()));
    pack(kernels, n, k, dtype, type);
  }
  void pack(const Kernels& kernels, int64_t n, int64_t k, DType dtype, WeightType type) {
    memory.resize(static_cast<size_t>(kernels.quantized_bytes(n, k, type)) + 64);
    void* forward = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
    kernels.pack_quantized(codes.data(), scales.data(), n, k, type, forward);
    weight = {n, k, dtype, forward, nullptr, type};
  }
  operator const PackedWeight&() const { return weight; }  // NOLINT: implicit on purpose

  std::vector<uint8_t> codes;
  std::vector<BF16> scales;
  Bytes memory;
  PackedWeight weight;
};

class QuantizedTest : public KernelsTest {
 protected:
  void SetUp() override {
    if (!k().quantized_weights) GTEST_SKIP() << k().name << " has no quantised weights";
  }
};
INSTANTIATE_TEST_SUITE_P(Tables, QuantizedTest, every_table(), table_name);

constexpr WeightType kTypes[] = {WeightType::kInt8, WeightType::kInt4};

struct Shape {
  int64_t rows, n, k;
};
const Shape kShapes[] = {{0, 5, 7},     {1, 1, 1},     {1, 48, 64},  {1, 300, 1024}, {2, 33, 31},
                         {3, 33, 65},   {5, 70, 200},  {8, 32, 96},  {9, 32, 96},    {13, 64, 128},
                         {17, 100, 45}, {33, 65, 130}, {64, 31, 63}, {129, 96, 64},  {141, 40, 97}};

void match_reference(const Kernels& k, DType dtype, double tolerance, Rng& rng, const Shape& s, WeightType type) {
  SCOPED_TRACE(fmt::format("rows {} n {} k {} bits {}", s.rows, s.n, s.k, bits_of(type)));
  Rng again = rng;
  const Quantized w(k, rng, s.n, s.k, dtype, type), w_ref(reference::kTable, again, s.n, s.k, dtype, type);
  const Tensor x = Tensor::random(rng, s.rows, s.k, dtype, 1, 3);
  const double terms = std::sqrt(s.k) * (1 << (bits_of(type) - 2));
  for (const DType out : {DType::kF32, dtype}) {
    for (const bool add : {false, true}) {
      if (add && out != DType::kF32) continue;
      const Tensor y0 = Tensor::random(rng, s.rows, s.n, out, 1, 2), y(y0), y_ref(y0);
      k.linear(y, x, w, add);
      reference::linear(y_ref, x, w_ref, add);
      expect_close(y, y_ref, out == DType::kF32 ? 2e-5 : tolerance, "y", terms);
    }
  }
}

TEST_P(QuantizedTest, MatchesReference) {
  Rng rng(1, "quantized");
  for (const WeightType type : kTypes) {
    for (const Shape& s : kShapes) match_reference(k(), dtype(), tolerance(), rng, s, type);
  }
}

TEST_P(QuantizedTest, MatchesReferenceOnRandomShapes) {
  Rng rng = random_shapes("quantized.random");
  for (int i = 0; i < 25; ++i) {
    const auto below = [&](uint64_t n) { return static_cast<int64_t>(rng.below(n)); };
    match_reference(k(), dtype(), tolerance(), rng, {below(3) ? below(50) : below(4), 1 + below(150), 1 + below(300)},
                    kTypes[below(2)]);
  }
}

// By the values that codes and scales stand for; a row gets the same bits alone.
TEST_P(QuantizedTest, BackwardMatchesReference) {
  Rng rng(2, "quantized backward");
  for (const WeightType type : kTypes) {
    for (const Shape& s : {Shape{0, 5, 7}, Shape{1, 48, 64}, Shape{5, 70, 200}, Shape{17, 100, 45}, Shape{33, 300, 530},
                           Shape{141, 40, 97}}) {
      SCOPED_TRACE(fmt::format("rows {} n {} k {} bits {}", s.rows, s.n, s.k, bits_of(type)));
      Rng again = rng;
      const Quantized w(k(), rng, s.n, s.k, dtype(), type), w_ref(reference::kTable, again, s.n, s.k, dtype(), type);
      const Tensor dy = Tensor::random(rng, s.rows, s.n, dtype(), 1, 3);
      for (const bool add : {false, true}) {
        const Tensor dx0 = Tensor::random(rng, s.rows, s.k, dtype(), 1, 2), dx(dx0), dx_ref(dx0);
        k().linear_backward_input(dx, dy, w, add);
        reference::linear_backward_input(dx_ref, dy, w_ref, add);
        expect_close(dx, dx_ref, tolerance(), "dx");
        if (s.rows == 0) continue;
        const Tensor alone(dx0);
        k().linear_backward_input(alone.mat().row_range(s.rows - 1, s.rows), dy.mat().row_range(s.rows - 1, s.rows), w,
                                  add);
        for (int64_t c = 0; c < s.k; ++c) ASSERT_EQ(alone.at(s.rows - 1, c), dx.at(s.rows - 1, c)) << c;
      }
    }
  }
}

// The largest products that there are must not run over.
TEST_P(QuantizedTest, ExtremeCodesAndValues) {
  for (const WeightType type : kTypes) {
    for (const int code : {0, (1 << bits_of(type)) - 1}) {
      for (const float value : {-3.0f, 3.0f}) {
        Rng rng(1, "extreme");
        Quantized w(k(), rng, 33, 128, dtype(), type);
        std::fill(w.codes.begin(), w.codes.end(), static_cast<uint8_t>(code));
        std::fill(w.scales.begin(), w.scales.end(), to_bf16(0.5f));
        w.pack(k(), 33, 128, dtype(), type);
        for (const int64_t rows : {1, 20}) {
          Tensor x(rows, 128, dtype());
          x.fill(value);
          const Tensor y(rows, 33, DType::kF32);
          k().linear(y, x, w, false);
          const float expected = 128 * value * 0.5f * static_cast<float>(code - zero_code(type));
          for (int64_t c = 0; c < 33; ++c) ASSERT_NEAR(y.at(rows - 1, c), expected, 1e-5 * std::abs(expected)) << code;
        }
      }
    }
  }
}

TEST_P(QuantizedTest, RowsOfZeros) {
  Rng rng(1, "zeros");
  const Quantized w(k(), rng, 40, 70, dtype(), WeightType::kInt4);
  const Tensor x(3, 70, dtype()), y = Tensor::random(rng, 3, 40, DType::kF32);
  k().linear(y, x, w, false);
  for (int64_t c = 0; c < 40; ++c) EXPECT_EQ(y.at(2, c), 0);
}

TEST_P(QuantizedTest, ARowGetsTheSameBitsAloneAndInACrowd) {
  Rng rng(3, "invariance");
  const int64_t rows = 275, n = 200, depth = 168;
  for (const WeightType type : kTypes) {
    const Quantized w(k(), rng, n, depth, dtype(), type);
    const Tensor x = Tensor::random(rng, rows, depth, dtype()), y(rows, n, dtype());
    k().linear(y, x, w, false);
    for (const int64_t count : {1, 2, 3, 5, 7, 8, 9, 12, 13, 16, 19, 33, 140}) {
      for (const int64_t begin : {int64_t{0}, int64_t{7}, rows - count}) {
        const Tensor part(count, n, dtype());
        k().linear(part, x.mat().row_range(begin, begin + count), w, false);
        for (int64_t r = 0; r < count; ++r) {
          for (int64_t c = 0; c < n; ++c) ASSERT_EQ(part.at(r, c), y.at(begin + r, c)) << count << " " << r << " " << c;
        }
      }
    }
  }
}

TEST_P(QuantizedTest, ThreadsDoNotChangeBits) {
  Rng rng(4, "threads");
  const Quantized w(k(), rng, 145, 97, dtype(), WeightType::kInt8);
  const Tensor x = Tensor::random(rng, 390, 97, dtype());
  std::vector<Bytes> results;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Tensor y(390, 145, dtype());
    k().linear(y, x, w, false);
    results.push_back(y.bytes());
  }
  EXPECT_TRUE(results[0] == results[1] && results[0] == results[2]);
}

// Its logits are those of linear, in bits, whatever chunks they are made in.
TEST_P(QuantizedTest, VocabularyHead) {
  Rng rng(5, "head");
  const int64_t rows = 21, vocab = 2100, width = 72;
  for (const WeightType type : kTypes) {
    const Quantized w(k(), random_floats(rng, vocab * width, 0.1), vocab, width, dtype(), type);
    const Tensor x = Tensor::random(rng, rows, width, dtype()), logits(rows, vocab, DType::kF32);
    const auto targets = random_tokens(rng, rows, vocab);
    const std::vector<float> temperatures(rows, 1.25f);
    std::vector<float> logprob(rows), lse(rows), entropy(rows), expected(rows);
    k().lm_head(x, w, targets.data(), 1.25f, logprob.data(), lse.data(), entropy.data());
    k().linear(logits, x, w, false);
    k().log_sum_exp(logits, temperatures.data(), expected.data());
    for (int64_t t = 0; t < rows; ++t) {
      EXPECT_EQ(lse[t], expected[t]);
      EXPECT_EQ(logprob[t], logits.at(t, targets[t]) * 1.25f - lse[t]);
    }
  }
}

// AMX and VNNI are one arithmetic.
TEST(QuantizedTables, TilesHaveTheBitsOfVnni) {
  const Kernels* tiles = emulated_amx_kernels();
  if (tiles == nullptr) GTEST_SKIP() << "no AVX-512 BF16";
  const Kernels& vnni = **cpu_kernels(Isa::kAvx512Bf16);
  for (const WeightType type : kTypes) {
    Rng rng(6, "tiles"), again(6, "tiles");
    const Quantized a(*tiles, rng, 70, 200, DType::kBF16, type), b(vnni, again, 70, 200, DType::kBF16, type);
    const Tensor x = Tensor::random(rng, 60, 200, DType::kBF16), y(60, 70, DType::kF32), y_vnni(60, 70, DType::kF32);
    tiles->linear(y, x, a, false);
    vnni.linear(y_vnni, x, b, false);
    EXPECT_TRUE(y.bytes() == y_vnni.bytes());
  }
}

double relative_error(const Floats& w, int64_t n, int64_t k, WeightType type) {
  std::vector<uint8_t> codes(n * k);
  std::vector<BF16> scales(n * group_count(k, type));
  std::vector<float> back(n * k);
  quantize_weight(w.data(), n, k, type, codes.data(), scales.data());
  dequantize_weight(codes.data(), scales.data(), n, k, type, back.data());
  double error = 0, squares = 0;
  for (size_t i = 0; i < back.size(); ++i) {
    error += std::pow(back[i] - w[i], 2);
    squares += std::pow(w[i], 2);
  }
  return std::sqrt(error / squares);
}

TEST(QuantizeWeight, IsNearEnough) {
  Rng rng(7, "near");
  const Floats w = random_floats(rng, 64 * 200);
  EXPECT_LT(relative_error(w, 64, 200, WeightType::kInt8), 0.0065);
  EXPECT_LT(relative_error(w, 64, 200, WeightType::kInt4), 0.085);
}

TEST(QuantizeWeight, KeepsWhatItsCodesCanSay) {
  // Multiples of a scale that bfloat16 holds, up to the ends of the range.
  Floats w(64);
  for (int i = 0; i < 64; ++i) w[i] = 0.375f * static_cast<float>(i % 16 - 8);
  EXPECT_EQ(relative_error(w, 2, 32, WeightType::kInt4), 0);
  std::vector<uint8_t> codes(64);
  std::vector<BF16> scales(2);
  std::fill(w.begin(), w.end(), 0.0f);
  quantize_weight(w.data(), 2, 32, WeightType::kInt4, codes.data(), scales.data());
  EXPECT_EQ(codes, std::vector<uint8_t>(64, 8));
  EXPECT_EQ(to_float(scales[0]), 0);
  w[3] = NAN;
  w[40] = INFINITY;
  for (const WeightType type : kTypes) {
    quantize_weight(w.data(), 1, 64, type, codes.data(), scales.data());
    EXPECT_TRUE(std::isnan(to_float(scales[0])) && std::isnan(to_float(scales[group_count(64, type) - 1])));
  }
}

}  // namespace
}  // namespace loquat
