// The kernel table: everything that touches a tensor's numbers, as plain function pointers over views. cpu_kernels(isa)
// and, where linked, cuda_kernels() return one; the choice is made once, at start. Layers (src/model) are written
// against this table alone.
//
// Rules that every implementation keeps:
//  * Batch invariance: what a row (a token, a sequence) gets does not depend on the other rows of the call, on how many
//    there are, or on the number of threads. One query row decoded against a KV cache gets the bits that the same row
//    gets inside a packed training forward.
//  * A gradient argument that is ADDED to is marked "+="; any other output is overwritten.
//  * Sums are kept in float32 at least. `Mat`s named x, y, q, k, v, dx ... hold the compute type (float32 or bfloat16,
//    all of one call alike); parameters and their gradients are float32, contiguous.
//  * Zero rows are allowed everywhere and do nothing.
//  * Views, weights, gradients and plain float pointers are in the table's own memory (a graphics card's, say), which
//    only the table's functions read and write. Arguments marked HOST are ordinary memory; they may be changed or freed
//    as soon as the call returns, and HOST results are there then. Other work may still be under way.
// Shapes: B sequences, T tokens (rows), C channels, H heads, G key-value heads, D head size, F feed-forward,
// V vocabulary.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/tensor.h"

namespace loquat {

// How a packed weight's values are held: in the compute type, or quantised (quantize.h).
enum class WeightType : uint8_t { kCompute, kInt8, kInt4 };

// W [N, K] (y = x Wᵀ, as nn.Linear stores it) in the layout that this table multiplies from. `forward` serves linear
// and lm_head, `backward` serves linear_backward_input; both were filled by `pack` from the same float32 master.
// A quantised weight has a `forward` alone, filled by `pack_quantized`, which linear_backward_input reads too.
struct PackedWeight {
  int64_t n = 0;
  int64_t k = 0;
  DType dtype = DType::kF32;  // the compute type
  const void* forward = nullptr;
  const void* backward = nullptr;  // null where no gradient is taken
  WeightType type = WeightType::kCompute;
  float softcap = 0;  // of a vocabulary's matrix: the head's logits become cap tanh(logit / cap); 0: they do not
};

// One sequence of a packed batch, for attention. Query row i of the segment (row q_begin + i of q) has position
// kv_len - q_len + i and attends to keys 0 ... kv_len - q_len + i of this segment, and to nothing else (an infinity or
// a NaN among the later keys of a segment may reach a row all the same).
struct AttentionSegment {
  int64_t q_begin = 0;
  int64_t q_len = 0;
  const void* k = nullptr;  // row t at k + t * kv_stride elements: [G * D], rotated already
  const void* v = nullptr;
  int64_t kv_len = 0;
  int64_t kv_stride = 0;
  // Keys 0 ... prefix_len - 1 are those of another segment of the call, all of it (a prompt that several replies go on
  // from): its rows prefix_begin ..., at prefix_k and prefix_v. Then k and v begin at key prefix_len. Such segments
  // come right after that one and its other continuations, and only where the table has shared_prefixes.
  int64_t prefix_len = 0;
  int64_t prefix_begin = 0;
  const void* prefix_k = nullptr;
  const void* prefix_v = nullptr;
  // Not null: the rows lie in pages of page_len (a power of two, at least 32), `page_stride` elements apart; row t is
  // at k + pages[t / page_len] * page_stride + t % page_len * kv_stride. HOST; in a forward only, without a prefix, and
  // only where the table has paged_attention.
  const int32_t* pages = nullptr;
  int64_t page_len = 0;
  int64_t page_stride = 0;
};

struct AttentionShape {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  float scale = 0;
  // Where the table has windows_and_caps: a query sees the last `window` keys alone, its own included (0: all), and
  // scaled scores become cap tanh(score / cap) (0: they do not).
  int64_t window = 0;
  float softcap = 0;
};

struct AdamWStep {
  float lr, beta1, beta2, eps, weight_decay;
  float bias_correction1, bias_correction2;  // 1 - beta^step
  float grad_scale;                          // gradients are multiplied by this first (clipping)
};

struct RowCopy {
  void* to = nullptr;
  const void* from = nullptr;
};

struct Kernels {
  const char* name;  // "reference", "avx2", "avx512", "avx512bf16", "amx", "cuda"

  // --- memory ------------------------------------------------------------------------------------
  bool host_memory;        // the table's memory is ordinary memory
  bool shared_prefixes;    // attention takes segments with a prefix
  bool paged_attention;    // attention takes segments with pages
  bool quantized_weights;  // linear, its backward and lm_head take weights of kInt8 and kInt4
  bool windows_and_caps;   // attention has windows and soft caps, the head soft caps
  bool host_reads;  // the host may read and write the table's memory, and nothing is under way once a call has returned
  // Aligned to 64 bytes at least, not cleared; null where there is not so much left. `bytes` > 0.
  void* (*allocate)(int64_t bytes);
  void (*release)(void* memory, int64_t bytes);
  void (*upload)(void* to, const void* from_host, int64_t bytes);
  void (*download)(void* to_host, const void* from, int64_t bytes);
  void (*clear)(void* memory, int64_t bytes);  // to zero
  // `bytes` of each row. No two may overlap. HOST: the span.
  void (*copy_rows)(std::span<const RowCopy> rows, int64_t bytes);

  // --- products ----------------------------------------------------------------------------------

  // Bytes that one orientation of W [n, k] takes packed, 64-byte aligned memory.
  int64_t (*packed_bytes)(int64_t n, int64_t k, DType dtype);
  // Packs float32 W [n, k] into `forward` and, if not null, `backward`.
  void (*pack)(const float* w, int64_t n, int64_t k, DType dtype, void* forward, void* backward);
  // The same for a quantised W, from its codes [n, k] and scales [n, groups of k] (quantize.h). HOST: codes, scales.
  // Null where the table has no quantized_weights.
  int64_t (*quantized_bytes)(int64_t n, int64_t k, WeightType type);
  void (*pack_quantized)(const uint8_t* codes, const BF16* scales, int64_t n, int64_t k, WeightType type,
                         void* forward);
  // y [T, N] = x [T, K] Wᵀ; with `add`, y +=. y may be float32 (the residual stream) or the compute type.
  void (*linear)(Mat y, Mat x, const PackedWeight& w, bool add);
  // dx [T, K] = dy [T, N] W; with `add`, dx +=. A quantised W counts by the values that its codes and scales stand for,
  // in the compute type; dy is not quantised.
  void (*linear_backward_input)(Mat dx, Mat dy, const PackedWeight& w, bool add);
  // dw [N, K] += dyᵀ x.
  void (*linear_backward_weight)(float* dw, Mat dy, Mat x);
  // c [m, n] = a [m, k] b [k, n], each transposed first where its flag says so (then a is stored [k, m], b [n, k]);
  // float32.
  void (*matmul)(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k, bool transpose_a,
                 bool transpose_b);

  // --- the layer's other parts -------------------------------------------------------------------

  // x [T, C] float32 = table [V, C] rows of tokens (HOST).
  void (*embedding)(Mat x, const float* table, const int32_t* tokens);
  // dtable [V, C] += rows of dx [T, C] float32. HOST: tokens.
  void (*embedding_backward)(float* dtable, int64_t vocab, Mat dx, const int32_t* tokens);
  // y [T, C] = x * rstd * weight with rstd = 1 / sqrt(mean(x²) + eps); x float32 (the residual stream), rstd [T] saved.
  void (*rms_norm)(Mat y, Mat x, const float* weight, float eps, float* rstd);
  // dx [T, C] float32 += ; dweight [C] += (null: frozen).
  void (*rms_norm_backward)(Mat dx, float* dweight, Mat dy, Mat x, const float* weight, const float* rstd);
  // In place: the first R = rotary_dim elements of each head of D in the rows of x [T, heads * D] are rotated by
  // positions[t] (HOST; the halves convention of Hugging Face's Llama: element i pairs with i + R/2). cos_sin:
  // [max_position, R] float32, R/2 cosines then R/2 sines. With `inverse`, the rotation is undone (the backward).
  void (*rope)(Mat x, int64_t head_dim, int64_t rotary_dim, const int32_t* positions, const float* cos_sin,
               bool inverse);
  // y [T, F] = silu(gate) * up with gate_up [T, 2F] = gate then up.
  void (*swiglu)(Mat y, Mat gate_up);
  void (*swiglu_backward)(Mat dgate_up, Mat dy, Mat gate_up);

  // --- parts of some architectures; each is null where the table does not have it ----------------

  // y [T, C] = (x - mean) * rstd * weight + bias with rstd = 1 / sqrt(mean((x - mean)²) + eps); x float32, rstd [T].
  void (*layer_norm)(Mat y, Mat x, const float* weight, const float* bias, float eps, float* rstd);
  // dx [T, C] float32 += ; dweight, dbias [C] += (null: frozen).
  void (*layer_norm_backward)(Mat dx, float* dweight, float* dbias, Mat dy, Mat x, const float* weight,
                              const float* rstd);
  // y [T, N] += bias [N] in every row, either type; dbias [N] += the rows of dy.
  void (*add_bias)(Mat y, const float* bias);
  void (*bias_backward)(float* dbias, Mat dy);
  // rms_norm of each head of D in the rows of x [T, heads * D], all by one weight [D]; y may be x; rstd [T, heads].
  void (*head_norm)(Mat y, Mat x, int64_t head_dim, const float* weight, float eps, float* rstd);
  // dx is overwritten, and may be dy; dweight [D] += (null: frozen).
  void (*head_norm_backward)(Mat dx, float* dweight, Mat dy, Mat x, int64_t head_dim, const float* weight,
                             const float* rstd);
  // As swiglu, by GELU in its tanh form; and without a gate, y [T, F] = gelu(x).
  void (*geglu)(Mat y, Mat gate_up);
  void (*geglu_backward)(Mat dgate_up, Mat dy, Mat gate_up);
  void (*gelu)(Mat y, Mat x);
  void (*gelu_backward)(Mat dx, Mat dy, Mat x);
  // In place, float32: x = cap tanh(x / cap), by exactly the arithmetic of lm_head.
  void (*soft_cap)(Mat x, float cap);

  // --- attention and dropout ---------------------------------------------------------------------

  // out [T, H * D], causal softmax attention by segment (HOST: the span); lse [T, H] float32: log of the sum of
  // exponentials of the scaled scores, for the backward (null: not wanted). Query head h reads key-value head
  // h / (H / G).
  void (*attention)(Mat out, Mat q, std::span<const AttentionSegment> segments, const AttentionShape& shape,
                    float* lse);
  // For training, where each segment's own keys and values are rows q_begin ... of packed k, v [T, G * D], as
  // many as queries. dq, dk, dv are overwritten; they may be column ranges of one [T, (H + 2G) D] tensor.
  void (*attention_backward)(Mat dq, Mat dk, Mat dv, Mat dout, Mat out, Mat q, Mat k, Mat v, const float* lse,
                             std::span<const AttentionSegment> segments, const AttentionShape& shape);
  // y [T, C] float32 += x [T, C] with each element kept with probability 1 - p and scaled by 1 / (1 - p). The mask is a
  // hash of (seed, row * C + col), so the backward makes it again: dx = dy with the same mask.
  void (*dropout_add)(Mat y, Mat x, float p, uint64_t seed);
  void (*dropout_backward)(Mat dx, Mat dy, float p, uint64_t seed);

  // --- vocabulary: never a [T, V] array; HOST: targets, logprob, lse, entropy, their slopes ------

  // For row t: logits = x[t] Wᵀ * inv_temperature; logprob[t] = log softmax(logits)[targets[t]]; lse[t] =
  // logsumexp(logits); entropy[t] (null: not wanted) = of the softmax, in nats.
  void (*lm_head)(Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature, float* logprob,
                  float* lse, float* entropy);
  // The loss's derivative by logprob[t] is dlogprob[t], by entropy[t] dentropy[t] (null: zero). dx [T, C] overwritten;
  // dw [V, C] += (null: frozen).
  void (*lm_head_backward)(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets,
                           float inv_temperature, const float* lse, const float* dlogprob, const float* entropy,
                           const float* dentropy);
  // Both at once, where dlogprob is known beforehand (a weighted sum of log-likelihoods): logits are made once.
  void (*lm_head_loss)(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, const float* dlogprob,
                       float* logprob, float* lse);
  // lse[t] = logsumexp(logits[t] * inv_temperature[t]) of float32 logits [T, V], by exactly the arithmetic of lm_head.
  void (*log_sum_exp)(Mat logits, const float* inv_temperature, float* lse);

  // --- flat float32 vectors ----------------------------------------------------------------------
  void (*adamw)(float* w, const float* g, float* m, float* v, int64_t n, const AdamWStep& step);
  // In blocks of a fixed size: the same with any number of threads.
  double (*sum_of_squares)(const float* x, int64_t n);
  void (*axpby)(float* y, const float* x, int64_t n, float a, float b);  // y = a x + b y
  void (*convert)(Mat y, Mat x);                                         // same shape, either type to either
  // y[i] = x[i] rounded by noise_of(seed, first + i) (random_rounding.h).
  void (*round_at_random)(BF16* y, const float* x, int64_t n, uint64_t seed, uint64_t first);
};

enum class Isa { kAuto, kReference, kAvx2, kAvx512, kAvx512Bf16, kAmx };

// The best table that this machine runs (kAuto), or the one asked for; an error names what is missing. $LOQUAT_ISA =
// reference | avx2 | avx512 | avx512bf16 | amx overrides kAuto.
Result<const Kernels*> cpu_kernels(Isa isa = Isa::kAuto);
std::vector<const Kernels*> all_cpu_kernels();  // that this machine runs, the reference first
// The table of the first graphics card that the process sees; null where the build or the machine has none.
// $LOQUAT_CUDA_MEMORY = managed: its memory can be read by the host too, and every call waits for its work (tests).
const Kernels* cuda_kernels();
// The fastest of all: the card's where there is one, or what $LOQUAT_DEVICE = cpu | cuda asks for.
Result<const Kernels*> best_kernels();
// Every table whose memory the host can read, the reference first and the fastest last: for tests.
std::vector<const Kernels*> all_kernels();

}  // namespace loquat
