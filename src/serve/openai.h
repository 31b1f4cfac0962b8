// OpenAI's chat completions on the wire: requests in, chunks and completions out (docs/api.md). Plain text in and out; the
// routes that use it are in routes.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "serve/chat_backend.h"

namespace loquat::serve {

// A call, or what is wrong with the body: malformed JSON, a missing or wrong field (param names it), a feature that this
// server does not have.
std::variant<ChatCall, ApiError> parse_chat_call(const std::string& body);

// Writes one completion: `id` and `created` are the same in all its chunks.
class ChatWriter {
 public:
  ChatWriter(std::string id, int64_t created, std::string model, bool include_usage)
      : id_(std::move(id)), created_(created), model_(std::move(model)), include_usage_(include_usage) {}

  // Server-sent events, in the order in which they must be sent.
  std::string role_event() const;
  std::string content_event(std::string_view text) const;
  std::string finish_event(Finish finish) const;
  std::string usage_event(const ChatResult& result) const;  // only with include_usage
  static std::string done_event() { return "data: [DONE]\n\n"; }
  static std::string error_event(const ApiError& error);

  std::string completion(const ChatResult& result) const;  // the whole, not streamed

 private:
  std::string id_;
  int64_t created_;
  std::string model_;
  bool include_usage_;
};

std::string models_body(const std::vector<ModelInfo>& models);
std::string model_body(const ModelInfo& model);

// Cuts a growing text before the first stop sequence. push() gives what may be shown now: a tail that could be the start of a
// stop sequence is kept back until it is decided.
class StopFilter {
 public:
  explicit StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  std::string push(std::string_view text);
  std::string finish();  // what was kept back, when no stop came
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace loquat::serve
