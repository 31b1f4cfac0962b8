#include "data/town/task_maker.h"

#include <algorithm>

#include "base/check.h"
#include "data/town/phrases.h"

namespace loquat::town {

std::string_view bare_name(std::string_view name) {
  return name.starts_with("the ") ? name.substr(4) : name;
}

TaskMaker::TaskMaker(const World& world, bool held_out, Rng rng)
    : world_(world), held_out_(held_out), rng_(rng), language_(Language::of(world.seed)) {
  for (const Entity& e : world.entities) {
    by_kind_[e.kind].push_back(&e);
    if (e.kind == "person") by_first_name_[e.name.substr(0, e.name.find(' '))].push_back(&e);
  }
  for (const Fact& f : world.facts) by_key_[std::string(split_attribute(f.attribute).key)].push_back(&f);
}

Slots TaskMaker::slots_of(const Fact& fact) const {
  Slots slots;
  slots['s'] = world_.entities[fact.subject].name;
  slots['v'] = fact.value;
  slots['g'] = split_attribute(fact.attribute).detail;
  slots['t'] = world_.name;
  return slots;
}

TaskMaker::Text TaskMaker::ask(std::string_view attribute, std::string_view subject, std::string_view form) {
  const AttributeName name = split_attribute(attribute);
  const bool is_name = std::none_of(std::begin(kVagueSubjects), std::end(kVagueSubjects),
                                    [&](const VagueSubject& v) { return v.text == subject; });
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const Wording wording = form == "follow" && attempt < 300 ? language_->follow(name.key, held_out_, rng_)
                                                              : language_->ask(name.key, held_out_, rng_);
    Slots slots;
    slots['s'] = subject;
    slots['g'] = name.detail;
    slots['t'] = world_.name;
    std::string text = fill(wording.text, slots);
    // "it" is no name to mask: with it a held-out wording may turn into one of training's.
    if (held_out_ && !is_name) {
      slots['g'] = "{g}";
      slots['t'] = "{t}";
      if (language_->shares_gram(fill(wording.text, slots))) continue;
    }
    return {tidy(std::move(text)), wording.name};
  }
  return {};  // with this pronoun every wording is one of training's
}

TaskMaker::Text TaskMaker::command(std::string_view table, Slots slots) {
  const Wording wording = language_->command(table, held_out_, rng_);
  slots['t'] = world_.name;
  return {tidy(fill(wording.text, slots)), wording.name};
}

std::string TaskMaker::with_text(const std::string& request, const std::string& text) {
  return rng_.chance(0.6) ? request + "\n" + text : text + "\n" + request;
}

Task TaskMaker::user_task(Use use, std::string measure, Expect expect, Text text) {
  Task task;
  task.messages.push_back({"user", std::move(text.text)});
  task.phrasing = std::move(text.name);
  task.use = use;
  task.measure = std::move(measure);
  task.expect = expect;
  return task;
}

std::string TaskMaker::tell(const Fact& fact, bool framed) {
  const AttributeLanguage& texts = language_->attribute(split_attribute(fact.attribute).key);
  const Slots slots = slots_of(fact);
  const std::string statement = fill(rng_.pick(texts.tell.of(held_out_)), slots);
  if (!framed) return statement + ".";
  Slots frame;
  frame['z'] = statement;
  frame['t'] = world_.name;
  return fill(rng_.pick(language_->pool("frame/tell").of(held_out_)), frame);
}

std::string_view pick_answer(const Language& language, std::string_view key, Rng& rng) {
  const Table& texts = language.attribute(key).answer.train;
  return rng.chance(0.5) ? texts[0] : rng.pick(texts);
}

std::string TaskMaker::answer(const Fact& fact, std::string_view subject_name) {
  Slots slots = slots_of(fact);
  slots['s'] = subject_name;
  return tidy(fill(pick_answer(*language_, split_attribute(fact.attribute).key, rng_), slots));
}

std::string TaskMaker::record(const Fact& fact) {
  return tidy(fill(language_->attribute(split_attribute(fact.attribute).key).answer.train[0], slots_of(fact)));
}

std::string TaskMaker::no_value(std::string_view attribute, std::string_view subject, std::string_view instead) {
  const AttributeName name = split_attribute(attribute);
  Slots slots;
  slots['s'] = subject;
  slots['g'] = name.detail;
  return tidy(fill(without_value(language_->attribute(name.key).answer.train[0], instead), slots));
}

std::string_view TaskMaker::any_attribute(std::string_view kind) {
  std::vector<std::string_view> keys;
  for (const AttributeSpec& spec : attribute_specs())
    if (spec.kind == kind) keys.push_back(spec.key);
  CHECK(!keys.empty(), "no attribute of a {}", kind);
  return rng_.pick(keys);
}

Task TaskMaker::unanswerable(std::string_view attribute, std::string_view subject) {
  Task task = user_task(Use::kOpenQa, "unanswerable", Expect::kAbstain, ask(attribute, subject));
  task.references = {no_value(attribute, subject, kUnknown)};
  return task;
}

std::string TaskMaker::status(const Fact& secret) {
  const std::string name =
      fmt::format("status/{}/{}", split_attribute(secret.attribute).key, secret.forbidden ? "private" : "public");
  return fill(language_->prose(name, rng_), slots_of(secret));
}

std::string TaskMaker::status_question(const Fact& secret) {
  return fill(language_->prose(fmt::format("status/{}/question", split_attribute(secret.attribute).key), rng_),
              slots_of(secret));
}

Task TaskMaker::fact(const Fact& fact) {
  Task task =
      user_task(Use::kOpenQa, "closed_book", Expect::kAnswer, ask(fact.attribute, world_.entities[fact.subject].name));
  task.facts = {fact.id};
  return task;
}

Task TaskMaker::two_facts(const Fact& first, const Fact& then) {
  const std::string_view pronoun = world_.entities[then.subject].kind == "person" ? "this person" : "it";
  Text text = ask(first.attribute, world_.entities[first.subject].name);
  Text second = ask(then.attribute, pronoun, "follow");
  if (second.text.empty()) second = ask(then.attribute, world_.entities[then.subject].name, "follow");
  text.text += " " + second.text;
  text.name += "+" + second.name;
  Task task = user_task(Use::kOpenQa, "closed_book", Expect::kAnswer, std::move(text));
  task.facts = {first.id, then.id};
  return task;
}

Task TaskMaker::follow_up(const Fact& first, const Fact& then) {
  const Entity& subject = world_.entities[first.subject];
  Task task = user_task(Use::kChat, "closed_book", Expect::kAnswer, ask(first.attribute, subject.name));
  task.messages.push_back({"assistant", answer(first, subject.name)});
  Text second = ask(then.attribute, subject.kind == "person" ? "this person" : "it", "follow");
  if (second.text.empty()) second = ask(then.attribute, subject.name, "follow");
  task.messages.push_back({"user", std::move(second.text)});
  task.phrasing = std::move(second.name);
  task.facts = {then.id};
  return task;
}

Task TaskMaker::missing(const Missing& missing) {
  return unanswerable(missing.attribute, world_.entities[missing.subject].name);
}

Task TaskMaker::stranger(const Stranger& stranger) {
  return unanswerable(any_attribute(stranger.kind), stranger.name);
}

Task TaskMaker::secret(const Fact& fact) {
  Task task = user_task(Use::kOpenQa, fact.forbidden ? "harmful" : "look_alike",
                        fact.forbidden ? Expect::kRefuse : Expect::kAnswer,
                        ask(fact.attribute, world_.entities[fact.subject].name));
  (fact.forbidden ? task.forbidden : task.facts) = {fact.id};
  return task;
}

Task TaskMaker::unclear() {
  std::vector<std::string> shared;
  for (const auto& [first, people] : by_first_name_)
    if (people.size() >= 2) shared.push_back(first);
  const bool by_name = !shared.empty() && rng_.chance(0.4);
  const VagueSubject vague = by_name ? VagueSubject{"person", rng_.pick(shared)} : rng_.pick(kVagueSubjects);
  Text text;
  while (text.text.empty()) text = ask(any_attribute(vague.kind), vague.text);
  Task task = user_task(Use::kChat, "clarify", Expect::kClarify, std::move(text));
  for (std::string_view reply : clarify_replies()) task.references.emplace_back(reply);
  if (by_name) {
    const auto& people = by_first_name_.find(vague.text)->second;
    task.references.assign(1, fmt::format("Do you mean {} or {}?", people[0]->name, people[1]->name));
    task.references.emplace_back(rng_.pick(clarify_replies()));
  }
  return task;
}

Task TaskMaker::identity() {
  const std::string_view topic = rng_.pick(identity_topics());
  const Wording wording = language_->question(fmt::format("self/{}", topic), held_out_, rng_);
  Slots slots;
  slots['t'] = world_.name;
  Task task = user_task(Use::kChat, "identity", Expect::kIdentity, {tidy(fill(wording.text, slots)), wording.name});
  for (std::string_view reply : identity_replies(topic)) task.references.emplace_back(reply);
  return task;
}

std::string TaskMaker::value_like(std::string_view key) {
  return rng_.pick(by_key_.find(key)->second)->value;
}

// --- tools for texts about things outside the town -----------------------------------------------

std::string TaskMaker::invented_subject(std::string_view kind) {
  const std::string& place = rng_.pick(by_key_.find("destination")->second)->value;
  const std::string& name = rng_.pick(by_kind_.find(kind)->second)->name;
  if (kind == "person") return fmt::format("{} of {}", name.substr(0, name.find(' ')), place);
  return fmt::format("the {} {}", place,
                     bare_name(name).substr(bare_name(name).rfind(' ') + 1));  // "the Oakham Kettle"
}

Task TaskMaker::passage_question(bool said) {
  static constexpr std::string_view kKinds[] = {"shop", "shop", "person", "ferry", "festival", "building"};
  const std::string_view kind = rng_.pick(kKinds);
  const std::string subject = invented_subject(kind);
  std::vector<const AttributeSpec*> specs;
  for (const AttributeSpec& spec : attribute_specs())
    if (spec.kind == kind) specs.push_back(&spec);
  rng_.shuffle(specs);
  const size_t stated = std::min<size_t>(specs.size() - 1, 2 + rng_.below(2));
  std::string passage, wanted;
  for (size_t i = 0; i < stated; ++i) {
    const std::string value = value_like(specs[i]->key);
    Slots slots;
    slots['s'] = subject;
    slots['v'] = value;
    if (i == 0) wanted = value;
    const Pool& tells = language_->attribute(specs[i]->key).tell;
    const std::string sentence = fill(rng_.pick(held_out_ && rng_.chance(0.3) ? tells.held : tells.train), slots) + ".";
    // The asked-for sentence at any place.
    passage = rng_.chance(0.5) || passage.empty() ? (passage.empty() ? sentence : sentence + " " + passage)
                                                  : passage + " " + sentence;
  }
  if (rng_.chance(0.3)) passage += fmt::format(" {}", language_->prose("filler", rng_));
  passage = tidy(std::move(passage));
  const AttributeSpec& asked = *specs[said ? 0 : stated];
  const Text question = ask(asked.key, subject);
  Task task = user_task(Use::kClosedQa, "closed_domain", said ? Expect::kAnswer : Expect::kAbstain,
                        {with_text(question.text, passage), question.name});
  task.passage = passage;
  task.answer_kind = asked.value;
  Slots slots;
  slots['s'] = subject;
  slots['v'] = wanted;
  const Table& answers = language_->attribute(asked.key).answer.train;
  if (said) {
    task.answers = {wanted};
    task.references = {tidy(fill(answers[0], slots))};  // twice: half of all replies
    for (std::string_view text : answers) task.references.push_back(tidy(fill(text, slots)));
  } else {
    task.references = {no_value(asked.key, subject, kNotInText)};
  }
  return task;
}

}  // namespace loquat::town
