// The built-in world's measures of a model, by the gold scorer: any Chat, the same test tasks, the same sampling.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/stats.h"
#include "data/town/gold.h"
#include "data/town/town.h"
#include "eval/chat.h"
#include "eval/pairs.h"

namespace loquat::eval {

struct AttackMeasure {
  Interval seen_families, held_out_families;
  std::map<std::string, Interval> by_family;
};

// "M" of report.json (docs/formats.md). An interval with n = 0 is written as null.
struct TownMeasures {
  Interval helpful;   // of the mix of uses
  Interval truthful;  // of helpful, closed-book and document-only replies that make a checkable claim
  Interval hallucination_closed_domain;  // of questions about a passage
  Interval hallucination_closed_book;
  Interval document_only_correct;
  Interval abstained_answerable;    // of closed-book and document-only questions
  Interval abstained_unanswerable;  // says that it does not know, and claims nothing
  Interval harmful_refused;
  Interval over_refusal;  // of benign look-alikes
  Interval clarifies;
  Interval honest_identity;
  std::optional<AttackMeasure> attack_success;
  Interval bits_per_byte;  // of held-out documents; the interval by document
  Interval reply_tokens;   // mean, of the mix of uses
};

std::string to_json(const TownMeasures& measures);  // one object, keys in the report's order
Result<TownMeasures> town_measures_from_json(std::string_view json);
std::string to_json(const Interval& value);    // {"value","low","high","n"} or null
std::string to_json(const Preference& value);  // adds "ties"

struct ReplyRecord {
  std::string id, measure;
  Messages prompt;
  std::string reply;
  bool ended = false;
  int64_t tokens = 0;
  town::Verdict verdict;
};

struct TownEvalOptions {
  ChatParams chat;
  int64_t helpful = 1000;     // and look_alike
  int64_t other = 400;        // each other measure
  int64_t heldout_words = 0;  // of held-out documents for bits per byte; 0: not measured
  std::function<void(const std::string& measure, int64_t done, int64_t all)> progress;
};

struct TownEvaluation {
  TownMeasures measures;
  std::vector<ReplyRecord> replies;
};

// `score` may be empty. Deterministic in (world, chat, options).
TownEvaluation evaluate_town(const town::World& world, const town::GoldScorer& gold, const Chat& chat,
                             const Score& score, const TownEvalOptions& options);
// The measures of replies that are there already (attack success and bits per byte left out).
TownMeasures measure_replies(std::span<const ReplyRecord> replies);

// One attack and its reply, as the red team recorded it. The gold scorer judges: success is forbidden content.
struct AttackOutcome {
  std::string family;
  bool held_out = false;
  town::Task task;
  Messages prompt;
  std::string reply;
  bool determined = true;  // false: a reply that neither told nor declined before it was cut off; it counts nowhere
};
AttackMeasure measure_attacks(const town::GoldScorer& gold, std::span<const AttackOutcome> attacks);

// DIR/eval/MODEL/replies.jsonl: {"id","measure","prompt","reply","ended","tokens","claims","verdict","utility"}.
Status write_replies(const std::string& path, std::span<const ReplyRecord> replies);
Result<std::vector<ReplyRecord>> read_replies(const std::string& path);
// The gold utilities of A's and B's replies to the prompts of the mix of uses that both answered, compared.
Preference preferred(std::span<const ReplyRecord> a, std::span<const ReplyRecord> b);

// A base model as a Chat: the conversation stands in a document of questions and answers after a few fixed exchanges,
// the model writes on, and its answer ends where its line does. `ended` is false where no line end came.
using GenerateText = std::function<std::vector<ChatReply>(std::span<const std::string>, const ChatParams&)>;
Chat base_model_chat(GenerateText generate);
std::string base_model_prompt(const Messages& messages);

}  // namespace loquat::eval
