#include "data/jsonl.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "store/files.h"

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= 60) return text;
  size_t end = 57;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a character
  return text.substr(0, end) + "...";
}

Error wrong(std::string_view field, const json& found, std::string_view expected) {
  return Err("{}: found {}, expected {}", field, shown(found), expected);
}

Result<json> parse_object(std::string_view line) {
  size_t bad = 0;
  if (!is_utf8(line, &bad)) {
    return Err("not UTF-8: found byte 0x{:02X} at column {}, expected UTF-8 text",
               static_cast<unsigned char>(line[bad]), bad + 1);
  }
  if (json_nests_deeper(line)) return Err("nested too deep, expected at most {} levels", kMaxJsonDepth);
  try {
    json value = json::parse(line);
    if (!value.is_object()) return wrong("the line", value, "a JSON object");
    return value;
  } catch (const json::exception& e) {
    const std::string_view what = e.what();
    const size_t prefix = what.find("] ");  // the library's name for the error
    return Err("not JSON: {}; expected one JSON object", prefix == what.npos ? what : what.substr(prefix + 2));
  }
}

// The names of the keys that are there: what was found where no shape fits.
std::string keys_of(const json& object) {
  std::string out;
  for (const auto& [key, value] : object.items()) {
    if (out.size() > 100) return out + ", ...";
    out += (out.empty() ? "" : ", ") + key;
  }
  return out.empty() ? "no key" : out;
}

bool has(const json& object, std::initializer_list<const char*> keys) {
  return std::all_of(keys.begin(), keys.end(), [&](const char* key) { return object.contains(key); });
}

Result<std::string> text_of(const json& value, std::string_view field) {
  if (!value.is_string()) return wrong(field, value, "text");
  return value.get<std::string>();
}

Result<Messages> messages_of(const json& list, const std::string& field) {
  if (!list.is_array() || list.empty()) return wrong(field, list, "a list of {\"role\", \"content\"}");
  Messages out;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", field, i);
    if (!list[i].is_object()) return wrong(at, list[i], "{\"role\", \"content\"}");
    const json role = list[i].value("role", json());
    if (role != "system" && role != "user" && role != "assistant") {
      return wrong(at + ".role", role, "\"system\", \"user\" or \"assistant\"");
    }
    TRY(std::string content, text_of(list[i].value("content", json()), at + ".content"));
    out.push_back({role, std::move(content)});
  }
  return out;
}

// A text is one turn of `role`; a list is what it says.
Result<Messages> turns_of(const json& value, const std::string& field, const char* role) {
  if (value.is_string()) return Messages{{role, value.get<std::string>()}};
  if (value.is_array()) return messages_of(value, field);
  return wrong(field, value, "text, or a list of {\"role\", \"content\"}");
}

Result<std::string> id_of(const json& object) {
  const auto it = object.find("id");
  if (it == object.end() || it->is_null()) return std::string();
  if (it->is_string()) return it->get<std::string>();
  if (it->is_number_integer()) return it->dump();
  return wrong("id", *it, "text or an integer");
}

Result<Messages> demonstration_messages(const json& object) {
  if (has(object, {"messages"})) return messages_of(object["messages"], "messages");
  if (has(object, {"prompt", "completion"})) {
    TRY(Messages out, turns_of(object["prompt"], "prompt", "user"));
    TRY(const Messages completion, turns_of(object["completion"], "completion", "assistant"));
    out.insert(out.end(), completion.begin(), completion.end());
    return out;
  }
  if (has(object, {"instruction", "output"})) {
    TRY(std::string request, text_of(object["instruction"], "instruction"));
    TRY(const std::string input, text_of(object.value("input", json("")), "input"));
    TRY(std::string output, text_of(object["output"], "output"));
    if (!input.empty()) request += "\n\n" + input;
    return Messages{{"user", std::move(request)}, {"assistant", std::move(output)}};
  }
  return Err("found {}, expected \"messages\", or \"prompt\" and \"completion\", or \"instruction\" and \"output\"",
             keys_of(object));
}

// Two whole conversations that differ in their last reply alone are a comparison.
std::optional<Ranking> comparison(Messages chosen, Messages rejected) {
  if (chosen.size() != rejected.size() || chosen.size() < 2 || chosen.back() == rejected.back()) return std::nullopt;
  if (chosen.back().role != "assistant" || rejected.back().role != "assistant") return std::nullopt;
  Ranking out;
  out.responses = {{std::move(chosen.back().content), 0}, {std::move(rejected.back().content), 1}};
  chosen.pop_back();
  rejected.pop_back();
  if (chosen != rejected || chosen.back().role != "user") return std::nullopt;
  out.prompt = std::move(chosen);
  return out;
}

// The conversation that a "chosen" or "rejected" stands for, the prompt before it.
Result<Messages> conversation_of(const json& object, const char* key, const Messages& prompt) {
  const json& value = object[key];
  if (value.is_string() && prompt.empty()) {
    auto turns = messages_from_transcript(value.get_ref<const std::string&>());
    if (!turns.ok()) return Err("{}: {}", key, turns.error());
    return turns;
  }
  TRY(Messages turns, turns_of(value, key, "assistant"));
  if (turns.back().role != "assistant") return wrong(key, value, "an assistant's turn at its end");
  const bool whole = turns.size() > prompt.size() && std::equal(prompt.begin(), prompt.end(), turns.begin());
  if (!whole) turns.insert(turns.begin(), prompt.begin(), prompt.end());
  return turns;
}

Result<std::optional<Ranking>> pair_of(const json& object) {
  Messages prompt;
  if (object.contains("prompt")) {
    TRY(prompt, turns_of(object["prompt"], "prompt", "user"));
    if (prompt.back().role != "user") return wrong("prompt", object["prompt"], "a user's turn at its end");
  }
  TRY(Messages chosen, conversation_of(object, "chosen", prompt));
  TRY(Messages rejected, conversation_of(object, "rejected", prompt));
  return comparison(std::move(chosen), std::move(rejected));
}

Result<int32_t> integer_of(const json& value, const std::string& field, int32_t low, int32_t high) {
  if (!value.is_number_integer() || value < low || value > high) {
    return wrong(field, value, fmt::format("an integer from {} to {}", low, high));
  }
  return value.get<int32_t>();
}

Result<RankedResponse> response_of(const json& value, const std::string& field) {
  if (!value.is_object()) return wrong(field, value, "{\"text\", \"rank\"}");
  RankedResponse out;
  TRY(out.text, text_of(value.value("text", json()), field + ".text"));
  TRY(out.rank, integer_of(value.value("rank", json()), field + ".rank", 0, 1'000'000));
  TRY(out.likert, integer_of(value.value("likert", json(0)), field + ".likert", 0, 7));
  const json flags = value.value("flags", json::array());
  if (!flags.is_array()) return wrong(field + ".flags", flags, "a list of texts");
  for (const json& flag : flags) {
    TRY(std::string name, text_of(flag, field + ".flags"));
    out.flags.push_back(std::move(name));
  }
  return out;
}

Result<std::optional<Ranking>> ranking_of(const json& object) {
  Ranking out;
  TRY(out.prompt, messages_of(object["messages"], "messages"));
  if (out.prompt.back().role != "user") return wrong("messages", object["messages"].back(), "a user's turn at its end");
  const json& list = object["responses"];
  if (!list.is_array() || list.size() < 2) return wrong("responses", list, "a list of at least two");
  for (size_t i = 0; i < list.size(); ++i) {
    TRY(RankedResponse response, response_of(list[i], fmt::format("responses[{}]", i)));
    out.responses.push_back(std::move(response));
  }
  return std::optional(std::move(out));
}

ordered_json to_list(const Messages& messages) {
  ordered_json out = ordered_json::array();
  for (const Message& m : messages) out.push_back({{"role", m.role}, {"content", m.content}});
  return out;
}

std::string line_of(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

Result<Messages> messages_from_transcript(std::string_view text) {
  constexpr std::string_view kHuman = "\n\nHuman:", kAssistantTurn = "\n\nAssistant:";
  if (!text.starts_with(kHuman) && !text.starts_with(kAssistantTurn)) {
    return wrong("transcript", json(std::string(text)), R"("\n\nHuman: ...\n\nAssistant: ...")");
  }
  Messages out;
  while (!text.empty()) {
    const bool human = text.starts_with(kHuman);
    text.remove_prefix(human ? kHuman.size() : kAssistantTurn.size());
    const size_t end = std::min({text.find(kHuman), text.find(kAssistantTurn), text.size()});
    out.push_back({human ? "user" : "assistant", std::string(trimmed(text.substr(0, end)))});
    text.remove_prefix(end);
  }
  return out;
}

Result<std::string> text_from_json(std::string_view line) {
  TRY(const json object, parse_object(line));
  if (object.contains("text")) return text_of(object["text"], "text");
  if (!object.contains("messages"))
    return Err("found {}, expected \"text\", or \"messages\" to read as a text", keys_of(object));
  TRY(const Messages messages, messages_of(object["messages"], "messages"));
  std::string text;
  for (const Message& m : messages) {
    const char* who = m.role == "user" ? "User: " : m.role == "assistant" ? "Assistant: " : "";
    text += (text.empty() ? "" : "\n") + (who + m.content);
  }
  return text;
}

Result<Demonstration> demonstration_from_json(std::string_view line) {
  TRY(const json object, parse_object(line));
  Demonstration out;
  TRY(out.id, id_of(object));
  TRY(out.messages, demonstration_messages(object));
  // A conversation may end with what nobody answered: there is nothing to learn there.
  while (!out.messages.empty() && out.messages.back().role != "assistant") out.messages.pop_back();
  if (out.messages.empty()) return Err("found no assistant's turn, expected a reply to learn from");
  return out;
}

Result<std::optional<Ranking>> ranking_from_json(std::string_view line) {
  TRY(const json object, parse_object(line));
  TRY(std::string id, id_of(object));
  std::optional<Ranking> out;
  if (has(object, {"chosen", "rejected"})) {
    TRY(out, pair_of(object));
  } else if (has(object, {"messages", "responses"})) {
    TRY(out, ranking_of(object));
  } else if (!object.contains("reward") && !object.contains("label")) {  // those judge one reply: nothing to compare
    return Err(
        "found {}, expected \"chosen\" and \"rejected\" (with \"prompt\", or as transcripts), or \"messages\" and "
        "\"responses\"",
        keys_of(object));
  }
  if (out) out->id = std::move(id);
  return out;
}

Result<Messages> prompt_from_json(std::string_view line) {
  TRY(const json object, parse_object(line));
  const char* key = object.contains("messages") ? "messages" : "prompt";
  if (!object.contains(key)) return Err("found {}, expected \"messages\" or \"prompt\"", keys_of(object));
  TRY(Messages out, turns_of(object[key], key, "user"));
  if (out.back().role != "user") return wrong(key, json(out.back().role), "a user's turn at its end");
  return out;
}

std::string text_to_json(std::string_view text) {
  return line_of({{"text", text}});
}

std::string to_json(const Demonstration& item) {
  return line_of({{"id", item.id}, {"messages", to_list(item.messages)}});
}

std::string to_json(const Ranking& item) {
  ordered_json responses = ordered_json::array();
  for (const RankedResponse& r : item.responses) {
    ordered_json response = {{"text", r.text}, {"rank", r.rank}};
    if (r.likert != 0) response["likert"] = r.likert;
    if (!r.flags.empty()) response["flags"] = r.flags;
    responses.push_back(std::move(response));
  }
  return line_of({{"id", item.id}, {"messages", to_list(item.prompt)}, {"responses", std::move(responses)}});
}

std::string prompt_to_json(const Messages& prompt) {
  return line_of({{"messages", to_list(prompt)}});
}

}  // namespace loquat
