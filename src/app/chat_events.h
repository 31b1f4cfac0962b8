// What a streamed chat completion says, piece by piece: OpenAI's server-sent events taken apart, whoever sends them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "serve/api_error.h"

namespace loquat::app {

struct TalkUsage {
  int64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
};

// One step of a reply. Texts are UTF-8.
struct TalkEvent {
  std::string content, reasoning;  // new text
  nlohmann::json tool_calls;       // all calls so far, [{id, name, arguments}]; null: nothing new of them
  std::string finish;              // "stop", "length", "tool_calls", ...; "": goes on
  std::optional<TalkUsage> usage;
  bool ended = false;                    // the last event
  std::optional<serve::ApiError> error;  // with `ended`: it failed
};

using TalkSink = std::function<void(TalkEvent&& event)>;

// Bytes in, events out. Not for two threads at a time.
class ChatEventReader {
 public:
  // False: this is no stream of chat completions, or more than it may be; error() says what.
  bool feed(std::string_view bytes, const TalkSink& sink);
  const serve::ApiError& error() const { return error_; }
  bool done() const { return done_; }  // "[DONE]", or a finish, has come

 private:
  bool line(std::string_view text, const TalkSink& sink);
  bool data(const std::string& text, const TalkSink& sink);
  void read_tool_calls(const nlohmann::json& pieces);
  nlohmann::json tool_calls_json() const;

  struct Call {
    std::string id, name, arguments;
  };
  std::string rest_;  // of a line whose end has not come
  std::string data_;  // of an event whose end has not come
  std::map<int64_t, Call> calls_;
  size_t bytes_ = 0;
  bool done_ = false;
  serve::ApiError error_;
};

// The error of an answer that is no stream: {"error": {...}}, or its first words.
serve::ApiError error_of(int status, std::string_view body);

}  // namespace loquat::app
