// Prompts whose right answer is known: {"prompt", "answer"} or {"messages", "answer"}, for rewards that are computed
// and not judged (train/rule_reward.h). A prompt without an answer is one too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace loquat {

struct Question {
  Messages prompt;  // ends with a user's turn
  std::optional<std::string> answer;
};

// "answer" is a text, or a number as it is written. Errors as in dataset.h.
Result<Question> question_from_json(std::string_view line);
Result<std::vector<Question>> read_questions(const std::string& path);

}  // namespace loquat
