#include "chats/message_json.h"

#include <cmath>

namespace loquat::chats {
namespace {

using nlohmann::json;

json text_or_null(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

struct Range {
  const char* name;
  double low, high;
  bool whole;
};

constexpr Range kRanges[] = {{"temperature", 0, 2, false},
                             {"top_p", 0, 1, false},
                             {"top_k", 0, 1e6, true},
                             {"min_p", 0, 1, false},
                             {"max_tokens", 1, 1e7, true},
                             {"seed", -9e15, 9e15, true},
                             {"frequency_penalty", -2, 2, false},
                             {"presence_penalty", -2, 2, false}};

}  // namespace

json conversation_json(const Conversation& c) {
  return {{"id", c.id},
          {"title", c.title},
          {"pinned", c.pinned},
          {"system", c.system},
          {"model", c.model},
          {"sampling", c.sampling},
          {"current", text_or_null(c.current)},
          {"created", c.created},
          {"updated", c.updated}};
}

json message_json(const Message& m, bool named) {
  json files = json::array();
  for (const File& file : m.files) files.push_back({{"name", file.name}, {"bytes", file.bytes}});
  json out = {{"id", m.id},
              {"parent", text_or_null(m.parent)},
              {"role", m.role},
              {"content", m.content},
              {"reasoning", m.reasoning},
              {"tool_calls", m.tool_calls},
              {"files", std::move(files)},
              {"model", named ? m.model : ""},
              {"model_hash", named ? m.model_hash : ""},
              {"sampling", m.sampling},
              {"state", m.state},
              {"error", m.error},
              {"created", m.created},
              {"usage", nullptr},
              {"seconds", nullptr},
              {"feedback", nullptr}};
  if (m.usage) {
    out["usage"] = {{"prompt_tokens", m.usage->prompt_tokens},
                    {"completion_tokens", m.usage->completion_tokens},
                    {"cached_tokens", m.usage->cached_tokens}};
  }
  if (!m.client_id.empty()) out["client_id"] = m.client_id;
  if (m.seconds) out["seconds"] = {{"first", m.seconds->first}, {"total", m.seconds->total}};
  return out;
}

Result<json> read_sampling(const json& sampling) {
  if (!sampling.is_object()) return Err("'sampling' must be an object.");
  json out = json::object();
  for (const auto& [name, value] : sampling.items()) {
    if (value.is_null()) continue;
    if (name == "enable_thinking") {
      if (!value.is_boolean()) return Err("'enable_thinking' must be true or false.");
      out[name] = value;
      continue;
    }
    const Range* known = nullptr;
    for (const Range& range : kRanges) {
      if (name == range.name) known = &range;
    }
    if (known == nullptr) return Err("'{}' is not known in 'sampling'.", name.substr(0, 100));
    if (!value.is_number() || (known->whole && !value.is_number_integer()))
      return Err("'{}' must be a {}number.", name, known->whole ? "whole " : "");
    const double number = value.get<double>();
    if (!(number >= known->low && number <= known->high))
      return Err("'{}' must lie between {} and {}.", name, known->low, known->high);
    out[name] = value;
  }
  return out;
}

}  // namespace loquat::chats
