// A model folder being served: its weights, its tokenizer, and an engine that writes all its replies together. Tokens
// become text here: whole characters, up to the first stop sequence.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fair_mutex.h"
#include "infer/shared_engine.h"
#include "model/base_pool.h"
#include "serve/backend.h"

namespace loquat::serve {

struct EngineModelOptions {
  DType compute = DType::kBF16;
  WeightType weights = WeightType::kCompute;
  int64_t parallel = 256;       // replies computed together
  int64_t waiting = 1024;       // further ones in line; more get status 429
  int64_t cache_bytes = 0;      // keys and values; 0: as many as `parallel` replies can need, at most a gigabyte
  int64_t prefill_rows = 32;    // prompt tokens of one step: a short prompt waits for no more than one step
  int64_t draft_tokens = 8;     // guessed ahead from the text itself; 0: none
  double deadline_seconds = 0;  // of a reply; 0: none
  std::string pooling;          // "mean", "last": the model also gives embeddings; "": where its folder says so
  BasePool* bases = nullptr;    // where frozen weights are shared with other models; null: nowhere
};

class EngineModel : public ServedModel, public std::enable_shared_from_this<EngineModel> {
 public:
  // To be held by a shared_ptr: calls under way hold it too. Its last holder must not be one of its own threads
  // (ModelHost sees to that).
  static Result<std::unique_ptr<EngineModel>> load(const std::string& id, const std::string& folder,
                                                   const Kernels& kernels, const EngineModelOptions& options);
  // What load would refuse, found in configs, headers and the tokenizer: no weight is read.
  static Status check(const std::string& folder, const Kernels& kernels, const EngineModelOptions& options);

  const std::string& id() const override { return id_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const ChatTemplate* chat_template() const override { return template_ ? &*template_ : nullptr; }
  int64_t context() const override { return model_->config().max_positions; }
  int64_t vocab_size() const override { return model_->config().vocab_size; }
  int64_t tokens_needed(std::shared_ptr<const Grammar> grammar) override;
  std::variant<std::shared_ptr<Generating>, ApiError> generate(
      GenerateCall call, std::function<void(GenerateEvent&& event)> sink) override;
  int64_t embedding_dimensions() const override { return pooling_.empty() ? 0 : model_->config().hidden_size; }
  std::string embedding_pooling() const override { return pooling_; }
  std::vector<std::vector<float>> embed(const std::vector<std::vector<int32_t>>& inputs) override;

  EngineCounts counts() const { return engine_->counts(); }

 private:
  class Under;  // a call under way
  EngineModel(std::string id, std::unique_ptr<Model> model, Tokenizer tokenizer, std::string pooling,
              std::span<const int32_t> stop_tokens, const EngineModelOptions& options);
  GenerationRequest request_of(const GenerateCall& call);
  Matcher matcher(std::shared_ptr<const Grammar> grammar, const std::vector<int32_t>& shown);

  const std::string id_;
  std::unique_ptr<Model> model_;
  Tokenizer tokenizer_;
  std::optional<ChatTemplate> template_;
  std::vector<int32_t> stop_tokens_;
  std::string pooling_;
  std::mutex trees_mutex_;
  std::map<std::vector<int32_t>, std::shared_ptr<const TokenTree>>
      trees_;                             // by shown tokens; made at the first grammar
  FairMutex mutex_;                       // of the model
  std::unique_ptr<SharedEngine> engine_;  // last: its threads use the rest
};

}  // namespace loquat::serve
