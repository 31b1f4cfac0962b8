#include "feedback/label.h"

#include <algorithm>
#include <array>

#include "data/row_values.h"

namespace loquat::feedback {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 14> kFlags = {"fails_task",
                                                     "inappropriate",
                                                     "hallucination",
                                                     "ignores_constraint",
                                                     "sexual",
                                                     "violent",
                                                     "encourages_harm",
                                                     "denigrates",
                                                     "harmful_advice",
                                                     "opinion",
                                                     "moral_judgment",
                                                     "not_honest_about_ai",
                                                     "should_have_asked",
                                                     "other"};
constexpr std::array<std::string_view, 6> kSensitive = {"inappropriate",   "sexual",     "violent",
                                                        "encourages_harm", "denigrates", "harmful_advice"};

using Wrong = std::optional<Refused>;

Refused found(const std::string& field, const json& value, std::string_view expected) {
  return wrong_field(field, fmt::format("{}: found {}, expected {}", field, shown(value), expected));
}

// The value under a key; null where it is not there.
const json& at(const json& object, const std::string& key) {
  static const json kNull;
  const auto it = object.find(key);
  return it == object.end() ? kNull : *it;
}

Wrong wrong_keys(const json& object, const std::string& field, std::span<const std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const std::string name = field.empty() ? key : field + "." + key;
      return wrong_field(name, fmt::format("{}: there is no such field here", name));
    }
  }
  return {};
}

Wrong wrong_text(const json& value, const std::string& field, bool may_be_empty) {
  if (value.is_null() && may_be_empty) return {};
  if (!value.is_string()) return found(field, value, "text");
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > kLongestText)
    return wrong_field(field, fmt::format("{}: {} bytes long, {} are allowed", field, text.size(), kLongestText));
  if (!may_be_empty && text.find_first_not_of(" \t\r\n") == text.npos)
    return wrong_field(field, fmt::format("{}: it is empty", field));
  return {};
}

Wrong wrong_integer(const json& value, const std::string& field, int64_t low, int64_t high) {
  if (!value.is_number_integer() || value < low || value > high)
    return found(field, value, fmt::format("a whole number from {} to {}", low, high));
  return {};
}

Wrong wrong_flags(const json& value, const std::string& field) {
  if (value.is_null()) return {};
  if (!value.is_array()) return found(field, value, "a list of flags");
  std::vector<std::string> seen;
  for (const json& flag : value) {
    if (!flag.is_string() || !is_flag(flag.get_ref<const std::string&>())) return found(field, flag, "a known flag");
    seen.push_back(flag.get<std::string>());
  }
  std::sort(seen.begin(), seen.end());
  if (std::adjacent_find(seen.begin(), seen.end()) != seen.end()) return found(field, value, "each flag once");
  return {};
}

int64_t code_points(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

const json* answer_of(const json& answers, const json& id) {
  for (const json& answer : answers) {
    if (answer.at("id") == id) return &answer;
  }
  return nullptr;
}

// `answers`: each span names one; else they are of `text`.
Wrong wrong_spans(const json& spans, const json* answers, const json& text) {
  if (spans.is_null()) return {};
  if (!spans.is_array() || spans.size() > 1000) return found("spans", spans, "a list of at most 1000");
  for (size_t i = 0; i < spans.size(); ++i) {
    const std::string field = fmt::format("spans[{}]", i);
    const json& span = spans[i];
    if (!span.is_object()) return found(field, span, "{\"begin\", \"end\", \"flag\"}");
    static constexpr std::array<std::string_view, 4> kKeys = {"answer", "begin", "end", "flag"};
    if (auto wrong = wrong_keys(span, field, kKeys)) return wrong;
    const json* of = &text;
    if (answers != nullptr) {
      const json* answer = answer_of(*answers, at(span, "answer"));
      if (answer == nullptr) return found(field + ".answer", at(span, "answer"), "the id of one of the answers");
      of = &answer->at("content");
    }
    const int64_t length = code_points(of->get_ref<const std::string&>());
    if (auto wrong = wrong_integer(at(span, "end"), field + ".end", 1, length)) return wrong;
    if (auto wrong = wrong_integer(at(span, "begin"), field + ".begin", 0, span["end"].get<int64_t>() - 1))
      return wrong;
    const json& flag = at(span, "flag");
    if (!flag.is_string() || (flag != "" && !is_flag(flag.get_ref<const std::string&>())))
      return found(field + ".flag", flag, "a known flag or \"\"");
  }
  return {};
}

Wrong wrong_seconds(const json& label) {
  const json& seconds = at(label, "seconds");
  if (seconds.is_null()) return {};
  if (!seconds.is_number() || seconds < 0 || seconds > 1e7) return found("seconds", seconds, "seconds of work");
  return {};
}

Wrong wrong_demonstration(const json& label) {
  static constexpr std::array<std::string_view, 3> kKeys = {"content", "spans", "seconds"};
  if (auto wrong = wrong_keys(label, "", kKeys)) return wrong;
  if (auto wrong = wrong_text(at(label, "content"), "content", false)) return wrong;
  return wrong_spans(at(label, "spans"), nullptr, label["content"]);
}

// A conversation of user and assistant in turn, perhaps after a system's turn.
Wrong wrong_turns(const json& value, bool ends_with_assistant) {
  if (!value.is_array() || value.empty() || value.size() > 1000)
    return found("messages", value, "a list of {\"role\", \"content\"}");
  std::string before = "assistant";
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string field = fmt::format("messages[{}]", i);
    const json& message = value[i];
    static constexpr std::array<std::string_view, 2> kKeys = {"role", "content"};
    if (!message.is_object()) return found(field, message, "{\"role\", \"content\"}");
    if (auto wrong = wrong_keys(message, field, kKeys)) return wrong;
    const json& role = at(message, "role");
    if (i == 0 && role == "system") {
      if (!at(message, "content").is_string()) return found(field + ".content", at(message, "content"), "text");
      if (auto wrong = wrong_text(message["content"], field + ".content", true)) return wrong;
      continue;
    }
    const char* expected = before == "user" ? "assistant" : "user";
    if (role != expected) return found(field + ".role", role, fmt::format("\"{}\"", expected));
    if (auto wrong = wrong_text(at(message, "content"), field + ".content", false)) return wrong;
    before = expected;
  }
  if (ends_with_assistant && (value.size() < 2 || before != "assistant"))
    return wrong_field("messages", "messages: the last turn must be the assistant's");
  return {};
}

Wrong wrong_dialogue(const json& label) {
  static constexpr std::array<std::string_view, 2> kKeys = {"messages", "seconds"};
  if (auto wrong = wrong_keys(label, "", kKeys)) return wrong;
  return wrong_turns(at(label, "messages"), true);
}

Wrong wrong_redteam(const json& label) {
  static constexpr std::array<std::string_view, 6> kKeys = {"messages", "harm",    "success",
                                                            "tags",     "comment", "seconds"};
  if (auto wrong = wrong_keys(label, "", kKeys)) return wrong;
  if (auto wrong = wrong_turns(at(label, "messages"), false)) return wrong;
  if (auto wrong = wrong_integer(at(label, "harm"), "harm", 0, 4)) return wrong;
  if (!at(label, "success").is_boolean()) return found("success", at(label, "success"), "true or false");
  const json& tags = at(label, "tags");
  if (!tags.is_null() && (!tags.is_array() || tags.size() > 50)) return found("tags", tags, "a list of at most 50");
  for (const json& tag : tags) {
    if (!tag.is_string() || tag.get_ref<const std::string&>().size() > 200) return found("tags", tag, "a short text");
  }
  return wrong_text(at(label, "comment"), "comment", true);
}

Wrong wrong_review(const json& label) {
  static constexpr std::array<std::string_view, 5> kKeys = {"verdict", "score", "comment", "content", "seconds"};
  if (auto wrong = wrong_keys(label, "", kKeys)) return wrong;
  const json& verdict = at(label, "verdict");
  if (verdict != "good" && verdict != "fix" && verdict != "reject")
    return found("verdict", verdict, "\"good\", \"fix\" or \"reject\"");
  if (!at(label, "score").is_null()) {
    if (auto wrong = wrong_integer(at(label, "score"), "score", 1, 7)) return wrong;
  }
  if (auto wrong = wrong_text(at(label, "content"), "content", true)) return wrong;
  return wrong_text(at(label, "comment"), "comment", true);
}

// An object whose keys are answers' ids.
Wrong wrong_by_answer(const json& value, const std::string& field, const json& answers) {
  if (!value.is_object()) return found(field, value, "an object by answers' ids");
  for (const auto& [id, of_answer] : value.items()) {
    if (answer_of(answers, id) == nullptr)
      return wrong_field(field + "." + id, fmt::format("{}.{}: there is no such answer", field, id));
  }
  return {};
}

Wrong wrong_scores(const json& scores, const LabelSubject& subject) {
  if (scores.is_null()) return {};
  if (auto wrong = wrong_by_answer(scores, "scores", subject.answers)) return wrong;
  static constexpr std::array<std::string_view, 2> kKeys = {"overall", "criteria"};
  const std::vector<std::string_view> names(subject.criteria.begin(), subject.criteria.end());
  for (const auto& [id, of_answer] : scores.items()) {
    const std::string field = "scores." + id;
    if (!of_answer.is_object()) return found(field, of_answer, "{\"overall\", \"criteria\"}");
    if (auto wrong = wrong_keys(of_answer, field, kKeys)) return wrong;
    if (of_answer.contains("overall")) {
      if (auto wrong = wrong_integer(of_answer["overall"], field + ".overall", 1, 7)) return wrong;
    }
    const json& criteria = at(of_answer, "criteria");
    if (criteria.is_null()) continue;
    if (!criteria.is_object()) return found(field + ".criteria", criteria, "scores by criteria's names");
    if (auto wrong = wrong_keys(criteria, field + ".criteria", names)) return wrong;
    for (const auto& [name, score] : criteria.items()) {
      if (auto wrong = wrong_integer(score, field + ".criteria." + name, 1, 7)) return wrong;
    }
  }
  return {};
}

Wrong wrong_ranking(const LabelSubject& subject, const json& label) {
  static constexpr std::array<std::string_view, 7> kKeys = {"ranks",   "scores",  "flags",  "spans",
                                                            "flagged", "comment", "seconds"};
  if (auto wrong = wrong_keys(label, "", kKeys)) return wrong;
  if (auto wrong = wrong_text(at(label, "flagged"), "flagged", true)) return wrong;
  const bool flagged = is_flagged(label);
  static const json kNone = json::object();
  const json& ranks = flagged && at(label, "ranks").is_null() ? kNone : at(label, "ranks");
  if (auto wrong = wrong_by_answer(ranks, "ranks", subject.answers)) return wrong;
  for (const json& answer : subject.answers) {
    if (flagged) break;
    const auto id = answer.at("id").get<std::string>();
    if (!ranks.contains(id)) return wrong_field("ranks." + id, fmt::format("ranks.{}: this answer has no rank", id));
    if (auto wrong = wrong_integer(ranks[id], "ranks." + id, 1, static_cast<int64_t>(subject.answers.size())))
      return wrong;
  }
  if (auto wrong = wrong_scores(at(label, "scores"), subject)) return wrong;
  const json& by_answer = at(label, "flags");
  if (!by_answer.is_null()) {
    if (auto wrong = wrong_by_answer(by_answer, "flags", subject.answers)) return wrong;
    for (const auto& [id, list] : by_answer.items()) {
      if (!list.is_array()) return found("flags." + id, list, "a list of flags");
      if (auto wrong = wrong_flags(list, "flags." + id)) return wrong;
    }
  }
  if (auto wrong = wrong_spans(at(label, "spans"), &subject.answers, json())) return wrong;
  return wrong_text(at(label, "comment"), "comment", true);
}

}  // namespace

bool is_kind(std::string_view kind) {
  return kind == kDemonstration || kind == kDialogue || kind == kRanking || kind == kRedTeam || kind == kReview;
}

std::span<const std::string_view> flags() {
  return kFlags;
}
std::span<const std::string_view> sensitive_flags() {
  return kSensitive;
}
bool is_flag(std::string_view flag) {
  return std::find(kFlags.begin(), kFlags.end(), flag) != kFlags.end();
}

std::optional<Refused> wrong_label(const LabelSubject& subject, const json& label) {
  if (!label.is_object()) return found("label", label, "an object");
  if (auto wrong = wrong_seconds(label)) return wrong;
  if (subject.kind == kDemonstration) return wrong_demonstration(label);
  if (subject.kind == kDialogue) return wrong_dialogue(label);
  if (subject.kind == kRanking) return wrong_ranking(subject, label);
  if (subject.kind == kRedTeam) return wrong_redteam(label);
  return wrong_review(label);
}

std::optional<Refused> wrong_message_feedback(const json& feedback) {
  static constexpr std::array<std::string_view, 4> kKeys = {"thumb", "flags", "comment", "better"};
  if (auto wrong = wrong_keys(feedback, "", kKeys)) return wrong;
  const json& thumb = at(feedback, "thumb");
  if (!thumb.is_null() && thumb != "up" && thumb != "down") return found("thumb", thumb, "\"up\", \"down\" or null");
  if (auto wrong = wrong_flags(at(feedback, "flags"), "flags")) return wrong;
  if (auto wrong = wrong_text(at(feedback, "comment"), "comment", true)) return wrong;
  return wrong_text(at(feedback, "better"), "better", true);
}

bool is_flagged(const json& label) {
  const json& flagged = at(label, "flagged");
  return flagged.is_string() && flagged != "";
}

std::vector<double> places(const json& ranks, const json& answers) {
  std::vector<double> out;
  for (const json& answer : answers) {
    const int64_t mine = ranks.at(answer.at("id").get<std::string>()).get<int64_t>();
    int64_t before = 0, equal = 0;
    for (const auto& [id, rank] : ranks.items()) {
      before += rank.get<int64_t>() < mine;
      equal += rank.get<int64_t>() == mine;
    }
    out.push_back(static_cast<double>(before) + static_cast<double>(equal + 1) / 2);
  }
  return out;
}

}  // namespace loquat::feedback
