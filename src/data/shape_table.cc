// The table of shapes (shapes.h) and how each is read.
#include <algorithm>
#include <map>

#include "data/jsonl.h"
#include "data/row_values.h"
#include "data/shapes.h"

namespace loquat {
namespace {

using nlohmann::json;
using Read = Result<std::optional<ReadRow>>;

constexpr unsigned kText = static_cast<unsigned>(RowKind::kText);
constexpr unsigned kDemonstration = static_cast<unsigned>(RowKind::kDemonstration);
constexpr unsigned kRanking = static_cast<unsigned>(RowKind::kRanking);
constexpr unsigned kPrompt = static_cast<unsigned>(RowKind::kPrompt);
constexpr unsigned kUnpaired = static_cast<unsigned>(RowKind::kUnpaired);
constexpr unsigned kConversation = kDemonstration | kPrompt | kText;

Read conversation(Messages messages, std::vector<int64_t> untrained = {}) {
  ReadRow out;
  out.messages = std::move(messages);
  out.untrained = std::move(untrained);
  return std::optional(std::move(out));
}

// An exchange with a system's turn where there is one.
Read exchange(const json& system, std::string request, std::string reply) {
  Messages out;
  if (system.is_string() && !system.get_ref<const std::string&>().empty())
    out.push_back({"system", system.get<std::string>()});
  out.push_back({"user", std::move(request)});
  out.push_back({"assistant", std::move(reply)});
  return conversation(std::move(out));
}

json system_of(const json& row) {
  const char* key = key_among(row, {"system", "system_prompt"});
  return key == nullptr ? json() : row[key];
}

// ---- conversations

Read read_messages(const json& row) {
  std::vector<int64_t> untrained;
  TRY(Messages messages, messages_of(row["messages"], "messages", &untrained));
  return conversation(std::move(messages), std::move(untrained));
}

Read read_sharegpt(const json& row) {
  const char* key = key_among(row, {"conversations", "conversation", "items"});
  if (key == nullptr) return wrong("conversations", json(), "a list of {\"from\", \"value\"}");
  std::vector<int64_t> untrained;
  TRY(Messages messages, sharegpt_of(row[key], key, &untrained));
  const json system = system_of(row);
  if (system.is_string() && !system.get_ref<const std::string&>().empty() && messages[0].role != "system") {
    messages.insert(messages.begin(), {"system", system.get<std::string>()});
    for (int64_t& i : untrained) ++i;
  }
  return conversation(std::move(messages), std::move(untrained));
}

Read read_completion(const json& row) {
  const char* key = row.contains("completion") ? "completion" : "response";
  TRY(Messages messages, turns_of(row["prompt"], "prompt", "user"));
  TRY(const Messages completion, turns_of(row[key], key, "assistant"));
  messages.insert(messages.end(), completion.begin(), completion.end());
  return conversation(std::move(messages));
}

// The request with what it is about below it.
Result<std::string> request_of(const json& row, const char* key, const char* more) {
  TRY(std::string request, text_of(row[key], key));
  const json& input = row.contains(more) ? row[more] : json("");
  if (input.is_null()) return request;
  TRY(const std::string text, text_of(input, more));
  if (!text.empty()) request += "\n\n" + text;
  return request;
}

Read read_alpaca(const json& row) {
  TRY(std::string request, request_of(row, "instruction", "input"));
  TRY(std::string reply, text_of(row["output"], "output"));
  return exchange(system_of(row), std::move(request), std::move(reply));
}

Read read_dolly(const json& row) {
  TRY(std::string request, request_of(row, "instruction", "context"));
  TRY(std::string reply, text_of(row["response"], "response"));
  return exchange(system_of(row), std::move(request), std::move(reply));
}

Read read_answer(const json& row) {
  const char* key = row.contains("answer") ? "answer" : "response";
  TRY(std::string request, text_of(row["question"], "question"));
  TRY(std::string reply, text_of(row[key], key));
  return exchange(system_of(row), std::move(request), std::move(reply));
}

Read read_text(const json& row) {
  ReadRow out;
  TRY(out.text, text_of(row["text"], "text"));
  return std::optional(std::move(out));
}

Read read_prompt(const json& row) {
  TRY(Messages messages, turns_of(row["prompt"], "prompt", "user"));
  return conversation(std::move(messages));
}

// ---- comparisons

Read replies_to(Messages prompt, std::vector<RankedResponse> responses) {
  ReadRow out;
  out.messages = std::move(prompt);
  out.responses = std::move(responses);
  return std::optional(std::move(out));
}

// Two whole conversations that differ in their last reply alone are a comparison.
Read comparison(Messages chosen, Messages rejected) {
  if (chosen.size() != rejected.size() || chosen.size() < 2 || chosen.back() == rejected.back())
    return std::optional<ReadRow>();
  if (chosen.back().role != "assistant" || rejected.back().role != "assistant") return std::optional<ReadRow>();
  std::vector<RankedResponse> responses{{std::move(chosen.back().content), 0, 0, {}},
                                        {std::move(rejected.back().content), 1, 0, {}}};
  chosen.pop_back();
  rejected.pop_back();
  if (chosen != rejected || chosen.back().role != "user") return std::optional<ReadRow>();
  return replies_to(std::move(chosen), std::move(responses));
}

// The conversation that a "chosen" or "rejected" stands for, the prompt before it.
Result<Messages> side_of(const json& row, const char* key, const Messages& prompt) {
  const json& value = row[key];
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

// Of the first of these keys that is there; with the system's turn, where the row has one of its own.
Result<Messages> prompt_before(const json& row, std::initializer_list<const char*> keys) {
  const char* key = key_among(row, keys);
  if (key == nullptr) return wrong(*keys.begin(), json(), "text, or a list of {\"role\", \"content\"}");
  TRY(Messages prompt, turns_of(row[key], key, "user"));
  if (prompt.back().role != "user") return wrong(key, row[key], "a user's turn at its end");
  const json system = system_of(row);
  if (system.is_string() && !system.get_ref<const std::string&>().empty() && prompt[0].role != "system")
    prompt.insert(prompt.begin(), {"system", system.get<std::string>()});
  return prompt;
}

Read read_pair(const json& row) {
  Messages prompt;
  if (row.contains("prompt")) {
    TRY(prompt, prompt_before(row, {"prompt"}));
  }
  TRY(Messages chosen, side_of(row, "chosen", prompt));
  TRY(Messages rejected, side_of(row, "rejected", prompt));
  return comparison(std::move(chosen), std::move(rejected));
}

Read read_question_pair(const json& row) {
  TRY(const Messages prompt, prompt_before(row, {"question", "instruction", "input"}));
  TRY(Messages chosen, side_of(row, "chosen", prompt));
  TRY(Messages rejected, side_of(row, "rejected", prompt));
  return comparison(std::move(chosen), std::move(rejected));
}

Read read_two_responses(const json& row) {
  TRY(Messages prompt, prompt_before(row, {"question", "prompt", "instruction"}));
  TRY(std::string better, text_of(row["response_j"], "response_j"));
  TRY(std::string worse, text_of(row["response_k"], "response_k"));
  if (better == worse) return std::optional<ReadRow>();
  return replies_to(std::move(prompt), {{std::move(better), 0, 0, {}}, {std::move(worse), 1, 0, {}}});
}

Result<int32_t> integer_of(const json& value, const std::string& field, int32_t low, int32_t high) {
  if (!value.is_number_integer() || value < low || value > high)
    return wrong(field, value, fmt::format("an integer from {} to {}", low, high));
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

Read read_ranked(const json& row) {
  TRY(Messages prompt, messages_of(row["messages"], "messages"));
  if (prompt.back().role != "user") return wrong("messages", row["messages"].back(), "a user's turn at its end");
  const json& list = row["responses"];
  if (!list.is_array() || list.size() < 2) return wrong("responses", list, "a list of at least two");
  std::vector<RankedResponse> responses;
  for (size_t i = 0; i < list.size(); ++i) {
    TRY(RankedResponse response, response_of(list[i], fmt::format("responses[{}]", i)));
    responses.push_back(std::move(response));
  }
  return replies_to(std::move(prompt), std::move(responses));
}

// The reply and its merit (higher is better) of {"response", "overall_score"}, {"text", "rank"} and the like.
Result<std::pair<std::string, double>> scored_of(const json& value, const std::string& field) {
  if (!value.is_object()) return wrong(field, value, "{\"text\", \"score\"} or {\"text\", \"rank\"}");
  const char* said = key_among(value, {"response", "text", "content", "completion", "output", "answer"});
  const char* merit = key_among(value, {"rank", "score", "overall_score", "rating", "reward"});
  if (said == nullptr || merit == nullptr) return wrong(field, value, "{\"text\", \"score\"} or {\"text\", \"rank\"}");
  TRY(std::string text, text_of(value[said], field + "." + said));
  TRY(const double number, number_of(value[merit], field + "." + merit));
  return std::pair(std::move(text), std::string_view(merit) == "rank" ? -number : number);
}

Result<std::vector<std::pair<std::string, double>>> scored_list(const json& row) {
  const char* key = row.contains("responses") ? "responses" : "completions";
  TRY(const json list, list_of(row[key], key, "a list of replies"));
  const char* merits = key_among(row, {"ranks", "scores", "rewards", "ratings"});
  std::vector<std::pair<std::string, double>> out;
  json numbers;
  if (merits != nullptr) {
    TRY(numbers, list_of(row[merits], merits, "a list of numbers"));
    if (numbers.size() != list.size()) return wrong(merits, row[merits], fmt::format("{} numbers", list.size()));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", key, i);
    if (merits == nullptr) {
      TRY(auto scored, scored_of(list[i], at));
      out.push_back(std::move(scored));
    } else {
      TRY(std::string text, text_of(list[i], at));
      TRY(const double number, number_of(numbers[i], fmt::format("{}[{}]", merits, i)));
      out.emplace_back(std::move(text), std::string_view(merits) == "ranks" ? -number : number);
    }
  }
  return out;
}

Read read_scored(const json& row) {
  TRY(Messages prompt, prompt_before(row, {"prompt", "instruction", "question"}));
  TRY(auto scored, scored_list(row));
  if (scored.size() < 2) return std::optional<ReadRow>();
  std::map<double, int32_t, std::greater<>> rank_of;
  for (const auto& [text, merit] : scored) rank_of[merit] = 0;
  int32_t rank = 0;
  for (auto& [merit, place] : rank_of) place = rank++;
  if (rank < 2) return std::optional<ReadRow>();  // all alike
  std::vector<RankedResponse> responses;
  for (auto& [text, merit] : scored) responses.push_back({std::move(text), rank_of[merit], 0, {}});
  return replies_to(std::move(prompt), std::move(responses));
}

// ---- replies that are judged one at a time

Read judged(Messages turns, bool desirable) {
  if (turns.size() < 2 || turns.back().role != "assistant")
    return Err("found no assistant's turn at the end, expected a reply to a prompt");
  ReadRow out;
  out.desirable = desirable;
  out.responses.push_back({std::move(turns.back().content), 0, 0, {}});
  turns.pop_back();
  out.messages = std::move(turns);
  return std::optional(std::move(out));
}

Read read_kto(const json& row) {
  TRY(Messages turns, turns_of(row["prompt"], "prompt", "user"));
  TRY(const Messages reply, turns_of(row["completion"], "completion", "assistant"));
  turns.insert(turns.end(), reply.begin(), reply.end());
  return judged(std::move(turns), *label_of(row["label"]));
}

Read read_kto_messages(const json& row) {
  TRY(Messages turns, messages_of(row["messages"], "messages"));
  return judged(std::move(turns), *label_of(row["label"]));
}

Read read_pointwise(const json& row) {
  TRY(Messages turns, sharegpt_of(row["context"], "context", nullptr));
  TRY(std::string reply, text_of(row["generation"], "generation"));
  turns.push_back({"assistant", std::move(reply)});
  return judged(std::move(turns), *label_of(row["reward"]));
}

bool has_label(const json& row) {
  return label_of(row["label"]).has_value();
}

bool is_list(const json& row, const char* key) {
  const auto it = row.find(key);
  return it != row.end() && (it->is_array() || (it->is_string() && it->get_ref<const std::string&>().starts_with('[')));
}

bool has_replies(const json& row) {
  return is_list(row, "responses") || is_list(row, "completions");
}

const std::vector<Shape>& table() {
  static const std::vector<Shape> kTable{
      {"ranked replies",
       {"messages", "responses"},
       "messages; responses: text/rank",
       kRanking | kPrompt,
       nullptr,
       read_ranked},
      {"TRL preference, conversational",
       {"prompt", "chosen", "rejected"},
       "prompt, chosen, rejected: lists of role/content",
       kRanking | kPrompt,
       [](const json& row) { return !row["prompt"].is_string(); },
       read_pair},
      {"TRL preference",
       {"prompt", "chosen", "rejected"},
       "prompt, chosen, rejected",
       kRanking | kPrompt,
       nullptr,
       read_pair},
      {"question with chosen and rejected",
       {"question|instruction|input", "chosen", "rejected"},
       "question, chosen, rejected",
       kRanking | kPrompt,
       [](const json& row) { return row["chosen"].is_string() && !row.contains("prompt"); },
       read_question_pair},
      {"TRL preference, implicit prompt",
       {"chosen", "rejected"},
       "chosen, rejected: lists of role/content",
       kRanking | kPrompt,
       [](const json& row) { return !row["chosen"].is_string(); },
       read_pair},
      {"HH-RLHF transcripts",
       {"chosen", "rejected"},
       "chosen, rejected: \"\\n\\nHuman: ...\\n\\nAssistant: ...\"",
       kRanking | kPrompt,
       nullptr,
       read_pair},
      {"question with two replies",
       {"question|prompt|instruction", "response_j", "response_k"},
       "question, response_j (better), response_k",
       kRanking | kPrompt,
       nullptr,
       read_two_responses},
      {"scored replies",
       {"prompt|instruction|question", "responses|completions"},
       "prompt or instruction; responses or completions, each with a score or a rank",
       kRanking | kPrompt,
       has_replies,
       read_scored},
      {"KTO",
       {"prompt", "completion", "label"},
       "prompt, completion, label: true or false",
       kUnpaired | kPrompt,
       has_label,
       read_kto},
      {"KTO, conversational",
       {"messages", "label"},
       "messages; label: true or false",
       kUnpaired,
       has_label,
       read_kto_messages},
      {"judged replies",
       {"context", "generation", "reward"},
       "context, generation, reward: 0 or 1",
       kUnpaired | kPrompt,
       [](const json& row) { return label_of(row["reward"]).has_value(); },
       read_pointwise},
      {"OpenAI messages", {"messages"}, "messages: role/content", kConversation, nullptr, read_messages},
      {"ShareGPT",
       {"conversations|conversation|items"},
       "conversations: from/value",
       kConversation,
       [](const json& row) {
         return is_list(row, "conversations") || is_list(row, "conversation") || is_list(row, "items");
       },
       read_sharegpt},
      {"prompt and completion",
       {"prompt", "completion|response"},
       "prompt, completion",
       kConversation,
       nullptr,
       read_completion},
      {"Alpaca", {"instruction", "output"}, "instruction, input, output", kConversation, nullptr, read_alpaca},
      {"Dolly", {"instruction", "response"}, "instruction, context, response", kConversation, nullptr, read_dolly},
      {"question and answer",
       {"question", "answer|response"},
       "question, answer",
       kConversation,
       [](const json& row) {
         return row["question"].is_string() && (row.contains("answer") ? row["answer"].is_string() : true);
       },
       read_answer},
      {"text", {"text"}, "text", kText, nullptr, read_text},
      {"prompt", {"prompt"}, "prompt", kPrompt, nullptr, read_prompt},
  };
  return kTable;
}

}  // namespace

std::span<const Shape> shapes() {
  return table();
}

}  // namespace loquat
