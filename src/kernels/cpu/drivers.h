// The kernels of kernels.h over any instruction set's inner loops: they check shapes, cut the work into parts for the
// thread pool, and fix every order of summation that spans parts. How the work is cut may depend on the number of
// threads; what is computed for an element never does.
#pragma once

#include "kernels/cpu/inner.h"
#include "kernels/kernels.h"

namespace loquat::cpu {

inline View view(const Mat& m) {
  return {m.data, m.stride, m.dtype == DType::kBF16};
}
inline View view(const Mat& m, int64_t row, int64_t col = 0) {
  return {static_cast<char*>(m.row(row)) + col * bytes_of(m.dtype), m.stride, m.dtype == DType::kBF16};
}

int64_t packed_bytes(const Inner& inner, int64_t n, int64_t k, DType dtype);
void pack(const Inner& inner, const float* w, int64_t n, int64_t k, DType dtype, void* forward, void* backward);
int64_t quantized_bytes(const Inner& inner, int64_t n, int64_t k, WeightType type);
void pack_quantized(const Inner& inner, const uint8_t* codes, const BF16* scales, int64_t n, int64_t k, WeightType type,
                    void* forward);
// All rows of x, in this thread's scratch.
QuantizedRows quantize_rows(const Inner& inner, Mat x, WeightType type, ScratchSlot slot);
void quantized_linear(const Inner& inner, Mat y, Mat x, const PackedWeight& w, bool add);
void linear(const Inner& inner, Mat y, Mat x, const PackedWeight& w, bool add);
void linear_backward_input(const Inner& inner, Mat dx, Mat dy, const PackedWeight& w, bool add);
void linear_backward_weight(const Inner& inner, float* dw, Mat dy, Mat x);
void matmul(const Inner& inner, float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k,
            bool transpose_a, bool transpose_b);

void embedding(const Inner& inner, Mat x, const float* table, const int32_t* tokens);
void embedding_backward(const Inner& inner, float* dtable, int64_t vocab, Mat dx, const int32_t* tokens);
void rms_norm(const Inner& inner, Mat y, Mat x, const float* weight, float eps, float* rstd);
void rms_norm_backward(const Inner& inner, Mat dx, float* dweight, Mat dy, Mat x, const float* weight,
                       const float* rstd);
void rope(const Inner& inner, Mat x, int64_t head_dim, int64_t rotary_dim, const int32_t* positions,
          const float* cos_sin, bool inverse);
void swiglu(const Inner& inner, Mat y, Mat gate_up);
void swiglu_backward(const Inner& inner, Mat dgate_up, Mat dy, Mat gate_up);
void layer_norm(const Inner& inner, Mat y, Mat x, const float* weight, const float* bias, float eps, float* rstd);
void layer_norm_backward(const Inner& inner, Mat dx, float* dweight, float* dbias, Mat dy, Mat x, const float* weight,
                         const float* rstd);
void add_bias(const Inner& inner, Mat y, const float* bias);
void bias_backward(const Inner& inner, float* dbias, Mat dy);
void head_norm(const Inner& inner, Mat y, Mat x, int64_t head_dim, const float* weight, float eps, float* rstd);
void head_norm_backward(const Inner& inner, Mat dx, float* dweight, Mat dy, Mat x, int64_t head_dim,
                        const float* weight, const float* rstd);
void geglu(const Inner& inner, Mat y, Mat gate_up);
void geglu_backward(const Inner& inner, Mat dgate_up, Mat dy, Mat gate_up);
void gelu(const Inner& inner, Mat y, Mat x);
void gelu_backward(const Inner& inner, Mat dx, Mat dy, Mat x);
void soft_cap(const Inner& inner, Mat x, float cap);
void dropout_add(const Inner& inner, Mat y, Mat x, float p, uint64_t seed);
void dropout_backward(const Inner& inner, Mat dx, Mat dy, float p, uint64_t seed);

void attention(const Inner& inner, Mat out, Mat q, std::span<const AttentionSegment> segments,
               const AttentionShape& shape, float* lse);
void attention_backward(const Inner& inner, Mat dq, Mat dk, Mat dv, Mat dout, Mat out, Mat q, Mat k, Mat v,
                        const float* lse, std::span<const AttentionSegment> segments, const AttentionShape& shape);

void lm_head(const Inner& inner, Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature,
             float* logprob, float* lse, float* entropy);
void lm_head_loss(const Inner& inner, Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets,
                  const float* dlogprob, float* logprob, float* lse);
void lm_head_backward(const Inner& inner, Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets,
                      float inv_temperature, const float* lse, const float* dlogprob, const float* entropy,
                      const float* dentropy);
void log_sum_exp(const Inner& inner, Mat logits, const float* inv_temperature, float* lse);

void adamw(const Inner& inner, float* w, const float* g, float* m, float* v, int64_t n, const AdamWStep& step);
double sum_of_squares(const Inner& inner, const float* x, int64_t n);
void axpby(const Inner& inner, float* y, const float* x, int64_t n, float a, float b);
void convert(const Inner& inner, Mat y, Mat x);
void round_at_random(const Inner& inner, BF16* y, const float* x, int64_t n, uint64_t seed, uint64_t first);

}  // namespace loquat::cpu
