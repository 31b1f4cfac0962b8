// What the API needs of whoever writes the replies: the models of a run folder (folder_backend.h), or a test's fake.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"
#include "tokenizer/chat_template.h"

namespace loquat::serve {

struct ModelInfo {
  std::string id;
  int64_t created = 0;  // seconds since 1970
};

// One request for a reply, checked and with its defaults.
struct ChatCall {
  std::string model;
  Messages messages;  // roles "system", "user", "assistant"; not empty
  float temperature = 1;
  float top_p = 1;
  int64_t max_tokens = 0;  // 0: as many as the model has room for
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;  // the reply ends before the first of these
  bool stream = false;
  bool include_usage = false;
};

enum class Finish { kStop, kLength, kCancelled };

struct ChatResult {
  std::string text;
  Finish finish = Finish::kStop;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
};

class ChatBackend {
 public:
  virtual ~ChatBackend() = default;
  virtual std::vector<ModelInfo> models() = 0;
  // What stands against this call before a token is made: no such model, a prompt that is too long. May take as long as
  // loading the model.
  virtual std::optional<ApiError> check(const ChatCall& call) = 0;
  // Calls on_text with each new piece of text (whole UTF-8 characters) and about every 50 ms with "" while it waits for its
  // turn; false from it ends the reply (kCancelled). From any thread.
  virtual Result<ChatResult> reply(const ChatCall& call, const std::function<bool(std::string_view)>& on_text) = 0;
};

}  // namespace loquat::serve
