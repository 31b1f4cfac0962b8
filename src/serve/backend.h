// What the API needs of whoever writes the replies: models by name, and of each model its tokenizer, its template and
// text as it comes. model_host.h has the real ones; tests have fakes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "infer/generate.h"
#include "infer/grammar/grammar.h"
#include "infer/thought_filter.h"
#include "serve/api_error.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace loquat::serve {

struct ModelInfo {
  std::string id;
  int64_t created = 0;  // seconds since 1970
  bool loaded = false;
  std::string weights;  // the file that holds them, "": not known; not for other machines
};

// One prompt, n choices.
struct GenerateCall {
  std::vector<int32_t> prompt;    // not empty, shorter than the context
  SamplingParams sampling;        // stop_tokens are the model's own business; max_tokens 0: the prompt alone is read
  std::vector<std::string> stop;  // a choice's text ends before the first of these
  std::optional<uint64_t> seed;   // choice i of a seeded call is always the same text
  int n = 1;
  int top_logprobs = -1;                   // -1: no log-probabilities; else with that many of the likeliest
  bool prompt_logprobs = false;            // of the prompt's tokens too (with top_logprobs >= 0)
  std::shared_ptr<const Grammar> grammar;  // null: any text; max_tokens holds its tokens_needed()
  std::string tenant;                      // whose cache is used
  ThoughtFilter::Begin thoughts = ThoughtFilter::Begin::kNever;
  std::vector<int32_t> shown;  // control tokens whose text is a part of the reply (and of the grammar's language)
};

using loquat::TokenLogprob;

enum class Finish {
  kStop,       // the model ended its turn, or a stop sequence came
  kLength,     // max_tokens, or the context is full
  kCancelled,  // by cancel()
  kDeadline,   // took longer than the server allows
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, that were not computed again
  int64_t completion_tokens = 0;
  int64_t reasoning_tokens = 0;  // of those: thoughts and their marks
};

struct GenerateEvent {
  int choice = 0;
  std::vector<TokenLogprob> prompt;  // the first event, with prompt_logprobs: one for each token of the prompt
  std::string reasoning;             // new thoughts; all of them stand before all text
  std::string text;                  // new text: whole UTF-8 characters, without stop sequences; may be empty
  std::vector<TokenLogprob> tokens;  // with top_logprobs >= 0: those new since the last event, whose text is `text` (a
                                     // token's text may come later, with its character's last byte); none for thoughts
  std::optional<Finish> finish;      // the choice's last event
  Usage usage;                       // with finish: prompt and cached tokens, and this choice's
};

// A call under way. Dropping it does not end it; cancel() does, within one step. Any thread, any number of times.
class Generating {
 public:
  virtual ~Generating() = default;
  virtual void cancel() = 0;
};

class ServedModel {
 public:
  virtual ~ServedModel() = default;
  virtual const std::string& id() const = 0;
  virtual const Tokenizer& tokenizer() const = 0;
  virtual const ChatTemplate* chat_template() const = 0;  // null: the model knows no turns
  virtual int64_t context() const = 0;                    // tokens of prompt and reply
  virtual int64_t vocab_size() const = 0;
  // The least number of tokens, without the end of the turn, with which a reply in this grammar is sure to be whole.
  virtual int64_t tokens_needed(std::shared_ptr<const Grammar> grammar) = 0;

  // Events come on a thread of the model's, in order, each choice's last one with `finish` (after a cancel too); the
  // sink must not wait. An error: the queue is full (429), the model is being unloaded (503).
  virtual std::variant<std::shared_ptr<Generating>, ApiError> generate(
      GenerateCall call, std::function<void(GenerateEvent&& event)> sink) = 0;

  // How texts become vectors; 0 dimensions: this model gives none (it only talks).
  virtual int64_t embedding_dimensions() const = 0;
  virtual std::string embedding_pooling() const = 0;  // "mean" or "last"
  // Of unit length. Each input is not empty and fits the context. Waits until they are there.
  virtual std::vector<std::vector<float>> embed(const std::vector<std::vector<int32_t>>& inputs) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::vector<ModelInfo> models() = 0;
  // Whether model() would load it first.
  virtual bool must_load(const std::string& id) = 0;
  // Loads it where it is not; may take long. An error: there is none of that name (404, param "model"), or it cannot be
  // loaded (500, 503).
  virtual std::variant<std::shared_ptr<ServedModel>, ApiError> model(const std::string& id) = 0;
  // Lets go of a loaded model once its replies have ended; the next use loads it again. False: no such model.
  virtual bool unload(const std::string& id) = 0;
};

}  // namespace loquat::serve
