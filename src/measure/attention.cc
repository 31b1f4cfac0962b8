// Attention alone: forward and backward over packed sequences, and one new query for each of many sequences.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "measure/bench.h"
#include "measure/noise.h"

namespace loquat::measure {
namespace {

constexpr int64_t kRows = 4096;
constexpr int64_t kLongest = 1024;
constexpr int64_t kDecodingSequences = 32;

struct Heads {
  explicit Heads(const ModelConfig& c)
      : shape{c.num_heads, c.num_kv_heads, c.head_dim, 1.0f / std::sqrt(static_cast<float>(c.head_dim))},
        q_dim(c.num_heads * c.head_dim),
        kv_dim(c.num_kv_heads * c.head_dim) {}
  AttentionShape shape;
  int64_t q_dim, kv_dim;

  Mat q(Mat qkv) const { return qkv.col_range(0, q_dim); }
  Mat k(Mat qkv) const { return qkv.col_range(q_dim, q_dim + kv_dim); }
  Mat v(Mat qkv) const { return qkv.col_range(q_dim + kv_dim, q_dim + 2 * kv_dim); }
  // Of one layer.
  double operations(double keys) const { return 4 * static_cast<double>(q_dim) * keys; }
};

void training(Recorder& recorder, const Heads& heads, int64_t sequences, int64_t length) {
  const Kernels& kernels = recorder.kernels();
  const DType compute = recorder.options().compute;
  const int64_t rows = sequences * length, qkv_dim = heads.q_dim + 2 * heads.kv_dim;
  const Tensor qkv = random_tensor(kernels, rows, qkv_dim, compute, 1);
  const Tensor dqkv = empty_tensor(kernels, rows, qkv_dim, compute);
  const Tensor out = empty_tensor(kernels, rows, heads.q_dim, compute);
  const Tensor dout = random_tensor(kernels, rows, heads.q_dim, compute, 2);
  const Buffer lse(kernels, rows * heads.shape.heads * 4);
  const Mat q = heads.q(qkv.mat), k = heads.k(qkv.mat), v = heads.v(qkv.mat);
  std::vector<AttentionSegment> segments;
  for (int64_t begin = 0; begin < rows; begin += length)
    segments.push_back({begin, length, k.row(begin), v.row(begin), length, k.stride});

  const std::string shape = fmt::format("{} x {} tokens", sequences, length);
  const auto tokens = static_cast<double>(rows), width = static_cast<double>(bytes_of(compute));
  const double once = tokens * static_cast<double>(qkv_dim + heads.q_dim) * width;
  Work work;
  work.operations = static_cast<double>(sequences) * heads.operations(attended_keys({0, length, 0}));
  work.bytes = work.working_set = once;
  recorder.add_tokens("forward", shape, tokens, work, recorder.watch().repeat([&] {
    kernels.attention(out.mat, q, segments, heads.shape, lse.floats());
  }));
  work.operations *= 2;
  work.bytes = work.working_set = 2 * once;
  recorder.add_tokens("backward", shape, tokens, work, recorder.watch().repeat([&] {
    kernels.attention_backward(heads.q(dqkv.mat), heads.k(dqkv.mat), heads.v(dqkv.mat), dout.mat, out.mat, q, k, v,
                               lse.floats(), segments, heads.shape);
  }));
}

void decoding(Recorder& recorder, const Heads& heads, int64_t sequences, int64_t keys) {
  const Kernels& kernels = recorder.kernels();
  const DType compute = recorder.options().compute;
  const Tensor k = random_tensor(kernels, sequences * keys, heads.kv_dim, compute, 1);
  const Tensor v = random_tensor(kernels, sequences * keys, heads.kv_dim, compute, 2);
  const Tensor q = random_tensor(kernels, sequences, heads.q_dim, compute, 3);
  const Tensor out = empty_tensor(kernels, sequences, heads.q_dim, compute);
  std::vector<AttentionSegment> segments;
  for (int64_t b = 0; b < sequences; ++b)
    segments.push_back({b, 1, k.mat.row(b * keys), v.mat.row(b * keys), keys, k.mat.stride});
  const auto all_keys = static_cast<double>(sequences * keys), width = static_cast<double>(bytes_of(compute));
  Work work;
  work.operations = heads.operations(all_keys);
  work.bytes =
      2 * width * (all_keys * static_cast<double>(heads.kv_dim) + static_cast<double>(sequences * heads.q_dim));
  work.working_set = work.bytes;
  recorder.add_tokens(
      "one query each", fmt::format("{} x {} keys", sequences, keys), static_cast<double>(sequences), work,
      recorder.watch().repeat([&] { kernels.attention(out.mat, q.mat, segments, heads.shape, nullptr); }));
}

}  // namespace

Status bench_attention(Recorder& recorder) {
  const ModelConfig& config = recorder.options().config;
  const Heads heads(config);
  const int64_t length = std::min(config.max_positions, kLongest), batch = recorder.options().batch;
  training(recorder, heads, batch > 0 ? batch : std::max<int64_t>(1, kRows / length), length);
  decoding(recorder, heads, batch > 0 ? batch : kDecodingSequences, length);
  return {};
}

}  // namespace loquat::measure
