#include "data/jsonl.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/message_json.h"
#include "data/row_values.h"
#include "data/rows.h"
#include "data/shapes.h"

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

ordered_json to_list(const Messages& messages, const std::vector<int64_t>& untrained = {}) {
  ordered_json out = ordered_json::array();
  for (const Message& m : messages) out.push_back(to_json(m));
  for (const int64_t i : untrained) out[static_cast<size_t>(i)]["weight"] = 0;
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
  TRY(const json row, parse_row(line));
  return text_of_row(row);
}

Result<Demonstration> demonstration_from_json(std::string_view line) {
  TRY(const json row, parse_row(line));
  return demonstration_of_row(row);
}

Result<std::optional<Ranking>> ranking_from_json(std::string_view line) {
  TRY(const json row, parse_row(line));
  return ranking_of_row(row);
}

Result<Messages> prompt_from_json(std::string_view line) {
  TRY(const json row, parse_row(line));
  return prompt_of_row(row);
}

std::string text_to_json(std::string_view text) {
  return line_of({{"text", text}});
}

std::string to_json(const Demonstration& item) {
  ordered_json row = {{"id", item.id}, {"messages", to_list(item.messages, item.untrained)}};
  if (!item.tools.empty()) row["tools"] = ordered_json::parse(item.tools);
  return line_of(row);
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
