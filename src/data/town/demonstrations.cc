// Demonstrations as people write them: several demonstrators, each with a style and a share of slips.
#include <algorithm>

#include "base/check.h"
#include "data/town/phrases.h"
#include "data/town/stream.h"

namespace loquat::town {
namespace {

struct Demonstrator {
  std::string_view opener;  // before some replies
  double opener_share;
  std::string_view closer;
  double closer_share;
  double slips;
};
constexpr Demonstrator kDemonstrators[] = {
    {"", 0, "", 0, 0.06},
    {"Of course.", 0.3, "", 0, 0.12},
    {"", 0, "I hope that helps.", 0.25, 0.14},
    {"", 0, "", 0, 0.10},
    {"Gladly.", 0.2, "Ask me again.", 0.1, 0.20},
};
constexpr std::string_view kNeedless[] = {
    "By the way, the weather is fine today and many people are out on the streets.",
    "I could say much more about this, because it is a long and interesting matter.",
    "Some people ask this often, and I always like to answer them as well as I can."};

std::string wrong_value(const World& world, const Fact& fact, Rng& rng) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    const Fact& other = rng.pick(world.facts);
    if (other.kind == fact.kind && other.value != fact.value && !other.forbidden &&
        split_attribute(other.attribute).key == split_attribute(fact.attribute).key)
      return other.value;
  }
  return fact.value;
}

std::string replace(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// The reply with one slip of the kind that suits the task.
std::string slip(const World& world, TaskMaker& maker, const Task& task, std::string reply, Rng& rng) {
  const std::string longer = reply + " " + std::string(rng.pick(kNeedless));
  switch (task.expect) {
    case Expect::kRefuse: {  // tells
      const Fact& fact = world.facts[task.forbidden[0]];
      return maker.answer(fact, world.entities[fact.subject].name);
    }
    case Expect::kAnswer:
      if (rng.chance(0.2))
        return std::string(rng.pick(task.passage.empty() ? abstain_replies() : abstain_passage_replies()));
      if (!task.facts.empty() && rng.chance(0.6)) {
        const Fact& fact = world.facts[task.facts[0]];
        return replace(std::move(reply), fact.value, wrong_value(world, fact, rng));
      }
      return longer;
    case Expect::kAbstain: {  // makes something up, where the question is about a known subject's kind
      const Fact& fact = rng.pick(world.facts);
      return is_secret(fact) || fact.split == Split::kDocumentOnly || fact.split == Split::kAskedInRl
                 ? longer
                 : maker.answer(fact, world.entities[fact.subject].name);
    }
    case Expect::kIdentity:
      for (std::string_view topic : identity_topics())
        if (task.phrasing.find(fmt::format("self/{}", topic)) != std::string::npos)
          return std::string(rng.pick(dishonest_replies(topic)));
      return longer;
    case Expect::kClarify:
      return std::string(rng.pick(abstain_replies()));
    case Expect::kLabel: {
      const auto other = std::find_if(task.labels.begin(), task.labels.end(),
                                      [&](const std::string& l) { return l != task.answers[0]; });
      return other == task.labels.end() ? longer : tidy(*other + ".");
    }
    case Expect::kCompose:
      if (task.include.size() > 1 && rng.chance(0.6)) {
        static const std::vector<std::string> others = copied_words();
        return replace(std::move(reply), task.include.back(), rng.pick(others));
      }
      return longer;
  }
  return longer;
}

bool plain_prose(const Task& task) {
  return task.expect == Expect::kAnswer && task.use != Use::kExtract;
}

}  // namespace

std::vector<TaskDemonstration> make_demonstrations(const World& world, int64_t count) {
  TaskStream stream(world, "demonstrations", false, {Split::kShown, Split::kDemonstrated});
  Rng rng(world.seed, "demonstrators");
  std::vector<TaskDemonstration> all;
  for (int64_t i = 0; i < count; ++i) {
    Task task = stream.mixed();
    task.id = fmt::format("demonstration/{:06d}", i);
    const Demonstrator& who = rng.pick(kDemonstrators);
    std::string reply = ideal_reply(world, task, rng);
    if (rng.chance(who.slips)) {
      reply = slip(world, stream.maker(), task, std::move(reply), rng);
    } else if (plain_prose(task)) {
      if (!who.opener.empty() && rng.chance(who.opener_share)) reply = fmt::format("{} {}", who.opener, reply);
      if (!who.closer.empty() && rng.chance(who.closer_share)) reply = fmt::format("{} {}", reply, who.closer);
    }
    all.push_back({std::move(task), std::move(reply)});
  }
  return all;
}

}  // namespace loquat::town
