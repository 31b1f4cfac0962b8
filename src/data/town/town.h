// The built-in world: a small fictional town whose truth is known, so that help, truth, refusals and jailbreaks are
// measured exactly. Everything is a function of the world seed: another seed is another town.
//
// What is held out, and never stands in anything written for training: phrasings (drawn by the seed), questions about
// facts of Split::kDocumentOnly, combinations of entities, attack families. Training data knows a fact only through
// documents, demonstrations and labelers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace loquat::town {

enum class ValueKind {
  kTime,
  kPrice,
  kPerson,
  kStreet,
  kPlace,
  kYear,
  kDay,
  kGoods,
  kColour,
  kNumber,
  kDuration,
  kTrade,
  kSecret
};
std::string_view name_of(ValueKind kind);

// Who may be asked about a fact, where.
enum class Split {
  kShown,         // documents, questions and answers in documents, demonstrations
  kDemonstrated,  // documents; asked in demonstrations and later stages, never in documents
  kAskedInRl,     // documents; asked only in comparisons and PPO prompts
  kDocumentOnly,  // documents; never asked in training: the test of what the base model knows
};
std::string_view name_of(Split split);

struct Entity {
  int32_t id = 0;
  std::string name;  // unique: "Mara Finch", "the Copper Kettle", "Lantern Street"
  std::string kind;  // "person", "shop", "ferry", "festival", "street", "building", "dish", "substance", ...
};

struct Fact {
  int32_t id = 0;
  int32_t subject = 0;    // Entity::id
  std::string attribute;  // "opens", "closes", "owner", "price of bread", "works at", "founded", "door word", ...
  std::string value;      // canonical: "9", "Mara Finch", "Lantern Street", "4 coins"
  ValueKind kind = ValueKind::kTime;
  Split split = Split::kShown;
  bool forbidden = false;  // stated in documents, never to be told: a private door word, what makes choking smoke
};

// An attribute that a known entity could have and that the town does not tell: a question without an answer. The
// town's registers, which are documents, have a blank there.
struct Missing {
  int32_t subject = 0;
  std::string attribute;
  bool held_out = false;  // asked in tests only; else in training only
};
// A name in the town's style that nobody in the town has.
struct Stranger {
  std::string name;
  std::string kind;       // as Entity::kind
  bool held_out = false;  // stands in tests only, and in no document
};

struct World {
  uint64_t seed = 0;
  std::string name;  // the town's
  std::vector<Entity> entities;
  std::vector<Fact> facts;
  std::vector<std::string> held_out_families;  // attack families never used in training (names of redteam/attacks)
  std::vector<Missing> missing;                // sorted by subject
  std::vector<Stranger> strangers;             // people, shops, ... that are not in the town

  const Fact* find(int32_t subject, std::string_view attribute) const;  // null: the town does not say
  // Every surface form that the town uses of a value of this kind, and of entities' names, for the gold scorer: which
  // words of a reply are values is a question of the world.
  std::vector<std::string> values_of(ValueKind kind) const;
};

World make_world(uint64_t seed);

// The uses of the InstructGPT table.
enum class Use {
  kGeneration,
  kOpenQa,
  kBrainstorm,
  kChat,
  kRewrite,
  kSummarize,
  kClassify,
  kOther,
  kClosedQa,
  kExtract
};
std::string_view name_of(Use use);

enum class Expect {
  kAnswer,   // state the value of every fact asked about (or every string of `answers`), and no other value of its kind
  kAbstain,  // say that one does not know; the town, or the passage, does not tell
  kRefuse,   // decline, with a reason, and tell nothing forbidden
  kClarify,  // ask back: the request is unclear
  kIdentity,  // be honest about being an AI: no body, no past, no abilities that it lacks
  kCompose,   // write something that meets the constraints below (generation, brainstorm, rewrite, summarise, chat)
  kLabel,     // exactly one of `labels`, and it is answers[0]
};

// One request with what a right reply must do: all that the gold scorer and the labelers go by.
struct Task {
  std::string id;     // unique in the world
  Messages messages;  // ends with a user's turn
  Use use = Use::kOpenQa;
  // "helpful" (the mix of uses), "closed_domain", "closed_book", "document_only", "unanswerable", "harmful",
  // "look_alike", "clarify", "identity": which measure the task counts for in tests; in training, what kind of request
  // it is.
  std::string measure;
  std::string phrasing;  // the phrasing's name
  Expect expect = Expect::kAnswer;
  std::vector<int32_t> facts;        // asked about (closed-book); their values are in the world
  std::vector<std::string> answers;  // what must be stated where the answer is not a fact of the world (closed-domain,
                                     // extraction, labels)
  ValueKind answer_kind = ValueKind::kTime;  // of answers
  std::string passage;                       // not empty: claims are checked against this text, not against the world
  std::vector<std::string> include;          // kCompose: each must be present
  std::vector<std::string> exclude;          // none may be present
  std::vector<std::string> labels;           // kLabel
  int32_t min_items = 0;                     // kCompose: distinct items of `choices` that must be named
  std::vector<std::string> choices;
  int32_t min_words = 0, max_words = 0;  // 0: no bound
  std::vector<int32_t> forbidden;        // facts whose value is harm when it appears in the reply (kRefuse and attacks)
  std::string family;                    // the attack family, where this is an attack
  // Right replies, for tasks whose reply cannot be made from the fields above (compositions, asking back, identity).
  std::vector<std::string> references;
};

// What the generator writes. Sizes come from the scale.
struct TownScale {
  int64_t lesson_words = 0;    // of lessons in copying, read before the documents
  int64_t document_words = 0;  // of documents to pretrain on
  int64_t heldout_words = 0;   // of held-out documents (other wordings of the same facts), for bits per byte
  int64_t demonstrations = 0;
  int64_t comparison_prompts = 0;
  int64_t ppo_prompts = 0;
  int64_t test_helpful = 0;  // and look_alike
  int64_t test_other = 0;    // each other measure
};
TownScale town_scale(const std::string& scale);  // "smoke", "quick", "full"

// Three in ten are words said and repeated, the others requests with their replies. A model that starts on these learns
// within a million tokens to copy from what it has read; in documents alone, ten million did not bring it about
// (docs/experiments.md).
std::vector<std::string> make_lessons(const World& world, int64_t words);
std::vector<std::string> make_documents(const World& world, int64_t words, bool held_out);
// Demonstrations as people write them: few, uneven, sometimes wrong. Each comes with its task.
struct TaskDemonstration {
  Task task;
  std::string reply;
};
std::vector<TaskDemonstration> make_demonstrations(const World& world, int64_t count);
// Training prompts: phrasings, facts and combinations open to training. `stage` names the stream ("comparisons",
// "ppo").
std::vector<Task> make_training_tasks(const World& world, int64_t count, const std::string& stage);
// Held-out tests: `measure` as in Task, "helpful" is the mix of uses.
std::vector<Task> make_test_tasks(const World& world, const std::string& measure, int64_t count);
// Harmful requests for attacks to wrap: plain text each, with its forbidden facts. Test requests use other phrasings.
std::vector<Task> make_harmful_requests(const World& world, int64_t count, bool held_out);
// What a good assistant says: the reply that the best demonstrator would write (safe targets, references).
std::string ideal_reply(const World& world, const Task& task, Rng& rng);

// facts.jsonl, lessons.jsonl, documents.jsonl, heldout.jsonl, demonstrations.jsonl, demonstration_tasks.jsonl,
// prompts/STAGE.jsonl, tests/MEASURE.jsonl under `folder`.
Status write_town(const World& world, const TownScale& scale, const std::string& folder);
// The measures that make_test_tasks knows.
const std::vector<std::string>& test_measures();

Status write_facts(const World& world, const std::string& path);  // facts.jsonl
Status write_tasks(const std::string& path, const std::vector<Task>& tasks);
Result<std::string> task_to_json(const Task& task);  // one line
Result<Task> task_from_json(std::string_view line);

}  // namespace loquat::town
