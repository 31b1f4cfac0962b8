// A model folder one can talk to: the model, its tokenizer and the chat template. Replies with streamed text, or many
// conversations in one batch; and log-probabilities of texts.
//
// Calls from several threads are safe. Replies that are asked for at the same time are computed together
// (shared_engine.h), each with the text that it has alone; other calls take turns with their steps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "infer/generate.h"
#include "infer/shared_engine.h"
#include "tokenizer/chat_template.h"

namespace loquat {

struct ReplyParams {
  float temperature = 1;  // 0: greedy
  float top_p = 1;
  int32_t top_k = 0;
  int64_t max_tokens = 256;
  uint64_t seed = 0;  // of a batch: reply i is drawn from (seed, i), a single reply is reply 0
};

struct ReplyText {
  std::string text;         // valid UTF-8, without control tokens
  int64_t tokens = 0;       // generated, with the end of turn
  bool ended = false;       // the model ended its turn; else max_tokens or the context stopped it
  bool prompt_fits = true;  // false: the prompt leaves no room in the context, nothing was generated
  std::string error = {};   // of replies(): the chat template refused the conversation, nothing was generated
};

struct TextLogProb {
  double logprob = 0;  // natural, summed over the text's tokens; the first is given <|endoftext|>
  int64_t bytes = 0;
  int64_t tokens = 0;
};

class ChatModel {
 public:
  // The model only serves (Model): it has no master weights. `weights`: what they are quantised to.
  static Result<std::unique_ptr<ChatModel>> load(const std::string& folder, const Kernels& kernels,
                                                 DType compute = DType::kBF16,
                                                 WeightType weights = WeightType::kCompute);
  // A model that is in memory already; it must outlive this.
  static Result<std::unique_ptr<ChatModel>> wrap(Model& model, const Tokenizer& tokenizer);

  // on_text gets pieces of valid UTF-8 as they come, which joined are the reply's text, and now and then an empty one
  // while there is nothing; returns false to stop. An error says that the prompt does not fit the context, with both
  // lengths, or what the chat template does not like.
  Result<ReplyText> reply(const Messages& messages, const ReplyParams& params,
                          const std::function<bool(std::string_view)>& on_text = {});
  // Reply i depends on conversation i, the parameters and i alone.
  std::vector<ReplyText> replies(std::span<const Messages> conversations, const ReplyParams& params);
  // Continues token sequences as they are (few-shot prompts for a base model); stops at any of `stop_tokens`.
  std::vector<ReplyText> complete(std::span<const std::vector<int32_t>> prompts, const ReplyParams& params,
                                  std::span<const int32_t> stop_tokens);
  // Texts longer than the context are scored in windows that overlap by half.
  std::vector<TextLogProb> score(std::span<const std::string> texts);

  const ModelConfig& config() const { return model_->config(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ChatTemplate& chat_template() const { return template_; }
  Model& model() { return *model_; }  // not while another thread calls

 private:
  ChatModel(std::unique_ptr<Model> owned, Model* model, Tokenizer tokenizer, ChatTemplate chat_template,
            std::vector<int32_t> stop_tokens, int32_t end_of_text);
  static Result<std::unique_ptr<ChatModel>> make(std::unique_ptr<Model> owned, Model* model, const Tokenizer& tokenizer,
                                                 const std::string& name, const std::vector<int32_t>& more_stops);
  GenerationRequest request(std::vector<int32_t> prompt, const ReplyParams& params,
                            std::span<const int32_t> stop_tokens, uint64_t index) const;
  ReplyText as_text(const GenerationRequest& request, const Generation& generation) const;
  std::string_view text_of(int32_t token) const;  // "" for control tokens
  SharedEngine& engine();

  std::unique_ptr<Model> owned_;
  Model* model_;
  Tokenizer tokenizer_;
  ChatTemplate template_;
  std::vector<int32_t> stop_tokens_;
  int32_t end_of_text_;
  FairMutex mutex_;  // of the model
  std::once_flag engine_made_;
  std::unique_ptr<SharedEngine> engine_;  // last: its thread uses the model
};

}  // namespace loquat
