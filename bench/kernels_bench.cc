// How fast the kernels are at the shapes of the town's models: products in FLOP/s, the rest in bytes or tokens a
// second. The table is that of $LOQUAT_ISA or the machine's best, compute is bfloat16.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "kernels/kernels.h"

namespace loquat {
namespace {

const Kernels& kernels() {
  static const Kernels* table = *best_kernels();
  return *table;
}

struct Buffer {
  Buffer(int64_t rows, int64_t cols, DType dtype = DType::kBF16)
      : data(std::aligned_alloc(4096, static_cast<size_t>((rows * cols * bytes_of(dtype) + 4095) / 4096 * 4096))),
        mat{data, rows, cols, cols, dtype} {
    Rng rng(1, "bench");
    std::vector<float> noise(4096);
    for (float& x : noise) x = static_cast<float>(rng.normal());
    for (int64_t i = 0; i < rows * cols; ++i) {
      if (dtype == DType::kF32) {
        static_cast<float*>(data)[i] = noise[i % 4096];
      } else {
        static_cast<BF16*>(data)[i] = to_bf16(noise[i % 4096]);
      }
    }
  }
  ~Buffer() { std::free(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* f32() const { return static_cast<float*>(data); }
  void* data;
  Mat mat;
};

struct Weight {
  Weight(int64_t n, int64_t k) : bytes(kernels().packed_bytes(n, k, DType::kBF16)), master(n, k, DType::kF32) {
    forward = std::aligned_alloc(4096, static_cast<size_t>((bytes + 4095) / 4096 * 4096));
    backward = std::aligned_alloc(4096, static_cast<size_t>((bytes + 4095) / 4096 * 4096));
    kernels().pack(master.f32(), n, k, DType::kBF16, forward, backward);
    packed = {n, k, DType::kBF16, forward, backward};
  }
  ~Weight() {
    std::free(forward);
    std::free(backward);
  }
  Weight(const Weight&) = delete;
  Weight& operator=(const Weight&) = delete;
  int64_t bytes;
  Buffer master;
  void *forward, *backward;
  PackedWeight packed;
};

void count_flops(benchmark::State& state, double flops) {
  state.counters["FLOP/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void shapes(benchmark::internal::Benchmark* b) {
  for (const int64_t rows : {4096, 64}) {
    for (const auto& [n, k] :
         {std::pair<int64_t, int64_t>{768, 256}, {256, 256}, {1536, 256}, {256, 768}, {2048, 256}}) {
      b->Args({rows, n, k});
    }
  }
  b->UseRealTime()->ArgNames({"T", "N", "K"});
}

void Linear(benchmark::State& state) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  const Buffer x(rows, k), y(rows, n);
  const Weight w(n, k);
  for (auto _ : state) kernels().linear(y.mat, x.mat, w.packed, false);
  count_flops(state, 2.0 * static_cast<double>(rows * n * k));
}
BENCHMARK(Linear)->Apply(shapes);

void LinearBackwardInput(benchmark::State& state) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  const Buffer dx(rows, k), dy(rows, n);
  const Weight w(n, k);
  for (auto _ : state) kernels().linear_backward_input(dx.mat, dy.mat, w.packed, false);
  count_flops(state, 2.0 * static_cast<double>(rows * n * k));
}
BENCHMARK(LinearBackwardInput)->Apply(shapes);

void LinearBackwardWeight(benchmark::State& state) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  const Buffer x(rows, k), dy(rows, n), dw(n, k, DType::kF32);
  for (auto _ : state) kernels().linear_backward_weight(dw.f32(), dy.mat, x.mat);
  count_flops(state, 2.0 * static_cast<double>(rows * n * k));
}
BENCHMARK(LinearBackwardWeight)->Apply(shapes);

void Pack(benchmark::State& state) {
  const Weight w(1536, 256);
  for (auto _ : state) kernels().pack(w.master.f32(), 1536, 256, DType::kBF16, w.forward, w.backward);
  state.SetBytesProcessed(state.iterations() * 1536 * 256 * 8);
}
BENCHMARK(Pack)->UseRealTime();

// 512 tokens in sequences of 128, eight heads of 32 over `G` key-value heads.
struct Sequences {
  explicit Sequences(int64_t kv_heads)
      : shape{8, kv_heads, 32, 1 / std::sqrt(32.0f)}, qkv(512, (8 + 2 * kv_heads) * 32), lse(512 * 8) {
    for (int64_t b = 0; b < 512; b += 128) {
      segments.push_back({b, 128, k().row(b), v().row(b), 128, qkv.mat.stride});
    }
  }
  Mat q() const { return qkv.mat.col_range(0, 256); }
  Mat k() const { return qkv.mat.col_range(256, 256 + shape.kv_heads * 32); }
  Mat v() const { return qkv.mat.col_range(256 + shape.kv_heads * 32, qkv.mat.cols); }
  AttentionShape shape;
  Buffer qkv;
  std::vector<float> lse;
  std::vector<AttentionSegment> segments;
};

void Attention(benchmark::State& state) {
  Sequences s(state.range(0));
  const Buffer out(512, 256);
  for (auto _ : state) kernels().attention(out.mat, s.q(), s.segments, s.shape, s.lse.data());
  state.SetItemsProcessed(state.iterations() * 512);
}
BENCHMARK(Attention)->Arg(8)->Arg(2)->UseRealTime();

void AttentionBackward(benchmark::State& state) {
  Sequences s(state.range(0));
  const Buffer out(512, 256), dout(512, 256), dqkv(512, s.qkv.mat.cols);
  const int64_t g = s.shape.kv_heads * 32;
  kernels().attention(out.mat, s.q(), s.segments, s.shape, s.lse.data());
  for (auto _ : state) {
    kernels().attention_backward(dqkv.mat.col_range(0, 256), dqkv.mat.col_range(256, 256 + g),
                                 dqkv.mat.col_range(256 + g, 256 + 2 * g), dout.mat, out.mat, s.q(), s.k(), s.v(),
                                 s.lse.data(), s.segments, s.shape);
  }
  state.SetItemsProcessed(state.iterations() * 512);
}
BENCHMARK(AttentionBackward)->Arg(8)->Arg(2)->UseRealTime();

// Sequences of one query each, against 100 keys.
void AttentionDecode(benchmark::State& state) {
  const AttentionShape shape = {8, 8, 32, 1 / std::sqrt(32.0f)};
  const int64_t sequences = state.range(0);
  const Buffer keys(sequences * 100, 256), values(sequences * 100, 256), q(sequences, 256), out(sequences, 256);
  std::vector<AttentionSegment> segments;
  for (int64_t b = 0; b < sequences; ++b) {
    segments.push_back({b, 1, keys.mat.row(b * 100), values.mat.row(b * 100), 100, 256});
  }
  for (auto _ : state) kernels().attention(out.mat, q.mat, segments, shape, nullptr);
  state.SetItemsProcessed(state.iterations() * sequences);
}
BENCHMARK(AttentionDecode)->Arg(4)->Arg(64)->UseRealTime();

void Head(benchmark::State& state) {
  const Buffer x(512, 256), dx(512, 256), dw(2048, 256, DType::kF32);
  const Weight w(2048, 256);
  std::vector<int32_t> targets(512, 3);
  std::vector<float> logprob(512), lse(512), entropy(512), dlogprob(512, 0.1f);
  for (auto _ : state) {
    kernels().lm_head(x.mat, w.packed, targets.data(), 1, logprob.data(), lse.data(), entropy.data());
    if (state.range(0)) {
      kernels().lm_head_backward(dx.mat, dw.f32(), x.mat, w.packed, targets.data(), 1, lse.data(), dlogprob.data(),
                                 nullptr, nullptr);
    }
  }
  count_flops(state, (state.range(0) ? 8.0 : 2.0) * 512 * 2048 * 256);
}
BENCHMARK(Head)->Arg(0)->Arg(1)->UseRealTime();

void RmsNorm(benchmark::State& state) {
  const Buffer x(512, 256, DType::kF32), dx(512, 256, DType::kF32), y(512, 256), w(1, 256, DType::kF32);
  std::vector<float> rstd(512), dw(256);
  for (auto _ : state) {
    kernels().rms_norm(y.mat, x.mat, w.f32(), 1e-5f, rstd.data());
    if (state.range(0)) kernels().rms_norm_backward(dx.mat, dw.data(), y.mat, x.mat, w.f32(), rstd.data());
  }
  state.SetBytesProcessed(state.iterations() * 512 * 256 * (state.range(0) ? 20 : 6));
}
BENCHMARK(RmsNorm)->Arg(0)->Arg(1)->UseRealTime();

void Swiglu(benchmark::State& state) {
  const Buffer x(512, 1536), y(512, 768), dx(512, 1536);
  for (auto _ : state) {
    if (state.range(0)) {
      kernels().swiglu_backward(dx.mat, y.mat, x.mat);
    } else {
      kernels().swiglu(y.mat, x.mat);
    }
  }
  state.SetBytesProcessed(state.iterations() * 512 * 768 * (state.range(0) ? 10 : 6));
}
BENCHMARK(Swiglu)->Arg(0)->Arg(1)->UseRealTime();

void AdamW(benchmark::State& state) {
  const int64_t n = 3 << 20;
  const Buffer w(1, n, DType::kF32), g(1, n, DType::kF32), m(1, n, DType::kF32), v(1, n, DType::kF32);
  const AdamWStep step = {1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 1, 1, 1};
  for (int64_t i = 0; i < n; ++i) v.f32()[i] = 1;
  for (auto _ : state) kernels().adamw(w.f32(), g.f32(), m.f32(), v.f32(), n, step);
  state.SetBytesProcessed(state.iterations() * n * 28);
}
BENCHMARK(AdamW)->UseRealTime();

}  // namespace
}  // namespace loquat
