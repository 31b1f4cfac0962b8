// Streams of tasks: training prompts, tests by measure, harmful requests, and the ideal reply to any of them.
#include <algorithm>

#include "base/check.h"
#include "data/town/phrases.h"
#include "data/town/stream.h"

namespace loquat::town {

TaskStream::TaskStream(const World& world, std::string_view stream, bool held_out, std::vector<Split> open)
    : world_(world), held_out_(held_out), maker_(world, held_out, Rng(world.seed, stream)) {
  for (const Fact& fact : world.facts) {
    const bool is_open = std::find(open.begin(), open.end(), fact.split) != open.end();
    if (is_secret(fact)) {
      // Combinations that training never asks about stand in tests beside the others.
      if (is_open || held_out) (fact.forbidden ? forbidden_ : public_).push_back(&fact);
    } else if (is_open) {
      facts_.push_back(&fact);
      // Facts that only reinforcement asks about weigh double: there are fewer of them.
      if (!held_out && fact.split == Split::kAskedInRl) facts_.push_back(&fact);
      by_subject_[fact.subject].push_back(&fact);
    } else if (fact.split == Split::kDocumentOnly && held_out) {
      document_only_.push_back(&fact);
    }
  }
  for (const auto& [subject, facts] : by_subject_)
    if (facts.size() >= 2) subjects_.push_back(subject);
  for (const Missing& missing : world.missing)
    if (missing.held_out == held_out) missing_.push_back(&missing);
  for (const Stranger& stranger : world.strangers)
    if (stranger.held_out == held_out) strangers_.push_back(&stranger);
}

std::pair<const Fact*, const Fact*> TaskStream::two_of_one() {
  const std::vector<const Fact*>& facts = by_subject_.at(rng().pick(subjects_));
  const Fact* first = rng().pick(facts);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const Fact* second = rng().pick(facts);
    if (second->attribute != first->attribute) return {first, second};
  }
  CHECK(false, "a subject with two facts");
  return {};
}

Task TaskStream::closed_book() {
  if (rng().chance(0.06)) {
    const auto [first, second] = two_of_one();
    return maker_.two_facts(*first, *second);
  }
  return maker_.fact(*rng().pick(facts_));
}

Task TaskStream::helpful() {
  static constexpr Use kUses[] = {Use::kGeneration, Use::kOpenQa,   Use::kBrainstorm, Use::kChat,     Use::kRewrite,
                                  Use::kSummarize,  Use::kClassify, Use::kOther,      Use::kClosedQa, Use::kExtract};
  static constexpr double kShares[] = {45.6, 12.4, 11.2, 8.4, 6.6, 4.2, 3.5, 3.5, 2.6, 1.9};  // InstructGPT, table 1
  Task task;
  switch (kUses[rng().weighted(kShares)]) {
    case Use::kGeneration:
      task = maker_.generation();
      break;
    case Use::kOpenQa:
      task = closed_book();
      break;
    case Use::kBrainstorm:
      task = maker_.brainstorm();
      break;
    case Use::kChat:
      if (rng().chance(0.55)) {
        const auto [first, second] = two_of_one();
        task = maker_.follow_up(*first, *second);
      } else {
        task = maker_.small_talk();
      }
      break;
    case Use::kRewrite:
      task = maker_.rewrite();
      break;
    case Use::kSummarize:
      task = maker_.summary();
      break;
    case Use::kClassify:
      task = maker_.classify();
      break;
    case Use::kOther:
      task = maker_.other();
      break;
    case Use::kClosedQa:
      task = maker_.passage_question(true);
      break;
    case Use::kExtract:
      task = maker_.extract();
      break;
  }
  task.measure = "helpful";
  return task;
}

Task TaskStream::of(std::string_view measure) {
  if (measure == "helpful") return helpful();
  if (measure == "closed_book") return closed_book();
  if (measure == "document_only") {
    Task task = maker_.fact(*rng().pick(document_only_));
    task.measure = "document_only";
    return task;
  }
  // Training asks more often than tests for what the passage does not say: it is what small models learn last.
  if (measure == "closed_domain") return maker_.passage_question(!rng().chance(held_out_ ? 0.22 : 0.35));
  if (measure == "unanswerable")
    return rng().chance(0.5) ? maker_.missing(*rng().pick(missing_)) : maker_.stranger(*rng().pick(strangers_));
  if (measure == "harmful") return maker_.secret(*rng().pick(forbidden_));
  if (measure == "look_alike") return maker_.secret(*rng().pick(public_));
  if (measure == "clarify") return maker_.unclear();
  if (measure == "identity") return maker_.identity();
  CHECK(false, "no measure \"{}\"", measure);
  return {};
}

Task TaskStream::mixed(bool rl) {
  // What people ask, and how often, where tests of truth and harm are part of the use.
  static constexpr std::string_view kMeasures[] = {"helpful", "closed_book", "closed_domain", "unanswerable",
                                                   "harmful", "look_alike",  "clarify",       "identity"};
  static constexpr double kShares[] = {40, 11, 10, 12, 10, 11, 4, 3};
  // After SFT harmful requests are refused already: asked as often as look-alikes, they would only teach to refuse
  // those.
  static constexpr double kRlShares[] = {40, 13, 10, 11, 8, 14, 4, 3};
  return of(kMeasures[rng().weighted(rl ? kRlShares : kShares)]);
}

const std::vector<std::string>& test_measures() {
  static const std::vector<std::string> measures = {"helpful",       "closed_domain", "closed_book",
                                                    "document_only", "unanswerable",  "harmful",
                                                    "look_alike",    "clarify",       "identity"};
  return measures;
}

std::vector<Task> make_training_tasks(const World& world, int64_t count, const std::string& stage) {
  TaskStream stream(world, "train/" + stage, false, {Split::kShown, Split::kDemonstrated, Split::kAskedInRl});
  std::vector<Task> tasks;
  for (int64_t i = 0; i < count; ++i) {
    tasks.push_back(stream.mixed(stage == "ppo"));
    tasks.back().id = fmt::format("{}/{:06d}", stage, i);
  }
  return tasks;
}

std::vector<Task> make_test_tasks(const World& world, const std::string& measure, int64_t count) {
  TaskStream stream(world, "test/" + measure, true, {Split::kShown, Split::kDemonstrated, Split::kAskedInRl});
  std::vector<Task> tasks;
  for (int64_t i = 0; i < count; ++i) {
    tasks.push_back(stream.of(measure));
    tasks.back().id = fmt::format("test/{}/{:05d}", measure, i);
  }
  return tasks;
}

std::vector<Task> make_harmful_requests(const World& world, int64_t count, bool held_out) {
  TaskStream stream(world, held_out ? "attacks/test" : "attacks/train", held_out,
                    {Split::kShown, Split::kDemonstrated, Split::kAskedInRl});
  std::vector<Task> tasks;
  for (int64_t i = 0; i < count; ++i) {
    tasks.push_back(stream.of("harmful"));
    tasks.back().id = fmt::format("attack/{}/{:05d}", held_out ? "test" : "train", i);
  }
  return tasks;
}

std::string ideal_reply(const World& world, const Task& task, Rng& rng) {
  if (task.expect == Expect::kRefuse) {
    CHECK(!task.forbidden.empty(), "task {} expects a refusal and names no forbidden fact", task.id);
    const Fact& fact = world.facts.at(task.forbidden[0]);
    const AttributeName name = split_attribute(fact.attribute);
    Slots slots;
    slots['s'] = world.entities[fact.subject].name;
    slots['g'] = name.detail;
    return tidy(fill(rng.pick(refusal_replies(name.key)), slots));
  }
  if (task.expect == Expect::kAbstain && (task.references.empty() || rng.chance(0.2)))
    return std::string(rng.pick(task.passage.empty() ? abstain_replies() : abstain_passage_replies()));
  if (!task.references.empty()) return rng.pick(task.references);
  CHECK(!task.facts.empty(), "task {} has neither facts nor references", task.id);
  const auto language = Language::of(world.seed);
  std::string reply;
  for (int32_t id : task.facts) {
    const Fact& fact = world.facts.at(id);
    const AttributeName name = split_attribute(fact.attribute);
    Slots slots;
    slots['s'] = world.entities[fact.subject].name;
    slots['g'] = name.detail;
    slots['v'] = fact.value;
    // Where several facts are asked about, the first wording names its subject; short ones might not tell them apart.
    std::string_view text = pick_answer(*language, name.key, rng);
    if (task.facts.size() > 1) text = language->attribute(name.key).answer.train[0];
    if (is_secret(fact) && rng.chance(0.85)) text = rng.pick(public_replies(name.key));
    const std::string sentence = fill(text, slots);
    reply += (reply.empty() ? "" : " ") + sentence;
  }
  return tidy(std::move(reply));
}

}  // namespace loquat::town
