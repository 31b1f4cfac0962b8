#include "serve/api/response_items.h"

#include "serve/api/exchange.h"

namespace loquat::serve::api {
namespace {

Json text_part(const std::string& text) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}, {"logprobs", Json::array()}};
}

Json reasoning_part(const std::string& text) {
  return {{"type", "reasoning_text"}, {"text", text}};
}

Json joined(Json first, const Json& second) {
  first.update(second);
  return first;
}

}  // namespace

void ResponseItems::emit(const char* type, Json fields) {
  if (emit_) emit_(type, std::move(fields));
}

Json ResponseItems::place() const {
  return {{"item_id", output_.back()["id"]}, {"output_index", output_.size() - 1}};
}

void ResponseItems::open_message() {
  close("completed");
  output_.push_back({{"id", random_id("msg_", 32)},
                     {"type", "message"},
                     {"status", "in_progress"},
                     {"role", "assistant"},
                     {"content", Json::array()}});
  open_ = true;
  emit("response.output_item.added", {{"output_index", output_.size() - 1}, {"item", output_.back()}});
  emit("response.content_part.added", joined(place(), {{"content_index", 0}, {"part", text_part("")}}));
}

void ResponseItems::open_call(const std::string& name) {
  close("completed");
  output_.push_back({{"id", random_id("fc_", 32)},
                     {"type", "function_call"},
                     {"status", "in_progress"},
                     {"call_id", random_id("call_", 24)},
                     {"name", name},
                     {"arguments", ""}});
  open_ = true;
  emit("response.output_item.added", {{"output_index", output_.size() - 1}, {"item", output_.back()}});
}

void ResponseItems::open_reasoning() {
  close("completed");
  output_.push_back({{"id", random_id("rs_", 32)},
                     {"type", "reasoning"},
                     {"status", "in_progress"},
                     {"summary", Json::array()},
                     {"content", Json::array()}});
  open_ = true;
  emit("response.output_item.added", {{"output_index", output_.size() - 1}, {"item", output_.back()}});
  emit("response.content_part.added", joined(place(), {{"content_index", 0}, {"part", reasoning_part("")}}));
}

void ResponseItems::add(const ToolPiece& piece) {
  switch (piece.kind) {
    case ToolPiece::Kind::kText:
      if (!open_ || output_.back()["type"] != "message") open_message();
      emit("response.output_text.delta",
           joined(place(), {{"content_index", 0}, {"delta", piece.text}, {"logprobs", Json::array()}}));
      grown_ += piece.text;
      break;
    case ToolPiece::Kind::kReasoning:
      if (!open_ || output_.back()["type"] != "reasoning") open_reasoning();
      emit("response.reasoning_text.delta", joined(place(), {{"content_index", 0}, {"delta", piece.text}}));
      grown_ += piece.text;
      break;
    case ToolPiece::Kind::kCall:
      open_call(piece.text);
      break;
    case ToolPiece::Kind::kArguments:
      emit("response.function_call_arguments.delta", joined(place(), {{"delta", piece.text}}));
      grown_ += piece.text;
      break;
  }
}

void ResponseItems::close(const char* status) {
  if (!open_) return;
  open_ = false;
  Json& item = output_.back();
  const std::string grown = std::exchange(grown_, {});
  item["status"] = status;
  if (item["type"] == "message") {
    const Json part = text_part(grown);
    item["content"] = Json::array({part});
    emit("response.output_text.done",
         joined(place(), {{"content_index", 0}, {"text", grown}, {"logprobs", Json::array()}}));
    emit("response.content_part.done", joined(place(), {{"content_index", 0}, {"part", part}}));
  } else if (item["type"] == "reasoning") {
    const Json part = reasoning_part(grown);
    item["content"] = Json::array({part});
    emit("response.reasoning_text.done", joined(place(), {{"content_index", 0}, {"text", grown}}));
    emit("response.content_part.done", joined(place(), {{"content_index", 0}, {"part", part}}));
  } else {
    item["arguments"] = grown;
    emit("response.function_call_arguments.done", joined(place(), {{"name", item["name"]}, {"arguments", grown}}));
  }
  emit("response.output_item.done", {{"output_index", output_.size() - 1}, {"item", item}});
}

void ResponseItems::finish(bool complete) {
  if (output_.empty()) open_message();
  close(complete ? "completed" : "incomplete");
}

}  // namespace loquat::serve::api
