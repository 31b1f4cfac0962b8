// The shapes of labels, by kind of project, and what makes one wrong. A label is kept as it was sent; what is checked
// here is what everything else relies on.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "feedback/outcome.h"

namespace loquat::feedback {

inline constexpr std::string_view kDemonstration = "demonstration", kDialogue = "dialogue", kRanking = "ranking",
                                  kRedTeam = "redteam", kReview = "review";
bool is_kind(std::string_view kind);

std::span<const std::string_view> flags();            // the paper's, in its order, then the page's own
std::span<const std::string_view> sensitive_flags();  // those on which labelers are screened
bool is_flag(std::string_view flag);

// What a label is about.
struct LabelSubject {
  std::string kind;
  nlohmann::json answers = nlohmann::json::array();  // of the item: [{"id", "content", ...}]
  std::vector<std::string> criteria;                 // of the project
};

inline constexpr size_t kLongestText = 200'000;  // bytes of one text
inline constexpr size_t kLargestDraft = 1'000'000;

// nullopt: it is right. Else the first wrong field: "ranks.a3: found 9, expected a whole number from 1 to 4".
std::optional<Refused> wrong_label(const LabelSubject& subject, const nlohmann::json& label);
// Thumb, flags, comment, better.
std::optional<Refused> wrong_message_feedback(const nlohmann::json& feedback);

// A ranking that says why the task cannot be done: it may lack ranks, and counts nowhere.
bool is_flagged(const nlohmann::json& label);

// A ranking's ranks as numbers by the item's order of answers; ties share their mean place (1, 2.5, 2.5, 4).
std::vector<double> places(const nlohmann::json& ranks, const nlohmann::json& answers);

}  // namespace loquat::feedback
