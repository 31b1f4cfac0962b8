// What people made, as rows that training reads. A contribution is one label or one piece of feedback; what its person
// does not allow to be trained on is none, nor is a gold question, a label that its review rejected or wants fixed, or
// one for which an adjudicated label stands.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/unpaired.h"
#include "database/database.h"

namespace loquat::feedback {

struct Contribution {
  std::string kind;                          // "label", "message", "comparison"
  std::string source, person, conversation;  // source: its id; conversation: "" of the studio
  std::vector<Demonstration> demonstrations;
  std::vector<Ranking> rankings;
  std::vector<UnpairedReply> unpaired;  // thumbs and what was bad on both sides
  // Of a label on a prompt out of somebody's chat: that prompt, whose chat, and which.
  std::string prompt, prompt_person, prompt_conversation;
};

struct RowsWanted {
  std::vector<std::string> projects;
  bool feedback = false;        // of the chat page
  int64_t most_per_person = 0;  // contributions; 0: any number
  bool edited_only = false;     // without models' suggestions that were sent as they were
};

// In order of their kinds and ids. Of a person with too many a choice that is always the same.
Result<std::vector<Contribution>> contributions(database::Database& database, const RowsWanted& wanted);

// "rankings" (K answers with ranks), "pairs" (TRL's prompt, chosen, rejected), "messages" (demonstrations), "kto"
// (prompt, completion, label), "prompts".
enum class RowShape { kRankings, kPairs, kMessages, kKto, kPrompts };
std::optional<RowShape> row_shape(const std::string& name);
std::vector<std::string> lines(const std::vector<Contribution>& contributions, RowShape shape);

}  // namespace loquat::feedback
