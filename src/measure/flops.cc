#include "measure/flops.h"

#include <algorithm>

#include "kernels/quantize.h"
#include "model/kv_cache.h"

namespace loquat::measure {

Work& Work::operator+=(const Work& other) {
  operations += other.operations;
  bytes += other.bytes;
  working_set = std::max(working_set, other.working_set);
  reads_only = reads_only && other.reads_only;
  return *this;
}

double projection_parameters(const ModelConfig& c) {
  const int64_t attention = c.hidden_size * (c.qkv_dim() + c.num_heads * c.head_dim);
  return static_cast<double>(c.num_layers * (attention + 3 * c.hidden_size * c.intermediate_size));
}

double head_parameters(const ModelConfig& c) {
  return static_cast<double>(c.vocab_size * c.hidden_size);
}

// A [rank, inputs] and B [outputs, rank] of q, k, v, o, gate, up and down.
double adapter_parameters(const ModelConfig& c, int64_t rank) {
  const int64_t q = c.num_heads * c.head_dim;
  const int64_t inputs = 5 * c.hidden_size + q + c.intermediate_size;
  const int64_t outputs = c.qkv_dim() + c.hidden_size + 2 * c.intermediate_size + c.hidden_size;
  return static_cast<double>(c.num_layers * rank * (inputs + outputs));
}

namespace {

// Of one value, with its share of the group's scale.
double value_bytes(DType compute, WeightType type) {
  if (type == WeightType::kCompute) return static_cast<double>(bytes_of(compute));
  return bits_of(type) / 8.0 + 2.0 / static_cast<double>(group_length(type));
}

}  // namespace

double weight_bytes(const ModelConfig& c, DType compute, bool head, WeightType weights) {
  const WeightType of_head = weights == WeightType::kCompute ? weights : WeightType::kInt8;
  return projection_parameters(c) * value_bytes(compute, weights) +
         (head ? head_parameters(c) * value_bytes(compute, of_head) : 0);
}

double cache_bytes(const ModelConfig& c, DType compute, double tokens) {
  return tokens * static_cast<double>(KvCache::bytes(c, compute, 1));
}

// As TransformerLayer::Saved has it: two residual streams, two norms, q, k, v, the heads' outputs, gate, up and their
// product; the rest is small.
double kept_bytes(const ModelConfig& c, DType compute, double tokens) {
  const int64_t computed = 2 * c.hidden_size + c.qkv_dim() + c.num_heads * c.head_dim + 3 * c.intermediate_size;
  const int64_t floats = 2 * c.hidden_size + c.num_heads + 2;
  return tokens * static_cast<double>(c.num_layers * (computed * bytes_of(compute) + floats * 4));
}

double attended_keys(const Pass& p) {
  const auto tokens = static_cast<double>(p.tokens);
  return tokens * static_cast<double>(p.before) + tokens * (tokens + 1) / 2;
}

double forward_operations(const ModelConfig& c, const Pass& p) {
  const double projections = 2 * projection_parameters(c) * static_cast<double>(p.tokens);
  // A query's score with a key, and the key's value times its weight: two operations an element of a head, each.
  const double attention = static_cast<double>(4 * c.num_layers * c.num_heads * c.head_dim) * attended_keys(p);
  return projections + attention + 2 * head_parameters(c) * static_cast<double>(p.head_rows);
}

Work forward_work(const ModelConfig& c, DType compute, std::span<const Pass> passes, bool cached, WeightType weights) {
  Work work;
  bool head = false;
  for (const Pass& p : passes) {
    work.operations += forward_operations(c, p);
    if (cached) work.bytes += cache_bytes(c, compute, static_cast<double>(p.before + p.tokens));
    head = head || p.head_rows > 0;
  }
  work.bytes += weight_bytes(c, compute, head, weights);
  work.working_set = work.bytes;
  work.reads_only = cached;
  return work;
}

Work train_work(const ModelConfig& c, DType compute, std::span<const Pass> passes, int64_t micro_batches) {
  Work work;
  double tokens = 0;
  bool head = false;
  for (const Pass& p : passes) {
    work.operations += 3 * forward_operations(c, p);
    tokens += static_cast<double>(p.tokens);
    head = head || p.head_rows > 0;
  }
  const double weights = weight_bytes(c, compute, head), kept = kept_bytes(c, compute, tokens);
  const auto gradients = 4 * static_cast<double>(c.param_count()), micro = static_cast<double>(micro_batches);
  work.bytes = 2 * micro * weights + 2 * kept + (2 * micro - 1) * gradients;
  work.working_set = 2 * weights + gradients + kept / std::max(1.0, micro);
  return work;
}

Work lora_train_work(const ModelConfig& c, DType compute, WeightType weights, int64_t rank,
                     std::span<const Pass> passes, int64_t micro_batches) {
  Work work;
  double tokens = 0;
  bool head = false;
  for (const Pass& p : passes) {
    const auto n = static_cast<double>(p.tokens);
    const double frozen = 2 * projection_parameters(c) * n + 2 * head_parameters(c) * static_cast<double>(p.head_rows);
    work.operations += 3 * (forward_operations(c, p) + 2 * adapter_parameters(c, rank) * n) - frozen;
    tokens += n;
    head = head || p.head_rows > 0;
  }
  const double in_head = head ? head_parameters(c) * static_cast<double>(bytes_of(compute)) : 0;
  const double held = weight_bytes(c, compute, false, weights) + in_head, kept = kept_bytes(c, compute, tokens);
  const auto gradients = 4 * adapter_parameters(c, rank), micro = static_cast<double>(micro_batches);
  work.bytes = 2 * micro * held + 2 * kept + (2 * micro - 1) * gradients;
  work.working_set = 2 * held + gradients + kept / std::max(1.0, micro);
  return work;
}

namespace {

// packed: bytes of the copies that are written anew.
Work update_work(double parameters, double packed) {
  constexpr double kOperations = 17;  // two for the norm, fifteen for AdamW
  // Gradients: read for the norm, read, cleared; weights, both moments: read, written; weights read to be packed.
  return {kOperations * parameters, (3 + 6 + 1) * 4 * parameters + packed, 4 * 4 * parameters + packed};
}

}  // namespace

Work optimizer_work(const ModelConfig& c, DType compute) {
  return update_work(static_cast<double>(c.param_count()), 2 * weight_bytes(c, compute, true));
}

Work lora_optimizer_work(const ModelConfig& c, DType compute, int64_t rank) {
  const double parameters = adapter_parameters(c, rank);
  return update_work(parameters, 2 * parameters * static_cast<double>(bytes_of(compute)));
}

}  // namespace loquat::measure
