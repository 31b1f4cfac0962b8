// Parsing names the field that is wrong (OpenAI's `param`), so that a client's error message says what to change.
#include "serve/openai.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "serve/http_server.h"

namespace loquat::serve {
namespace {

using Json = nlohmann::ordered_json;

// Replies come from models: any bytes that are no UTF-8 become U+FFFD rather than an exception.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }
std::string event(const Json& json) { return "data: " + dump(json) + "\n\n"; }

struct Wrong {
  ApiError error;
};

[[noreturn]] void wrong(const std::string& param, const std::string& message, const std::string& code = "") {
  throw Wrong{{400, message, "invalid_request_error", param, code}};
}

// Absent and null are alike: the field is not given.
const Json* given(const Json& body, const std::string& name) {
  const auto found = body.find(name);
  return found == body.end() || found->is_null() ? nullptr : &*found;
}

double number(const Json& body, const std::string& name, double fallback, double low, double high) {
  const Json* value = given(body, name);
  if (!value) return fallback;
  if (!value->is_number()) wrong(name, fmt::format("'{}' must be a number.", name), "invalid_type");
  const double x = value->get<double>();
  if (!(x >= low && x <= high)) {
    wrong(name, fmt::format("'{}' is {}; it must be between {} and {}.", name, value->dump(), low, high), "invalid_value");
  }
  return x;
}

int64_t integer(const Json& body, const std::string& name, int64_t fallback, int64_t low, int64_t high) {
  const Json* value = given(body, name);
  if (!value) return fallback;
  if (!value->is_number_integer()) wrong(name, fmt::format("'{}' must be an integer.", name), "invalid_type");
  const bool too_big = value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (too_big || value->get<int64_t>() < low || value->get<int64_t>() > high) {
    wrong(name, fmt::format("'{}' is {}; it must be between {} and {}.", name, value->dump(), low, high), "invalid_value");
  }
  return value->get<int64_t>();
}

bool flag(const Json& body, const std::string& name, const std::string& param) {
  const Json* value = given(body, name);
  if (!value) return false;
  if (!value->is_boolean()) wrong(param, fmt::format("'{}' must be true or false.", param), "invalid_type");
  return value->get<bool>();
}

std::string content_of(const Json& message, const std::string& where, const std::string& role) {
  const Json* content = given(message, "content");
  if (!content) {
    if (role == "assistant") return "";
    wrong(where + ".content", fmt::format("'{}.content' is missing.", where), "missing_required_parameter");
  }
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) {
    wrong(where + ".content", fmt::format("'{}.content' must be a string or a list of text parts.", where), "invalid_type");
  }
  std::string text;
  for (const Json& part : *content) {
    const Json* part_text = part.is_object() && part.value("type", Json()) == "text" ? given(part, "text") : nullptr;
    if (!part_text || !part_text->is_string()) {
      wrong(where + ".content", fmt::format("'{}.content' may hold text parts only: these models read text.", where),
            "unsupported_content");
    }
    text += part_text->get<std::string>();
  }
  return text;
}

Messages messages_of(const Json& body) {
  const Json* list = given(body, "messages");
  if (!list) wrong("messages", "'messages' is missing.", "missing_required_parameter");
  if (!list->is_array()) wrong("messages", "'messages' must be a list.", "invalid_type");
  if (list->empty()) wrong("messages", "'messages' is empty; give at least one message.", "empty_array");
  Messages messages;
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& message = (*list)[i];
    const std::string where = fmt::format("messages[{}]", i);
    if (!message.is_object()) wrong(where, fmt::format("'{}' must be an object.", where), "invalid_type");
    const Json* role = given(message, "role");
    if (!role || !role->is_string()) wrong(where + ".role", fmt::format("'{}.role' must be a string.", where), "invalid_type");
    std::string name = role->get<std::string>();
    if (name == "developer") name = "system";
    if (name != "system" && name != "user" && name != "assistant") {
      wrong(where + ".role", fmt::format("'{}.role' is '{}'; it must be system, developer, user or assistant.", where, name),
            "invalid_value");
    }
    messages.push_back({name, content_of(message, where, name)});
  }
  return messages;
}

std::vector<std::string> stops_of(const Json& body) {
  const Json* stop = given(body, "stop");
  if (!stop) return {};
  if (stop->is_string()) {
    if (stop->get_ref<const std::string&>().empty()) return {};
    return {stop->get<std::string>()};
  }
  if (!stop->is_array()) wrong("stop", "'stop' must be a string or a list of strings.", "invalid_type");
  if (stop->size() > 4) wrong("stop", "'stop' may have at most 4 sequences.", "array_above_max_length");
  std::vector<std::string> stops;
  for (const Json& item : *stop) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      wrong("stop", "'stop' must hold strings that are not empty.", "invalid_value");
    }
    stops.push_back(item.get<std::string>());
  }
  return stops;
}

// What OpenAI's API has and these models or this server do not: refused, never silently left out.
void refuse_unsupported(const Json& body) {
  if (integer(body, "n", 1, 1, 128) != 1) wrong("n", "'n' must be 1: this server gives one choice.", "unsupported_value");
  if (flag(body, "logprobs", "logprobs")) wrong("logprobs", "'logprobs' is not supported.", "unsupported_parameter");
  for (const char* name : {"presence_penalty", "frequency_penalty"}) {
    if (number(body, name, 0, -2, 2) != 0) wrong(name, fmt::format("'{}' is not supported.", name), "unsupported_parameter");
  }
  for (const char* name : {"tools", "functions", "logit_bias"}) {
    const Json* value = given(body, name);
    if (value && !value->empty()) wrong(name, fmt::format("'{}' is not supported.", name), "unsupported_parameter");
  }
  const Json* format = given(body, "response_format");
  if (format && !(format->is_object() && format->value("type", Json()) == "text")) {
    wrong("response_format", "'response_format' must be {\"type\": \"text\"}.", "unsupported_value");
  }
}

ChatCall call_of(const Json& body) {
  if (!body.is_object()) wrong("", "The body must be a JSON object.", "invalid_type");
  ChatCall call;
  const Json* model = given(body, "model");
  if (!model || !model->is_string()) {
    wrong("model", "'model' must be a string: one of those that GET /v1/models lists.",
          model ? "invalid_type" : "missing_required_parameter");
  }
  call.model = model->get<std::string>();
  call.messages = messages_of(body);
  call.temperature = static_cast<float>(number(body, "temperature", 1, 0, 2));
  call.top_p = static_cast<float>(number(body, "top_p", 1, 0, 1));
  const int64_t older = integer(body, "max_tokens", 0, 1, 1 << 30);
  call.max_tokens = integer(body, "max_completion_tokens", older, 1, 1 << 30);
  if (given(body, "seed")) call.seed = static_cast<uint64_t>(integer(body, "seed", 0, INT64_MIN, INT64_MAX));
  call.stop = stops_of(body);
  call.stream = flag(body, "stream", "stream");
  if (const Json* options = given(body, "stream_options")) {
    if (!options->is_object()) wrong("stream_options", "'stream_options' must be an object.", "invalid_type");
    if (!call.stream) wrong("stream_options", "'stream_options' is for stream: true only.", "invalid_value");
    call.include_usage = flag(*options, "include_usage", "stream_options.include_usage");
  }
  refuse_unsupported(body);
  return call;
}

const char* name_of(Finish finish) { return finish == Finish::kLength ? "length" : "stop"; }

Json usage_json(const ChatResult& result) {
  return {{"prompt_tokens", result.prompt_tokens},
          {"completion_tokens", result.completion_tokens},
          {"total_tokens", result.prompt_tokens + result.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", 0}}},
          {"completion_tokens_details", {{"reasoning_tokens", 0}}}};
}

Json chunk(const std::string& id, int64_t created, const std::string& model, Json choices, bool include_usage) {
  Json json = {{"id", id}, {"object", "chat.completion.chunk"}, {"created", created}, {"model", model}};
  json["choices"] = std::move(choices);
  if (include_usage) json["usage"] = nullptr;
  return json;
}

Json choice(Json delta, Json finish_reason) {
  return Json::array({{{"index", 0}, {"delta", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", finish_reason}}});
}

}  // namespace

std::string error_body(const ApiError& error) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  Json inner = {{"message", error.message}, {"type", error.type}};
  inner["param"] = or_null(error.param);
  inner["code"] = or_null(error.code);
  Json outer;
  outer["error"] = std::move(inner);
  return dump(outer);
}

Response error_response(const ApiError& error) {
  return {error.status, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, error_body(error), {}};
}

std::variant<ChatCall, ApiError> parse_chat_call(const std::string& body) {
  try {
    return call_of(Json::parse(body));
  } catch (const Wrong& found) {
    return found.error;
  } catch (const Json::parse_error& failure) {
    return ApiError{400, fmt::format("The body is not valid JSON (at byte {}).", failure.byte), "invalid_request_error", "",
                    "invalid_json"};
  } catch (const Json::exception& failure) {
    return ApiError{400, fmt::format("The body has an unexpected shape: {}.", failure.what()), "invalid_request_error", "",
                    "invalid_value"};
  }
}

std::string ChatWriter::role_event() const {
  return event(chunk(id_, created_, model_, choice({{"role", "assistant"}, {"content", ""}}, nullptr), include_usage_));
}

std::string ChatWriter::content_event(std::string_view text) const {
  return event(chunk(id_, created_, model_, choice({{"content", std::string(text)}}, nullptr), include_usage_));
}

std::string ChatWriter::finish_event(Finish finish) const {
  return event(chunk(id_, created_, model_, choice(Json::object(), name_of(finish)), include_usage_));
}

std::string ChatWriter::usage_event(const ChatResult& result) const {
  Json json = chunk(id_, created_, model_, Json::array(), true);
  json["usage"] = usage_json(result);
  return event(json);
}

std::string ChatWriter::error_event(const ApiError& error) { return "data: " + error_body(error) + "\n\n"; }

std::string ChatWriter::completion(const ChatResult& result) const {
  Json message = {{"role", "assistant"}, {"content", result.text}, {"refusal", nullptr}};
  Json json = {{"id", id_}, {"object", "chat.completion"}, {"created", created_}, {"model", model_}};
  json["choices"] = Json::array(
      {{{"index", 0}, {"message", std::move(message)}, {"logprobs", nullptr}, {"finish_reason", name_of(result.finish)}}});
  json["usage"] = usage_json(result);
  return dump(json);
}

namespace {
Json model_json(const ModelInfo& model) {
  return {{"id", model.id}, {"object", "model"}, {"created", model.created}, {"owned_by", "loquat"}};
}
}  // namespace

std::string model_body(const ModelInfo& model) { return dump(model_json(model)); }

std::string models_body(const std::vector<ModelInfo>& models) {
  Json list = Json::array();
  for (const ModelInfo& model : models) list.push_back(model_json(model));
  Json json = {{"object", "list"}};
  json["data"] = std::move(list);
  return dump(json);
}

std::string StopFilter::push(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    return std::exchange(held_, "").substr(0, first);
  }
  size_t keep = 0;  // the longest end of held_ that begins a stop sequence
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) keep = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

std::string StopFilter::finish() { return stopped_ ? "" : std::exchange(held_, ""); }

}  // namespace loquat::serve
