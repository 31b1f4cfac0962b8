// Attention: against the reference on odd shapes, one query against a cache equal in bits to the packed forward,
// threads.
#include <fmt/ranges.h>

#include "kernels/test_support.h"

namespace loquat {
namespace {

using AttentionTest = KernelsTest;
INSTANTIATE_TEST_SUITE_P(Tables, AttentionTest, every_table(), table_name);

// Packed sequences with q, k, v side by side in one [T, (H + 2G) D] tensor.
struct Case {
  Case(DType dtype, uint64_t seed, std::vector<int64_t> lengths, int64_t heads, int64_t kv_heads, int64_t d)
      : rng(seed, "attention"), shape{heads, kv_heads, d, 1.0f / std::sqrt(static_cast<float>(d))}, lengths(lengths) {
    for (const int64_t n : lengths) rows += n;
    qkv.emplace_back(Tensor::random(rng, rows, (heads + 2 * kv_heads) * d, dtype, 1, 3));
    dqkv.emplace_back(rows, (heads + 2 * kv_heads) * d, dtype);
    out.emplace_back(rows, heads * d, dtype, 1);
    dout.emplace_back(Tensor::random(rng, rows, heads * d, dtype));
    lse.resize(rows * heads);
    int64_t begin = 0;
    for (const int64_t n : lengths) {
      segments.push_back({begin, n, k().row(begin), v().row(begin), n, qkv[0].mat().stride});
      begin += n;
    }
  }
  Mat part(const Tensor& t, int64_t from, int64_t to) const {
    return t.mat().col_range(from * shape.head_dim, to * shape.head_dim);
  }
  Mat q() const { return part(qkv[0], 0, shape.heads); }
  Mat k() const { return part(qkv[0], shape.heads, shape.heads + shape.kv_heads); }
  Mat v() const { return part(qkv[0], shape.heads + shape.kv_heads, shape.heads + 2 * shape.kv_heads); }
  void forward(const Kernels& kernels) { kernels.attention(out[0], q(), segments, shape, lse.data()); }
  void backward(const Kernels& kernels) {
    const int64_t h = shape.heads, g = shape.kv_heads;
    kernels.attention_backward(part(dqkv[0], 0, h), part(dqkv[0], h, h + g), part(dqkv[0], h + g, h + 2 * g), dout[0],
                               out[0], q(), k(), v(), lse.data(), segments, shape);
  }
  Rng rng;
  AttentionShape shape;
  std::vector<int64_t> lengths;
  int64_t rows = 0;
  std::vector<Tensor> qkv, dqkv, out, dout;
  Floats lse;
  std::vector<AttentionSegment> segments;
};

// What a query sees, and how scores are capped.
struct Sight {
  int64_t window;
  float softcap;
};
const Sight kSights[] = {{1, 0}, {7, 0}, {32, 0}, {40, 2}, {0, 2}, {1000, 0.5f}};

const std::vector<int64_t> kLengths[] = {{}, {1}, {0, 5, 0, 1}, {17, 33, 16}, {70, 3, 129}};
const AttentionShape kHeads[] = {{1, 1, 2, 0},  {2, 2, 32, 0}, {4, 1, 64, 0},
                                 {6, 2, 10, 0}, {2, 1, 48, 0}, {1, 1, 80, 0}};

// Makes every sequence but the first go on from the first one, where the first has any rows.
void share_first(Case& c) {
  for (size_t s = 1; s < c.segments.size(); ++s) {
    AttentionSegment& one = c.segments[s];
    one.prefix_len = c.lengths[0];
    one.kv_len += one.prefix_len;
    one.prefix_begin = 0;
    one.prefix_k = c.k().row(0);
    one.prefix_v = c.v().row(0);
  }
}

// Rows of the last sequence in pages of `len` rows that lie in any order, with rows of nobody's between.
struct Pages {
  Pages(const Case& c, const Kernels& kernels, int64_t len) : len(len) {
    const AttentionSegment& s = c.segments.back();
    const int64_t count = (s.kv_len + len - 1) / len, width = c.k().cols;
    keys.emplace_back(2 * count * len, width, c.qkv[0].mat().dtype, 7);
    values.emplace_back(2 * count * len, width, c.qkv[0].mat().dtype, 7);
    for (int64_t p = 0; p < count; ++p) {
      pages.push_back(static_cast<int32_t>((p % 2 ? p : 2 * count - 1 - p)));
      const int64_t from = s.q_begin + p * len, to = std::min(from + len, s.q_begin + s.q_len), at = pages.back() * len;
      kernels.convert(keys[0].mat().row_range(at, at + to - from), c.k().row_range(from, to));
      kernels.convert(values[0].mat().row_range(at, at + to - from), c.v().row_range(from, to));
    }
  }
  // Queries from ... from + count - 1 of the sequence, as rows 0 ... of q.
  AttentionSegment segment(int64_t from, int64_t count) const {
    AttentionSegment s{0, count, keys[0].mat().data, values[0].mat().data, from + count, keys[0].mat().stride};
    s.pages = pages.data();
    s.page_len = len;
    s.page_stride = len * keys[0].mat().stride;
    return s;
  }
  int64_t len;
  std::vector<Tensor> keys, values;
  std::vector<int32_t> pages;
};

// Forward and backward of a case; with `share`, all sequences but the first go on from it.
void match_reference(const Kernels& k, DType dtype, double tolerance, uint64_t seed,
                     const std::vector<int64_t>& lengths, const AttentionShape& s, bool share) {
  SCOPED_TRACE(fmt::format("lengths {}{}, {} over {} heads of {}, window {}, cap {}", fmt::join(lengths, " "),
                           share ? ", shared" : "", s.heads, s.kv_heads, s.head_dim, s.window, s.softcap));
  Case a(dtype, seed, lengths, s.heads, s.kv_heads, s.head_dim),
      b(dtype, seed, lengths, s.heads, s.kv_heads, s.head_dim);
  if (share) share_first(a), share_first(b);
  for (Case* c : {&a, &b}) c->shape.window = s.window, c->shape.softcap = s.softcap;
  a.forward(k);
  b.forward(reference::kTable);
  expect_close(a.out[0], b.out[0], tolerance, "out", 1);  // of values of size 1
  expect_close(a.lse, b.lse, 2e-5, "lse", 1);
  a.backward(k);
  a.backward(k);  // overwrites, does not add
  b.backward(reference::kTable);
  // The first keys' gradients are long sums of terms that were rounded to bfloat16.
  expect_close(a.dqkv[0], b.dqkv[0], dtype == DType::kF32 ? 1e-4 : 4e-2, "dq, dk, dv");
}

TEST_P(AttentionTest, MatchesReference) {
  for (const auto& lengths : kLengths) {
    for (const AttentionShape& s : kHeads) match_reference(k(), dtype(), tolerance(), 1, lengths, s, false);
  }
}

TEST_P(AttentionTest, WindowsAndCapsMatchReference) {
  if (!k().windows_and_caps) GTEST_SKIP();
  for (const Sight& sight : kSights) {
    for (const AttentionShape& s : {AttentionShape{4, 1, 64, 0}, {6, 2, 10, 0}}) {
      const AttentionShape shape{s.heads, s.kv_heads, s.head_dim, 0, sight.window, sight.softcap};
      for (const auto& lengths : kLengths) match_reference(k(), dtype(), tolerance(), 1, lengths, shape, false);
      match_reference(k(), dtype(), tolerance(), 5, {100, 70, 1, 31}, shape, k().shared_prefixes);
    }
  }
}

// Blocks of a batch, single queries against a cache and against pages, replies after a prompt: the same bits.
TEST_P(AttentionTest, WindowsAndCapsGiveTheSameBitsEverywhere) {
  if (!k().windows_and_caps) GTEST_SKIP();
  for (const Sight& sight : kSights) {
    for (const AttentionShape& s : {AttentionShape{4, 2, 32, 0}, {2, 1, 20, 0}, {12, 4, 64, 0}}) {
      SCOPED_TRACE(fmt::format("{} heads of {}, window {}, cap {}", s.heads, s.head_dim, sight.window, sight.softcap));
      Case all(dtype(), 3, {9, 150}, s.heads, s.kv_heads, s.head_dim);
      Case shared(dtype(), 3, {9, 110, 40}, s.heads, s.kv_heads, s.head_dim);
      for (Case* c : {&all, &shared}) c->shape.window = sight.window, c->shape.softcap = sight.softcap;
      shared.segments[2].prefix_len = 110;
      shared.segments[2].kv_len += 110;
      shared.segments[2].prefix_begin = 9;
      shared.segments[2].prefix_k = shared.k().row(9);
      shared.segments[2].prefix_v = shared.v().row(9);
      all.forward(k());
      shared.forward(k());
      EXPECT_EQ(all.out[0].bytes(), shared.out[0].bytes());
      EXPECT_EQ(all.lse, shared.lse);
      const Pages pages(all, k(), 32);
      for (const auto& [from, count] : std::vector<std::pair<int64_t, int64_t>>{
               {0, 1}, {31, 1}, {32, 1}, {30, 5}, {64, 1}, {95, 1}, {149, 1}, {90, 60}}) {
        AttentionSegment plain = all.segments[1];
        plain.q_begin = 0, plain.q_len = count, plain.kv_len = from + count;
        for (const AttentionSegment& one : {pages.segment(from, count), plain}) {
          for (const int64_t times : {1, 8}) {
            const Tensor q(times * count, s.heads * s.head_dim, dtype()), out(q);
            std::vector<AttentionSegment> segments(static_cast<size_t>(times), one);
            for (int64_t i = 0; i < times; ++i) {
              segments[i].q_begin = i * count;
              k().convert(q.mat().row_range(i * count, (i + 1) * count), all.q().row_range(9 + from, 9 + from + count));
            }
            k().attention(out, q, segments, all.shape, nullptr);
            for (int64_t r = 0; r < times * count; ++r) {
              for (int64_t c = 0; c < out.mat().cols; ++c)
                ASSERT_EQ(out.at(r, c), all.out[0].at(9 + from + r % count, c)) << from << " " << r << " " << c;
            }
          }
        }
      }
    }
  }
}

TEST_P(AttentionTest, SharedPrefixMatchesReference) {
  if (!k().shared_prefixes) GTEST_SKIP();
  for (const auto& lengths : std::vector<std::vector<int64_t>>{{1, 1}, {37, 5, 1, 40}, {64, 0, 33}, {100, 70, 31}}) {
    for (const AttentionShape& s : kHeads) match_reference(k(), dtype(), tolerance(), 5, lengths, s, true);
  }
}

TEST_P(AttentionTest, MatchesReferenceOnRandomShapes) {
  Rng rng = random_shapes("attention.random");
  for (uint64_t i = 0; i < 20; ++i) {
    const auto below = [&](uint64_t n) { return static_cast<int64_t>(rng.below(n)); };
    std::vector<int64_t> lengths(static_cast<size_t>(1 + below(4)));
    for (int64_t& length : lengths) length = below(3) ? below(90) : below(3);
    const int64_t kv_heads = 1 + below(3), d = below(2) ? 32 * (1 + below(4)) : 2 * (1 + below(50));
    const bool share = k().shared_prefixes && below(2) == 0 && lengths[0] > 0;
    match_reference(k(), dtype(), tolerance(), mix64(rng.below(1 << 30)), lengths,
                    {kv_heads * (1 + below(3)), kv_heads, d, 0}, share);
  }
}

TEST_P(AttentionTest, SharedPrefixGivesTheBitsOfWholeSequences) {
  if (!k().shared_prefixes) GTEST_SKIP();
  const int64_t prompt = 45;
  for (const int64_t tail : {1, 2, 30, 90}) {
    for (const AttentionShape& s : {AttentionShape{4, 2, 32, 0}, {2, 1, 20, 0}, {5, 1, 64, 0}}) {
      Case whole(dtype(), 6, {prompt + tail}, s.heads, s.kv_heads, s.head_dim);
      Case shared(dtype(), 6, {prompt, tail}, s.heads, s.kv_heads, s.head_dim);
      share_first(shared);
      whole.forward(k());
      shared.forward(k());
      EXPECT_EQ(whole.out[0].bytes(), shared.out[0].bytes());
      EXPECT_EQ(whole.lse, shared.lse);
    }
  }
}

TEST_P(AttentionTest, DecodingGivesTheBitsOfThePackedForward) {
  for (const AttentionShape& s : {AttentionShape{4, 2, 32, 0}, {2, 1, 20, 0}, {2, 2, 32, 0}, {5, 1, 64, 0}}) {
    Case all(dtype(), 2, {40, 83}, s.heads, s.kv_heads, s.head_dim);
    all.forward(k());
    // A cache of each sequence: its keys and values elsewhere, with another stride.
    const int64_t width = s.kv_heads * s.head_dim, begin = 40;
    const Tensor keys(83, width, dtype(), 7), values(83, width, dtype(), 7);
    k().convert(keys, all.k().row_range(begin, begin + 83));
    k().convert(values, all.v().row_range(begin, begin + 83));
    for (const auto& [from, count] : std::vector<std::pair<int64_t, int64_t>>{
             {0, 1}, {0, 83}, {15, 1}, {16, 1}, {31, 7}, {47, 1}, {64, 1}, {79, 1}, {82, 1}, {60, 23}}) {
      const Tensor out(count, s.heads * s.head_dim, dtype());
      const AttentionSegment segment = {0, count, keys.mat().data, values.mat().data, from + count, keys.mat().stride};
      k().attention(out, all.q().row_range(begin + from, begin + from + count), {&segment, 1}, all.shape, nullptr);
      for (int64_t r = 0; r < count; ++r) {
        for (int64_t c = 0; c < out.mat().cols; ++c) {
          ASSERT_EQ(out.at(r, c), all.out[0].at(begin + from + r, c)) << from << " " << r << " " << c;
        }
      }
    }
  }
}

// As many sequences at once as let a single query's heads be read together, many heads to a key, and long caches.
TEST_P(AttentionTest, DecodingOfManySequencesGivesTheBitsOfThePackedForward) {
  for (const AttentionShape& s : {AttentionShape{8, 4, 32, 0}, {12, 4, 64, 0}, {34, 2, 32, 0}, {6, 3, 20, 0}}) {
    SCOPED_TRACE(fmt::format("{} over {} heads of {}", s.heads, s.kv_heads, s.head_dim));
    Case all(dtype(), 8, {300, 1, 31, 32, 33, 64, 65, 200}, s.heads, s.kv_heads, s.head_dim);
    all.forward(k());
    const Tensor out(8, s.heads * s.head_dim, dtype()), q(8, s.heads * s.head_dim, dtype());
    std::vector<AttentionSegment> last = all.segments;
    for (size_t i = 0; i < last.size(); ++i) {
      const int64_t row = last[i].q_begin + last[i].q_len - 1, at = static_cast<int64_t>(i);
      k().convert(q.mat().row_range(at, at + 1), all.q().row_range(row, row + 1));
      last[i].q_begin = at;
      last[i].q_len = 1;
    }
    k().attention(out, q, last, all.shape, nullptr);
    for (size_t i = 0; i < last.size(); ++i) {
      const int64_t row = all.segments[i].q_begin + all.segments[i].q_len - 1;
      for (int64_t c = 0; c < out.mat().cols; ++c) ASSERT_EQ(out.at(static_cast<int64_t>(i), c), all.out[0].at(row, c));
    }
  }
}

TEST_P(AttentionTest, PagesGiveTheBitsOfRowsInOnePiece) {
  if (!k().paged_attention) GTEST_SKIP();
  for (const AttentionShape& s : {AttentionShape{4, 2, 32, 0}, {2, 1, 20, 0}, {5, 1, 64, 0}, {12, 4, 64, 0}}) {
    Case all(dtype(), 3, {9, 150}, s.heads, s.kv_heads, s.head_dim);
    all.forward(k());
    for (const int64_t len : {32, 64}) {
      const Pages pages(all, k(), len);
      for (const auto& [from, count] : std::vector<std::pair<int64_t, int64_t>>{
               {0, 1}, {0, 150}, {31, 1}, {32, 1}, {30, 5}, {63, 2}, {64, 1}, {95, 1}, {149, 1}, {90, 60}}) {
        const Tensor out(count, s.heads * s.head_dim, dtype());
        // Once alone and once among as many as let all heads of a row be read together.
        for (const size_t times : {1, 8}) {
          const std::vector<AttentionSegment> segments(times, pages.segment(from, count));
          k().attention(out, all.q().row_range(9 + from, 9 + from + count), segments, all.shape, nullptr);
          for (int64_t r = 0; r < count; ++r) {
            for (int64_t c = 0; c < out.mat().cols; ++c) {
              ASSERT_EQ(out.at(r, c), all.out[0].at(9 + from + r, c)) << len << " " << from << " " << r << " " << c;
            }
          }
        }
      }
    }
  }
}

TEST_P(AttentionTest, LongSequences) {
  // The first rows are much larger than most, whose values are means over many keys.
  match_reference(k(), dtype(), 3 * tolerance(), 9, {2100}, {1, 1, 32, 0}, false);
  match_reference(k(), dtype(), 3 * tolerance(), 9, {300, 40}, {2, 1, 32, 0}, k().shared_prefixes);
}

TEST_P(AttentionTest, ThreadsDoNotChangeBits) {
  for (const std::vector<int64_t>& lengths : {std::vector<int64_t>{150}, {20, 45, 61}}) {
    set_thread_count(1);
    Case one(dtype(), 3, lengths, 2, 1, 24);
    one.forward(k());
    one.backward(k());
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      Case more(dtype(), 3, lengths, 2, 1, 24);
      more.forward(k());
      more.backward(k());
      EXPECT_EQ(one.out[0].bytes(), more.out[0].bytes());
      EXPECT_EQ(one.lse, more.lse);
      EXPECT_EQ(one.dqkv[0].bytes(), more.dqkv[0].bytes());
    }
  }
}

// One query's cache is cut by keys, by heads and by columns, as many times as there are threads.
TEST_P(AttentionTest, ThreadsThatShareACacheDoNotChangeBits) {
  for (const AttentionShape& s : {AttentionShape{9, 3, 64, 0}, {6, 3, 20, 0}, {14, 2, 80, 0}, {5, 5, 32, 0, 100, 4}}) {
    if ((s.window > 0 || s.softcap > 0) && !k().windows_and_caps) continue;
    SCOPED_TRACE(fmt::format("{} over {} heads of {}, window {}", s.heads, s.kv_heads, s.head_dim, s.window));
    Case all(dtype(), 6, {433}, s.heads, s.kv_heads, s.head_dim);
    all.shape.window = s.window, all.shape.softcap = s.softcap;
    all.forward(k());
    for (const int threads : {1, 2, 3, 5, 8}) {
      set_thread_count(threads);
      for (const int64_t at : {0, 62, 63, 64, 99, 100, 160, 255, 432}) {
        const Tensor out(1, s.heads * s.head_dim, dtype());
        std::vector<float> lse(static_cast<size_t>(s.heads));
        AttentionSegment one = all.segments[0];
        one.q_len = 1, one.kv_len = at + 1;
        k().attention(out, all.q().row_range(at, at + 1), {&one, 1}, all.shape, lse.data());
        for (int64_t c = 0; c < out.mat().cols; ++c)
          ASSERT_EQ(out.at(0, c), all.out[0].at(at, c)) << threads << " threads, key " << at << ", column " << c;
        for (int64_t h = 0; h < s.heads; ++h) ASSERT_EQ(lse[h], all.lse[at * s.heads + h]);
      }
    }
  }
  set_thread_count(2);
}

// Scores far apart must neither overflow nor leave NaN.
TEST_P(AttentionTest, LargeScores) {
  Case a(dtype(), 4, {50}, 1, 1, 16);
  for (int64_t r = 0; r < 50; ++r) {
    for (int64_t c = 0; c < 48; ++c) reference::put(a.qkv[0], r, c, 60 * a.qkv[0].at(r, c));
  }
  a.forward(k());
  a.backward(k());
  for (int64_t r = 0; r < 50; ++r) {
    for (int64_t c = 0; c < 16; ++c) ASSERT_TRUE(std::isfinite(a.out[0].at(r, c)));
    for (int64_t c = 0; c < 48; ++c) ASSERT_TRUE(std::isfinite(a.dqkv[0].at(r, c)));
  }
}

// Central differences, in float64, of attention written out once more.
void expect_reference_gradients(const Sight& sight) {
  Case c(DType::kF32, 5, {4, 3}, 2, 1, 4);
  c.shape.window = sight.window;
  c.shape.softcap = sight.softcap;
  c.forward(reference::kTable);
  c.backward(reference::kTable);
  const int64_t d = 4, heads = 2;
  const auto loss = [&](int64_t row, int64_t col, double by) {
    const auto at = [&](int64_t r, int64_t i) { return c.qkv[0].at(r, i) + (r == row && i == col ? by : 0); };
    double sum = 0;
    int64_t begin = 0;
    for (const int64_t n : c.lengths) {
      for (int64_t i = begin; i < begin + n; ++i) {
        for (int64_t h = 0; h < heads; ++h) {
          double total = 0, weighted = 0;
          for (int64_t j = sight.window ? std::max(begin, i - sight.window + 1) : begin; j <= i; ++j) {
            double dot = 0, value = 0;
            for (int64_t e = 0; e < d; ++e) {
              dot += at(i, h * d + e) * at(j, heads * d + e);
              value += c.dout[0].at(i, h * d + e) * at(j, (heads + 1) * d + e);
            }
            double score = dot * c.shape.scale;
            if (sight.softcap > 0) score = sight.softcap * std::tanh(score / sight.softcap);
            total += std::exp(score);
            weighted += std::exp(score) * value;
          }
          sum += weighted / total;
        }
      }
      begin += n;
    }
    return sum;
  };
  for (int64_t r = 0; r < c.rows; ++r) {
    for (int64_t i = 0; i < (heads + 2) * d; ++i) {
      EXPECT_NEAR(c.dqkv[0].at(r, i), (loss(r, i, 1e-4) - loss(r, i, -1e-4)) / 2e-4, 3e-6) << r << " " << i;
    }
  }
}

TEST(AttentionReference, Gradients) {
  for (const Sight& sight : {Sight{0, 0}, {2, 0}, {0, 1}, {3, 0.7f}}) expect_reference_gradients(sight);
}

}  // namespace
}  // namespace loquat
