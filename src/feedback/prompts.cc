#include "feedback/prompts.h"

#include <set>

#include "data/message_json.h"
#include "data/row_values.h"
#include "data/rows.h"
#include "data/shapes.h"
#include "store/files.h"

namespace loquat::feedback {
namespace {

using nlohmann::json;

json list_of(const Messages& messages) {
  json out = json::array();
  for (const Message& message : messages) out.push_back({{"role", message.role}, {"content", message.content}});
  return out;
}

Result<json> answers_of(const json& value, const Project& project) {
  if (value.is_null()) return json();
  if (project.kind != kRanking) return Err("answers: a {} has none", project.kind);
  if (!value.is_array() || value.size() < 4 || value.size() > 9) return wrong("answers", value, "a list of 4 to 9");
  std::vector<json> answers;
  std::set<std::string> texts;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string at = fmt::format("answers[{}]", i);
    json answer = value[i].is_string() ? json{{"content", value[i]}} : value[i];
    if (!answer.is_object()) return wrong(at, answer, "text, or {\"content\", \"model\"}");
    TRY(const std::string content, text_of(answer.value("content", json()), at + ".content"));
    TRY(const std::string model, text_of(answer.value("model", json("")), at + ".model"));
    if (content.size() > kLongestText) return Err("{}: more than {} bytes", at, kLongestText);
    if (!texts.insert(content).second) return Err("{}: the same text stands twice", at);
    answers.push_back({{"content", content}, {"model", model}});
  }
  return new_answers(answers);
}

// Groups of places in `answers`, best first; a group is a tie.
Result<json> gold_of(const json& gold, const json& answers) {
  if (!gold.is_object() || !answers.is_array()) return wrong("gold", gold, "{\"ranking\", \"answers\"}");
  const json ranking = gold.value("ranking", json());
  if (!ranking.is_array()) return wrong("gold.ranking", ranking, "a list of groups of answers, the best first");
  json ranks = json::object();
  int64_t rank = 1;
  for (const json& group : ranking) {
    if (!group.is_array()) return wrong("gold.ranking", group, "a group, as [0] or [1, 2]");
    for (const json& place : group) {
      if (!place.is_number_integer() || place < 0 || place >= answers.size())
        return wrong("gold.ranking", place, fmt::format("a place from 0 to {}", answers.size() - 1));
      if (!ranks.emplace(answers[place.get<size_t>()]["id"].get<std::string>(), rank).second)
        return Err("gold.ranking: {} stands twice", place.dump());
    }
    rank += static_cast<int64_t>(group.size());
  }
  if (ranks.size() != answers.size())
    return Err("gold.ranking: {} of {} answers are ranked", ranks.size(), answers.size());
  json out = {{"ranks", ranks}, {"flags", json::object()}};
  const json by_place = gold.value("flags", json::array());
  if (!by_place.is_array() || (!by_place.empty() && by_place.size() != answers.size()))
    return wrong("gold.flags", by_place, "a list of flags for each answer");
  for (size_t i = 0; i < by_place.size(); ++i) {
    for (const json& flag : by_place[i]) {
      if (!flag.is_string() || !is_flag(flag.get_ref<const std::string&>()))
        return wrong("gold.flags", flag, "a known flag");
    }
    out["flags"][answers[i]["id"].get<std::string>()] = by_place[i];
  }
  return out;
}

// The last turn is one that an answer can follow; of a dialogue or an attack it may be what it shall be about.
Status check_messages(const Messages& messages, const Project& project) {
  size_t bytes = 0;
  for (const Message& message : messages) bytes += message.content.size();
  if (bytes > kLongestText) return Err("the prompt has {} bytes, {} are allowed", bytes, kLongestText);
  const bool open = project.kind == kDialogue || project.kind == kRedTeam;
  if (!open && (messages.empty() || messages.back().role != "user"))
    return Err("messages: the last turn must be the user's");
  return {};
}

Result<NewItem> item_of(const Messages& messages, const json& row, const Project& project) {
  TRY_STATUS(check_messages(messages, project));
  NewItem item;
  item.messages = list_of(messages);
  const json gold = row.value("gold", json());
  if (!gold.is_null() && project.kind != kRanking) return Err("gold: only rankings have gold questions");
  const bool within = gold.is_object() && gold.contains("answers");
  TRY(item.answers, answers_of(within ? gold["answers"] : row.value("answers", json()), project));
  if (!gold.is_null()) {
    TRY(item.gold, gold_of(gold, item.answers));
  }
  TRY(item.suggestion, text_of(row.value("suggestion", json("")), "suggestion"));
  item.hash = sha256_hex(stored(item.messages));
  return item;
}

// A row of a file: the page's own form, or any that src/data reads as a prompt.
Result<NewItem> item_of_row(const json& row, const Project& project) {
  if (row.contains("messages") && (row.contains("gold") || row.contains("answers") || row.contains("suggestion"))) {
    TRY(const Messages messages, messages_of(row["messages"], "messages"));
    return item_of(messages, row, project);
  }
  TRY(const Messages messages, prompt_of_row(row));
  return item_of(messages, json::object(), project);
}

Result<NewItem> item_of_line(const std::string& line, const Project& project) {
  if (line.starts_with('{')) {
    TRY(const json row, parse_row(line));
    return item_of_row(row, project);
  }
  return item_of({{"user", line}}, json::object(), project);
}

Outcome<std::vector<NewItem>> from_text(const Project& project, const std::string& text, Imported& imported) {
  std::vector<NewItem> items;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == line.npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    auto item = item_of_line(line, project);
    if (!item.ok()) {
      imported.skipped.push_back({number, item.error()});
      continue;
    }
    items.push_back(*std::move(item));
    if (items.size() > kMostPrompts)
      return wrong_field("text", fmt::format("text: more than {} prompts at once", kMostPrompts));
  }
  return items;
}

}  // namespace

Outcome<std::vector<NewItem>> read_prompts(const Project& project, const json& body, Imported& imported) {
  if (const auto text = body.find("text"); text != body.end()) {
    if (!text->is_string()) return wrong_field("text", "text: expected JSONL, or a prompt per line");
    return from_text(project, text->get_ref<const std::string&>(), imported);
  }
  const json list = body.value("prompts", json());
  if (!list.is_array() || list.size() > kMostPrompts)
    return wrong_field("prompts", fmt::format("prompts: expected a list of at most {} prompts", kMostPrompts));
  std::vector<NewItem> items;
  for (size_t i = 0; i < list.size(); ++i) {
    auto item = [&]() -> Result<NewItem> {
      if (!list[i].is_object()) return wrong("prompt", list[i], "{\"messages\"}");
      TRY(const Messages messages, messages_of(list[i].value("messages", json()), "messages"));
      return item_of(messages, list[i], project);
    }();
    if (item.ok()) {
      items.push_back(*std::move(item));
    } else {
      imported.skipped.push_back({static_cast<int64_t>(i), item.error()});
    }
  }
  return items;
}

json new_answers(const std::vector<json>& answers) {
  json out = json::array();
  for (const json& answer : answers) {
    out.push_back({{"id", new_id("answer-")},
                   {"content", answer.at("content")},
                   {"model", answer.value("model", "")},
                   {"model_hash", answer.value("model_hash", "")},
                   {"sampling", answer.value("sampling", json::object())}});
  }
  return out;
}

}  // namespace loquat::feedback
