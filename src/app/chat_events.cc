#include "app/chat_events.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json_depth.h"

namespace loquat::app {
namespace {

using nlohmann::json;

constexpr size_t kMostBytes = 64 << 20;  // of a reply with all that stands around its text
constexpr size_t kLongestLine = 4 << 20;
constexpr size_t kMostCalls = 64;
constexpr size_t kLongestMessage = 500;

std::string text_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

int64_t count_at(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return 0;
  const double count = found->get<double>();
  return count > 0 && count < 1e15 ? static_cast<int64_t>(count) : 0;
}

serve::ApiError broken(const std::string& what) {
  return {502, "The model's server sent what is no chat completion: " + what, "server_error", "", "bad_answer"};
}

serve::ApiError error_in(int status, const json& error) {
  serve::ApiError out{status, "", "server_error", "", ""};
  if (error.is_object()) {
    out.message = text_at(error, "message");
    out.param = text_at(error, "param");
    out.code = text_at(error, "code");
    if (const std::string type = text_at(error, "type"); !type.empty()) out.type = type;
  } else if (error.is_string()) {
    out.message = error.get<std::string>();
  }
  if (out.message.empty()) out.message = fmt::format("The model's server answered with status {}.", status);
  out.message.resize(std::min(out.message.size(), kLongestMessage));
  return out;
}

TalkUsage usage_of(const json& usage) {
  TalkUsage out{count_at(usage, "prompt_tokens"), count_at(usage, "completion_tokens"), 0};
  const auto details = usage.find("prompt_tokens_details");
  if (details != usage.end() && details->is_object()) out.cached_tokens = count_at(*details, "cached_tokens");
  return out;
}

}  // namespace

serve::ApiError error_of(int status, std::string_view body) {
  const bool deep = json_nests_deeper(body);
  const json parsed = deep ? json() : json::parse(body, nullptr, false);
  if (parsed.is_object() && parsed.contains("error")) return error_in(status, parsed["error"]);
  return error_in(status, nullptr);
}

bool ChatEventReader::feed(std::string_view bytes, const TalkSink& sink) {
  bytes_ += bytes.size();
  if (bytes_ > kMostBytes) {
    error_ = broken("it is too long.");
    return false;
  }
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    rest_ += bytes.substr(0, end);
    if (rest_.size() > kLongestLine) {
      error_ = broken("a line is too long.");
      return false;
    }
    if (end == std::string_view::npos) return true;
    bytes.remove_prefix(end + 1);
    if (rest_.ends_with('\r')) rest_.pop_back();
    const std::string text = std::exchange(rest_, {});
    if (!line(text, sink)) return false;
  }
  return true;
}

bool ChatEventReader::line(std::string_view text, const TalkSink& sink) {
  if (text.empty()) {
    const std::string event = std::exchange(data_, {});
    return event.empty() || data(event, sink);
  }
  if (!text.starts_with("data:")) return true;  // comments, names, ids
  text.remove_prefix(text.starts_with("data: ") ? 6 : 5);
  if (data_.size() + text.size() > kLongestLine) {
    error_ = broken("an event is too long.");
    return false;
  }
  data_ += (data_.empty() ? "" : "\n") + std::string(text);
  return true;
}

bool ChatEventReader::data(const std::string& text, const TalkSink& sink) {
  if (text == "[DONE]") {
    done_ = true;
    return true;
  }
  const json event = json_nests_deeper(text) ? json() : json::parse(text, nullptr, false);
  if (!event.is_object()) {
    error_ = broken("an event is no JSON object.");
    return false;
  }
  if (event.contains("error") && !event["error"].is_null()) {
    error_ = error_in(502, event["error"]);
    return false;
  }
  TalkEvent out;
  if (const auto usage = event.find("usage"); usage != event.end() && usage->is_object()) out.usage = usage_of(*usage);
  const auto choices = event.find("choices");
  if (choices != event.end() && choices->is_array() && !choices->empty() && choices->front().is_object()) {
    const json& choice = choices->front();
    if (const auto delta = choice.find("delta"); delta != choice.end() && delta->is_object()) {
      out.content = text_at(*delta, "content");
      out.reasoning = text_at(*delta, "reasoning_content");
      if (out.reasoning.empty()) out.reasoning = text_at(*delta, "reasoning");
      if (out.content.empty()) out.content = text_at(*delta, "refusal");
      if (const auto calls = delta->find("tool_calls"); calls != delta->end() && calls->is_array() && !calls->empty()) {
        read_tool_calls(*calls);
        out.tool_calls = tool_calls_json();
      }
    }
    out.finish = text_at(choice, "finish_reason");
    if (!out.finish.empty()) done_ = true;
  }
  if (!out.content.empty() || !out.reasoning.empty() || !out.tool_calls.is_null() || !out.finish.empty() || out.usage)
    sink(std::move(out));
  return true;
}

void ChatEventReader::read_tool_calls(const json& pieces) {
  for (const json& piece : pieces) {
    if (!piece.is_object()) continue;
    const int64_t index = count_at(piece, "index");
    if (!calls_.contains(index) && calls_.size() >= kMostCalls) continue;
    Call& call = calls_[index];
    if (call.id.empty()) call.id = text_at(piece, "id");
    const auto function = piece.find("function");
    if (function == piece.end() || !function->is_object()) continue;
    if (call.name.empty()) call.name = text_at(*function, "name");
    call.arguments += text_at(*function, "arguments");
  }
}

json ChatEventReader::tool_calls_json() const {
  json list = json::array();
  for (const auto& [index, call] : calls_)
    list.push_back({{"id", call.id}, {"name", call.name}, {"arguments", call.arguments}});
  return list;
}

}  // namespace loquat::app
