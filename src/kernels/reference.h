// The reference kernels: plain loops with float64 sums, for reading and for tests. Every other table is held against
// this one. Contracts are those of kernels.h.
#pragma once

#include "kernels/kernels.h"
#include "kernels/tensor.h"

namespace loquat::reference {

// Element (r, c) of a Mat of either type.
inline float get(const Mat& m, int64_t r, int64_t c) {
  return m.dtype == DType::kF32 ? static_cast<const float*>(m.row(r))[c]
                                : to_float(static_cast<const BF16*>(m.row(r))[c]);
}
inline void put(const Mat& m, int64_t r, int64_t c, double value) {
  const float f = static_cast<float>(value);
  if (m.dtype == DType::kF32) {
    static_cast<float*>(m.row(r))[c] = f;
  } else {
    static_cast<BF16*>(m.row(r))[c] = to_bf16(f);
  }
}
inline double load(const void* data, int64_t i, DType dtype) {
  return dtype == DType::kF32 ? static_cast<const float*>(data)[i] : to_float(static_cast<const BF16*>(data)[i]);
}

// Dropout's mask: whether the element `index` of the tensor named by `seed` is kept. All tables use this hash.
bool dropout_keeps(uint64_t seed, uint64_t index, float p);

int64_t packed_bytes(int64_t n, int64_t k, DType dtype);
void pack(const float* w, int64_t n, int64_t k, DType dtype, void* forward, void* backward);
int64_t quantized_bytes(int64_t n, int64_t k, WeightType type);
void pack_quantized(const uint8_t* codes, const BF16* scales, int64_t n, int64_t k, WeightType type, void* forward);
void linear(Mat y, Mat x, const PackedWeight& w, bool add);
void quantized_backward_input(Mat dx, Mat dy, const PackedWeight& w, bool add);
void quantized_linear(Mat y, Mat x, const PackedWeight& w, bool add);
void linear_backward_input(Mat dx, Mat dy, const PackedWeight& w, bool add);
void linear_backward_weight(float* dw, Mat dy, Mat x);
void matmul(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k, bool transpose_a,
            bool transpose_b);

void embedding(Mat x, const float* table, const int32_t* tokens);
void embedding_backward(float* dtable, int64_t vocab, Mat dx, const int32_t* tokens);
void rms_norm(Mat y, Mat x, const float* weight, float eps, float* rstd);
void rms_norm_backward(Mat dx, float* dweight, Mat dy, Mat x, const float* weight, const float* rstd);
void rope(Mat x, int64_t head_dim, int64_t rotary_dim, const int32_t* positions, const float* cos_sin, bool inverse);
void swiglu(Mat y, Mat gate_up);
void swiglu_backward(Mat dgate_up, Mat dy, Mat gate_up);
void layer_norm(Mat y, Mat x, const float* weight, const float* bias, float eps, float* rstd);
void layer_norm_backward(Mat dx, float* dweight, float* dbias, Mat dy, Mat x, const float* weight, const float* rstd);
void add_bias(Mat y, const float* bias);
void bias_backward(float* dbias, Mat dy);
void head_norm(Mat y, Mat x, int64_t head_dim, const float* weight, float eps, float* rstd);
void head_norm_backward(Mat dx, float* dweight, Mat dy, Mat x, int64_t head_dim, const float* weight,
                        const float* rstd);
void geglu(Mat y, Mat gate_up);
void geglu_backward(Mat dgate_up, Mat dy, Mat gate_up);
void gelu(Mat y, Mat x);
void gelu_backward(Mat dx, Mat dy, Mat x);
void soft_cap(Mat x, float cap);
void dropout_add(Mat y, Mat x, float p, uint64_t seed);
void dropout_backward(Mat dx, Mat dy, float p, uint64_t seed);

void attention(Mat out, Mat q, std::span<const AttentionSegment> segments, const AttentionShape& shape, float* lse);
void attention_backward(Mat dq, Mat dk, Mat dv, Mat dout, Mat out, Mat q, Mat k, Mat v, const float* lse,
                        std::span<const AttentionSegment> segments, const AttentionShape& shape);

void lm_head(Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature, float* logprob, float* lse,
             float* entropy);
void lm_head_loss(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, const float* dlogprob,
                  float* logprob, float* lse);
void lm_head_backward(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature,
                      const float* lse, const float* dlogprob, const float* entropy, const float* dentropy);
float log_sum_exp(const float* logits, int64_t n, float inv_temperature);
void log_sum_exp_rows(Mat logits, const float* inv_temperature, float* lse);

void adamw(float* w, const float* g, float* m, float* v, int64_t n, const AdamWStep& step);
double sum_of_squares(const float* x, int64_t n);
void axpby(float* y, const float* x, int64_t n, float a, float b);
void convert(Mat y, Mat x);
void round_at_random(BF16* y, const float* x, int64_t n, uint64_t seed, uint64_t first);

extern const Kernels kTable;

}  // namespace loquat::reference
