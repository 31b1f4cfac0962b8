// What one instruction set brings: the inner loops, single-threaded, over raw pointers. The drivers (drivers.h) cut the
// work into parts and own everything else. This header and all that the *_avx2, *_avx512, *_avx512bf16 and *_amx files
// include is free of inline standard templates: the linker keeps one copy of an inline function, and an old processor
// must not be handed theirs.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace loquat::cpu {

// A Mat without its methods: `stride` in elements.
struct View {
  void* data;
  int64_t stride;
  bool bf16;
};

// Thread-local memory, 64-byte aligned, that grows and is kept. A slot's contents last until the same thread asks for
// the same slot again.
enum ScratchSlot {
  kDriverPacked,    // drivers: a packed operand
  kDriverRows,      // drivers: rows of an operand or of a result
  kDriverLogits,    // drivers: a block of logits
  kDriverPartials,  // drivers: partial sums
  kInnerA,          // products: the left operand, rearranged
  kInnerB,          // products: the right operand, rearranged
  kInnerAttention,
  kInnerDecode,
  kScratchSlots
};
void* scratch(ScratchSlot slot, size_t bytes);

// Products. A weight is packed in panels of `panel` output columns, each with all of k.
struct Products {
  int64_t panel;
  int64_t (*panel_bytes)(int64_t k, bool bf16);
  // Panels [begin, end) of W [n, k], element (i, j) at w[i * row_stride + j * col_stride], into `packed` (its panel 0).
  void (*pack)(const float* w, int64_t row_stride, int64_t col_stride, int64_t n, int64_t k, bool bf16, void* packed,
               int64_t begin, int64_t end);
  // Columns of panels [begin, end) of y [rows, n] = (+=, with add) x [rows, k] Wᵀ. x has the type that W was packed in.
  // An element's sum runs over k in ascending order, the same way for every number of rows and range of panels.
  void (*product)(View y, View x, int64_t rows, const void* packed, int64_t n, int64_t k, int64_t begin, int64_t end,
                  bool add);
  // dw [n, k] (rows `dw_stride` apart) += dyᵀ x over `tokens` rows, in ascending order of tokens.
  void (*weight_gradient)(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k);
};

// Rows of a product's left operand in 8 bits (quantize.h). Row r, group g: the values at values + r * stride + g *
// length (zeros past k), its scale and its `start` at r * groups + g.
struct QuantizedRows {
  int8_t* values;
  int64_t stride;
  int64_t groups;
  float* scales;
  int32_t* starts;  // -zero_code * Σ values: what a sum of products with the codes themselves begins with
};

// Products by quantised weights. A weight is packed in panels of `panel` output columns, each with all of k.
struct QuantizedProducts {
  int64_t panel;
  int64_t (*panel_bytes)(int64_t k, bool int4);
  // Panels [begin, end) of W [n, k] from its codes and scales (bfloat16), into `packed` (its panel 0).
  void (*pack)(const uint8_t* codes, const uint16_t* scales, int64_t n, int64_t k, bool int4, void* packed,
               int64_t begin, int64_t end);
  // Rows [begin, end) of x [.., k] into rows [begin, end) of `out`.
  void (*quantize_rows)(const QuantizedRows& out, View x, int64_t k, bool int4, int64_t begin, int64_t end);
  // Columns of panels [begin, end) of y [rows, n] = (+=, with add) x [rows, k] Wᵀ, by rows `first` ... of x. Groups are
  // added up in ascending order, the same way for every number of rows and range of panels.
  void (*product)(View y, const QuantizedRows& x, int64_t first, int64_t rows, const void* packed, int64_t n, int64_t k,
                  bool int4, int64_t begin, int64_t end, bool add);
};

// Key-value heads of one segment, and the query heads that read them; every View starts at the first row and column.
struct AttentionTask {
  View out, q;              // kv_heads * group heads side by side
  View k, v;                // rows from key `prefix`, kv_heads heads side by side
  View prefix_k, prefix_v;  // those of keys 0 ... prefix - 1
  int64_t prefix;
  const int32_t* pages;  // may be null; as in AttentionSegment, with pages of 1 << page_shift rows
  int page_shift;
  int64_t page_stride;
  int64_t rows;   // queries
  int64_t first;  // the first query's position: it attends to keys 0 ... first
  int64_t kv_heads;
  int64_t group;  // query heads of each
  int64_t head_dim;
  float scale;
  int64_t window;  // as in AttentionShape
  float softcap;
  float* lse;  // may be null; query r, head h at lse[r * lse_stride + h]
  int64_t lse_stride;
};

constexpr int64_t kKeyGrain = 32;  // attention takes keys in wholes of this many

// One query of each head, without a prefix, in three steps, each begun when the one before it is done: scores of all
// ranges of keys, softmax of all ranges of heads, values of all ranges of slices of the key-value heads' columns.
struct DecodeTask {
  AttentionTask task;
  float* scores;   // [heads][stride]
  void* probs;     // likewise, of the query's type
  float* inverse;  // [heads]: 1 / Σ exp
  int64_t stride;  // the keys, rounded up to kKeyGrain
};

// Columns of a head in float32 sums.
static inline int64_t padded_head(int64_t head_dim) {
  return (head_dim + 31) / 32 * 32;
}

// One key-value head.
struct AttentionBackwardTask {
  View dq, dk, dv, dout, out, q, k, v;
  View prefix_k, prefix_v;
  int64_t prefix, rows, group, head_dim;
  // Float32 [keys][padded_head(D)], may be null: what other segments add to dk and dv of the segment that they go on
  // from. With a prefix this one adds to them, else it takes them up.
  float *shared_dk, *shared_dv;
  float scale;
  int64_t window;
  float softcap;
  const float* lse;
  int64_t lse_stride;
};

// A running logsumexp over chunks of the vocabulary.
struct LogSum {
  float top;       // the greatest z so far
  float sum;       // Σ exp(z - top)
  float weighted;  // Σ exp(z - top) (z - top)
};
// A row's logits are always taken in chunks of this many, so that every caller sums in the same order.
constexpr int64_t kVocabChunk = 1024;  // a multiple of every panel

struct AdamWScalars {
  float lr, beta1, beta2, eps, weight_decay, bias_correction1, bias_correction2, grad_scale;
};

struct Rows {
  void (*rms_norm)(View y, View x, int64_t rows, int64_t cols, const float* weight, float eps, float* rstd);
  // dweight += this call's rows.
  void (*rms_norm_backward)(View dx, float* dweight, View dy, View x, int64_t rows, int64_t cols, const float* weight,
                            const float* rstd);
  void (*rope)(View x, int64_t rows, int64_t cols, int64_t head_dim, int64_t rotary_dim, const int32_t* positions,
               const float* cos_sin, bool inverse);
  void (*swiglu)(View y, View gate_up, int64_t rows, int64_t cols);
  void (*swiglu_backward)(View dgate_up, View dy, View gate_up, int64_t rows, int64_t cols);
  // `first` is the index of the first element in the whole tensor, for the mask.
  void (*dropout_add)(View y, View x, int64_t rows, int64_t cols, float p, uint64_t seed, uint64_t first);
  void (*dropout_backward)(View dx, View dy, int64_t rows, int64_t cols, float p, uint64_t seed, uint64_t first);
  // Adds one chunk of logits (z = logit * inv_temperature).
  void (*log_sum)(LogSum* state, const float* logits, int64_t n, float inv_temperature, bool weighted);
  // In place, logits to their gradient, save for the target's one-hot term:
  // -p (dlogprob + dentropy (log p + entropy)) * inv_temperature.
  void (*vocab_gradient)(float* logits, int64_t n, float inv_temperature, float lse, float dlogprob, float dentropy,
                         float entropy);
  void (*adamw)(float* w, const float* g, float* m, float* v, int64_t n, const AdamWScalars& step);
  double (*sum_of_squares)(const float* x, int64_t n);
  void (*axpby)(float* y, const float* x, int64_t n, float a, float b);
  void (*convert)(View y, View x, int64_t rows, int64_t cols);
  void (*round_at_random)(uint16_t* y, const float* x, int64_t n, uint64_t seed, uint64_t first);
};

// Of some architectures alone.
struct Parts {
  void (*layer_norm)(View y, View x, int64_t rows, int64_t cols, const float* weight, const float* bias, float eps,
                     float* rstd);
  // dweight, dbias += this call's rows.
  void (*layer_norm_backward)(View dx, float* dweight, float* dbias, View dy, View x, int64_t rows, int64_t cols,
                              const float* weight, const float* rstd);
  void (*add_bias)(View y, int64_t rows, int64_t cols, const float* bias);
  void (*add_rows)(float* sum, View x, int64_t rows, int64_t cols);  // sum [cols] += each row
  void (*head_norm)(View y, View x, int64_t rows, int64_t heads, int64_t head_dim, const float* weight, float eps,
                    float* rstd);
  void (*head_norm_backward)(View dx, float* dweight, View dy, View x, int64_t rows, int64_t heads, int64_t head_dim,
                             const float* weight, const float* rstd);
  void (*geglu)(View y, View gate_up, int64_t rows, int64_t cols);
  void (*geglu_backward)(View dgate_up, View dy, View gate_up, int64_t rows, int64_t cols);
  void (*gelu)(View y, View x, int64_t rows, int64_t cols);
  void (*gelu_backward)(View dx, View dy, View x, int64_t rows, int64_t cols);
  void (*soft_cap)(float* x, int64_t n, float cap);
  void (*soft_cap_slope)(float* d, const float* capped, int64_t n, float cap);  // d *= 1 - (capped / cap)²
};

// The steps of a DecodeTask.
struct Decode {
  int64_t slice;  // columns of a slice; a head's last one may be short
  void (*scores)(const DecodeTask& task, int64_t begin, int64_t end);  // `begin` a multiple of 16
  void (*softmax)(const DecodeTask& task, int64_t begin, int64_t end);
  void (*values)(const DecodeTask& task, int64_t begin, int64_t end);
};

struct Attention {
  void (*forward)(const AttentionTask& task);  // whose first key some query sees
  void (*backward)(const AttentionBackwardTask& task);
  const Decode* decode;  // the same bits as `forward` of one query; null: there is no cutting it
};

struct Inner {
  const Products* products;
  const Attention* attention;
  const Rows* rows;
  const QuantizedProducts* quantized;
  const Parts* parts;
};

// Defined where the build targets x86-64.
extern const Products kProductsAvx2, kProductsAvx512, kProductsAvx512Bf16, kProductsAmx;
extern const Attention kAttentionAvx2, kAttentionAvx512, kAttentionAvx512Bf16, kAttentionAmx;
extern const Rows kRowsAvx2, kRowsAvx512;
extern const Parts kPartsAvx2, kPartsAvx512;
// Every processor with AVX-512 BF16 or AMX multiplies 8-bit integers (VNNI).
extern const QuantizedProducts kQuantizedAvx2, kQuantizedAvx512Bf16, kQuantizedAmx;

}  // namespace loquat::cpu
