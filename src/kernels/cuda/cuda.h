// What the parts of the CUDA table share: its stream, host arguments on their way to the card, scratch memory, errors.
// Everything runs on one stream of one card, in the order of the calls.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <span>

#include "kernels/kernels.h"

namespace loquat::cuda {

cudaStream_t stream();
int multiprocessors();

// Ends the process with the call's name and CUDA's message: an error here is a defect or a broken card.
void check(cudaError_t error, const char* what);
// Ends each function of the table: reports a launch that failed, and waits where the memory is managed.
void launched(const char* what);

// A copy of a HOST argument in the card's memory, valid for kernels launched before the next 64 MiB of such copies.
const void* staged_bytes(const void* host, int64_t bytes);
template <typename T>
const T* staged(const T* host, int64_t count) {
  return static_cast<const T*>(staged_bytes(host, count * static_cast<int64_t>(sizeof(T))));
}
// Copies to the host and waits for everything before it.
void fetch(void* host, const void* device, int64_t bytes);

// Scratch memory of one purpose, kept and grown; what it holds lasts until that purpose asks again. Work on the stream
// that uses it is ordered, so the next call of the same function may overwrite it without waiting.
enum class Scratch { kCublas, kAttention, kLogits, kLogitsGradient, kRows, kReduction, kHostResults, kCount };
void* scratch(Scratch purpose, int64_t bytes);

// Products (products.cu), by algorithms that do not depend on T, so that a row's bits do not depend on the others.
int64_t packed_bytes(int64_t n, int64_t k, DType dtype);
void pack(const float* w, int64_t n, int64_t k, DType dtype, void* forward, void* backward);
void linear(Mat y, Mat x, const PackedWeight& w, bool add);
void linear_backward_input(Mat dx, Mat dy, const PackedWeight& w, bool add);
void linear_backward_weight(float* dw, Mat dy, Mat x);
void matmul(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k, bool transpose_a,
            bool transpose_b);

// Rows (rows.cu).
void embedding(Mat x, const float* table, const int32_t* tokens);
void embedding_backward(float* dtable, int64_t vocab, Mat dx, const int32_t* tokens);
void rms_norm(Mat y, Mat x, const float* weight, float eps, float* rstd);
void rms_norm_backward(Mat dx, float* dweight, Mat dy, Mat x, const float* weight, const float* rstd);
void rope(Mat x, int64_t head_dim, int64_t rotary_dim, const int32_t* positions, const float* cos_sin, bool inverse);
void swiglu(Mat y, Mat gate_up);
void swiglu_backward(Mat dgate_up, Mat dy, Mat gate_up);
void dropout_add(Mat y, Mat x, float p, uint64_t seed);
void dropout_backward(Mat dx, Mat dy, float p, uint64_t seed);

// total [cols] += the rows of parts, in an order that depends on their number alone.
void add_rows(float* total, const float* parts, int64_t rows, int64_t stride, int64_t cols);

// Norms of heads (head_norms.cu).
void head_norm(Mat y, Mat x, int64_t head_dim, const float* weight, float eps, float* rstd);
void head_norm_backward(Mat dx, float* dweight, Mat dy, Mat x, int64_t head_dim, const float* weight,
                        const float* rstd);

// Attention (attention.cu).
void attention(Mat out, Mat q, std::span<const AttentionSegment> segments, const AttentionShape& shape, float* lse);
void attention_backward(Mat dq, Mat dk, Mat dv, Mat dout, Mat out, Mat q, Mat k, Mat v, const float* lse,
                        std::span<const AttentionSegment> segments, const AttentionShape& shape);

// Vocabulary (vocab.cu).
void lm_head(Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature, float* logprob, float* lse,
             float* entropy);
void lm_head_loss(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, const float* dlogprob,
                  float* logprob, float* lse);
void lm_head_backward(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature,
                      const float* lse, const float* dlogprob, const float* entropy, const float* dentropy);
void log_sum_exp(Mat logits, const float* inv_temperature, float* lse);

// Flat vectors (flat.cu).
void adamw(float* w, const float* g, float* m, float* v, int64_t n, const AdamWStep& step);
double sum_of_squares(const float* x, int64_t n);
void axpby(float* y, const float* x, int64_t n, float a, float b);
void convert(Mat y, Mat x);
void round_at_random(BF16* y, const float* x, int64_t n, uint64_t seed, uint64_t first);

}  // namespace loquat::cuda
