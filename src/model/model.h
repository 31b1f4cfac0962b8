// A decoder-only Transformer of the parts that its config's features name (config.h), tied or untied embeddings, and a
// head: logits over the vocabulary, or one score per token (reward model, critic).
//
// Explicit layers: forward keeps what backward needs, backward adds into the gradients. for_each_param is the only list
// of parameters: init, checkpoint, optimizer, gradient norm and sharding all walk it. All values lie in one flat
// float32 buffer (the master weights), all gradients in another of the same layout.
//
// The residual stream is float32; the inputs of products have the compute type. Rows of a batch are independent
// (kernels.h: batch invariance), so a forward for training, scoring or decoding gives a token the same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/lora.h"

namespace loquat {

class Model;

struct Param {
  std::string name;  // as in model.safetensors: "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;
  float* value = nullptr;
  float* grad = nullptr;  // null in a model made without gradients
  int64_t size = 0;
  bool is_matrix = false;  // a projection: weight decay, and Muon where it is the optimizer
};

// Packed sequences: tokens and positions [T]; sequence b is rows starts[b] ... starts[b+1] - 1. Attention never
// crosses, save that sequences may go on from the one before them, all of it: replies to one prompt, whose rows are
// then computed once (and have one dropout mask for all). A token gets the same bits as in a sequence of its own.
struct Batch {
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<int64_t> starts{0};
  std::vector<int64_t> prefix;  // the sequence that b goes on from; -1: none (empty: none of them)
  // A model over the same base, whose adapter (or none) sequence b has in place of the model's own; null: its own
  // (empty: all of them). Those of one adapter best stand together. Not in a forward that keeps for a backward.
  std::vector<const Model*> adapters;

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  int64_t sequences() const { return static_cast<int64_t>(starts.size()) - 1; }
  bool has_prefix(int64_t b) const { return !prefix.empty() && prefix[b] >= 0; }
  const Model* adapter(int64_t b) const { return adapters.empty() ? nullptr : adapters[b]; }
  void add(std::span<const int32_t> sequence, const Model* adapter = nullptr);  // positions 0, 1, ...
  // Goes on from the last sequence that was added without a prefix. Where the kernel table has shared_prefixes.
  void add_continuation(std::span<const int32_t> sequence);
  void clear();
};

class KvCache;  // model/kv_cache.h
struct CachedSequence;

struct ForwardOptions {
  bool keep_for_backward = false;
  bool recompute = false;     // keep only each layer's input; the backward runs the layer's forward again
  float dropout = 0;          // on each residual branch; training only
  float lora_dropout = 0;     // on the adapters' inputs; training only
  uint64_t dropout_seed = 0;  // another for every step
};

// Where a model that only serves takes its tensors from, one after the other, by the names of param_specs (params.h).
// All are in ordinary memory.
struct ServingTensors {
  // What those are quantised to that come as values (but see type_for_rows).
  WeightType projections = WeightType::kCompute;
  WeightType head = WeightType::kCompute;  // the same for the vocabulary's matrix
  // The type that this tensor comes in: kCompute for values. Alike for q, k, v of a layer, and for gate and up.
  std::function<WeightType(const std::string& name)> type;
  std::function<void(const std::string& name, float* out)> values;
  std::function<void(const std::string& name, uint8_t* codes, BF16* scales)> codes;  // kernels/quantize.h
  bool under_adapters = false;    // a base: also the norms of its rows
  bool adapters_trained = false;  // and what the backward through the frozen weights needs
  std::string folder;             // of a base, where an adapter's folder will say that it lies
};

class Model {
 public:
  // Memory is taken here, not in forward's steady state. with_gradients: also a gradient buffer and the packed weights
  // that the backward multiplies from.
  Model(const ModelConfig& config, const Kernels& kernels, DType compute, bool with_gradients);
  // A model that only serves: of the master weights it has the embedding, the norms and the score head alone; what the
  // products read is packed, or quantised, tensor by tensor. It has no values(), for_each_param, init, set_values,
  // refresh or backward.
  Model(const ModelConfig& config, const Kernels& kernels, DType compute, const ServingTensors& tensors);
  // A model over a frozen base (one that only serves), which it shares with others: its parameters are the adapters'
  // and, with a score head, the head's, and these alone are in values(), grads(), for_each_param (under PEFT's names),
  // checkpoints and optimizers. lora.rank = 0: no adapter. with_gradients wants a base made with adapters_trained.
  // After init() the adapters change nothing yet.
  Model(std::shared_ptr<const Model> base, const LoraConfig& lora, HeadKind head, bool with_gradients);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const;
  const Kernels& kernels() const;
  DType compute() const;
  bool serves_only() const;
  const std::shared_ptr<const Model>& base() const;  // null: none
  const std::string& folder() const;                 // of a base
  const LoraConfig& lora() const;                    // rank 0: no adapter
  int64_t master_bytes() const;                      // of the float32 weights that it holds

  // N(0, 0.02), residual projections scaled by 1/sqrt(2 layers); score head N(0, 1/sqrt(C+1)). Each parameter has a
  // stream of its own by its name. Refreshes.
  void init(Rng rng);
  void init_head(Rng rng);  // the score head alone (its values are not packed)
  void for_each_param(const std::function<void(const Param&)>& f) const;
  // The flat master weights, in for_each_param's order, and their gradients (empty without): in the table's memory, as
  // is each Param's.
  std::span<float> values() const;
  std::span<float> grads() const;
  std::vector<float> host_values() const;          // a copy in ordinary memory
  void set_values(std::span<const float> values);  // from ordinary memory; refreshes
  // Packs the compute copies from the master weights. Call after any change to values(): init, load, an optimizer step.
  void refresh();
  void zero_grads();

  // Final hidden states [T, C] after the last norm, in the compute type. Those of a forward that keeps for a backward,
  // and what it keeps, are valid until the next such forward: scoring and decoding in between do not touch them. Those
  // of any other forward are valid until the next forward of any kind. Dropout needs keep_for_backward.
  Mat forward(const Batch& batch, const ForwardOptions& options = {});
  // As forward, for new tokens of sequences that live in a cache: sequence b of the batch goes on from sequences[b],
  // and gets its positions there. No backward.
  Mat forward_cached(const Batch& batch, KvCache& cache, std::span<const CachedSequence> sequences);
  // dhidden [T, C] (compute type): gradients += ; after a forward with keep_for_backward on the same batch.
  void backward(const Batch& batch, Mat dhidden);

  // --- language head -----------------------------------------------------------------------------

  // Also of a score model whose embeddings are tied: it has the same matrix. `rows` picks the rows of `hidden` that
  // count (targets of the same length).
  struct LogProbs {
    std::vector<float> logprob, lse, entropy;
  };
  // log P(targets[i] | everything up to row rows[i]), at this temperature.
  LogProbs log_probs(Mat hidden, std::span<const int64_t> rows, std::span<const int32_t> targets, float temperature = 1,
                     bool with_entropy = false);
  // d loss / d logprob[i] (and d entropy[i], may be empty): adds the head's gradients, returns dhidden [T, C] (zero in
  // other rows), valid until the next backward of a head. `rows` strictly increasing.
  Mat log_probs_backward(Mat hidden, std::span<const int64_t> rows, std::span<const int32_t> targets, float temperature,
                         const LogProbs& forward, std::span<const float> dlogprob,
                         std::span<const float> dentropy = {});
  // Both in one, where the loss's slopes do not depend on the log-probabilities (a weighted sum of log-likelihoods):
  // cheaper, with the same bits. At temperature 1.
  struct Likelihood {
    LogProbs logprobs;
    Mat dhidden;
  };
  Likelihood likelihood_backward(Mat hidden, std::span<const int64_t> rows, std::span<const int32_t> targets,
                                 std::span<const float> dlogprob);
  // Logits [rows, V] float32 into `out`, in ordinary memory (for sampling); where `lse` is not empty, also
  // logsumexp(logits * inv_temperature) of each row, the bits that log_probs has.
  void logits(Mat hidden, std::span<const int64_t> rows, float* out, std::span<const float> inv_temperature = {},
              std::span<float> lse = {});

  // --- score head --------------------------------------------------------------------------------
  std::vector<float> scores(Mat hidden, std::span<const int64_t> rows);
  Mat scores_backward(Mat hidden, std::span<const int64_t> rows, std::span<const float> dscore);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class BasePool;

// The model's folder: config.json and model.safetensors (float32 or bfloat16 by `dtype`), written to temporary names,
// synced, renamed. Loading checks every tensor's name, shape and dtype against the config; a language model's backbone
// may be loaded into a score model (the head is then initialised) with `allow_new_head`. An adapter's folder is taken
// too (adapter_folder.h), and a model with an adapter is written as one.
Status save_model(const Model& model, const std::string& folder, DType dtype = DType::kF32);
struct LoadOptions {
  DType compute = DType::kBF16;
  bool serving_only = false;  // see Model
  // What the projections are quantised to, save short rows (type_for_rows); the vocabulary's matrix is then kInt8. A
  // folder that is quantised already is taken as it is (kCompute, or its own type). Other than kCompute under
  // serving_only alone.
  WeightType weights = WeightType::kCompute;
  bool with_gradients = false;
  HeadKind head = HeadKind::kLanguage;
  bool allow_new_head = false;
  uint64_t head_seed = 0;  // of a new head
  // Not null: the model stands on a frozen base out of this pool (base_pool.h), of the pool's weights and compute type;
  // with gradients they are of an adapter: the folder's, or a new one as `lora` says.
  BasePool* bases = nullptr;
  LoraConfig lora = {};
  uint64_t lora_seed = 0;  // of a new adapter
  // serving_only: a base, and one whose adapters are trained (see ServingTensors).
  bool under_adapters = false, adapters_trained = false;
};
// An error names what the config needs and the table does not have.
Status check_kernels(const ModelConfig& config, const Kernels& kernels);
Result<ModelConfig> read_model_config(const std::string& folder);
Result<std::unique_ptr<Model>> load_model(const std::string& folder, const Kernels& kernels,
                                          const LoadOptions& options);
// What load_model would refuse of a folder that is to be served (serving_only), found in configs and headers: no weight
// is read.
Status check_model_folder(const std::string& folder, const Kernels& kernels, const LoadOptions& options);

// Writes the model folder `from` as `to`, with its projections quantised to 8 or 4 bits in compressed-tensors'
// "pack-quantized" form; all else as it is. An error: it is quantised already, or `to` is `from`.
Status quantize_model_folder(const std::string& from, const std::string& to, WeightType type);

}  // namespace loquat
