// A model folder being served: its adapter, where it is one's, its tokenizer, and the engine of its base, which writes
// the replies. Tokens become text here: whole characters, up to the first stop sequence.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "serve/backend.h"
#include "serve/base_engines.h"

namespace loquat::serve {

class EngineModel : public ServedModel, public std::enable_shared_from_this<EngineModel> {
 public:
  // To be held by a shared_ptr: calls under way hold it too. Its last holder must not be one of its engine's threads
  // (ModelHost sees to that). pooling: "mean", "last": the model also gives embeddings; "": where its folder says so.
  static Result<std::unique_ptr<EngineModel>> load(const std::string& id, const std::string& folder,
                                                   BaseEngines& engines, const std::string& pooling);
  // What load would refuse, found in configs, headers and the tokenizer: no weight is read.
  static Status check(const std::string& folder, const BaseEngines& engines);

  const std::string& id() const override { return id_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const ChatTemplate* chat_template() const override { return template_ ? &*template_ : nullptr; }
  int64_t context() const override { return config().max_positions; }
  int64_t vocab_size() const override { return config().vocab_size; }
  int64_t tokens_needed(std::shared_ptr<const Grammar> grammar) override;
  std::variant<std::shared_ptr<Generating>, ApiError> generate(
      GenerateCall call, std::function<void(GenerateEvent&& event)> sink) override;
  int64_t embedding_dimensions() const override { return pooling_.empty() ? 0 : config().hidden_size; }
  std::string embedding_pooling() const override { return pooling_; }
  std::vector<std::vector<float>> embed(const std::vector<std::vector<int32_t>>& inputs) override;

  EngineCounts counts() const { return base_->engine.counts(adapter_); }  // of this model's replies; no pages

 private:
  class Under;  // a call under way
  EngineModel(std::string id, BaseEngines::Opened opened, Tokenizer tokenizer, std::string pooling,
              std::span<const int32_t> stop_tokens);
  const ModelConfig& config() const { return base_->model.config(); }
  GenerationRequest request_of(const GenerateCall& call);
  Matcher matcher(std::shared_ptr<const Grammar> grammar, const std::vector<int32_t>& shown);

  const std::string id_;
  const std::shared_ptr<BaseEngine> base_;
  const std::shared_ptr<const Model> adapter_;  // null: none
  Tokenizer tokenizer_;
  std::optional<ChatTemplate> template_;
  std::vector<int32_t> stop_tokens_;
  std::string pooling_;
  std::mutex trees_mutex_;
  std::map<std::vector<int32_t>, std::shared_ptr<const TokenTree>>
      trees_;  // by shown tokens; made at the first grammar
};

}  // namespace loquat::serve
