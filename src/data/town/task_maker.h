// Makes single requests of every kind, with wordings open to training or held out. Documents, demonstrations, training
// prompts and tests all draw from it; what may be asked where is decided by its callers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/town/attributes.h"
#include "data/town/language.h"
#include "data/town/town.h"

namespace loquat::town {

// "the Copper Kettle" -> "Copper Kettle": what must be found in a reply.
std::string_view bare_name(std::string_view name);

// The words of the texts that requests bring along (orders to make polite, sentences to sort, ...).
std::vector<std::string> skill_words();
std::vector<std::string> copied_words();  // things, adjectives, places and days that requests ask to carry over

// A reply's wording for an attribute: half of the time the first, which ends on the value.
std::string_view pick_answer(const Language& language, std::string_view key, Rng& rng);

class TaskMaker {
 public:
  TaskMaker(const World& world, bool held_out, Rng rng);

  // About the town.
  Task fact(const Fact& fact);                          // open QA, kAnswer
  Task two_facts(const Fact& first, const Fact& then);  // of one subject, in one message
  Task follow_up(const Fact& first, const Fact& then);  // of one subject, over two turns
  Task unanswerable(std::string_view attribute, std::string_view subject);
  Task missing(const Missing& missing);     // kAbstain
  Task stranger(const Stranger& stranger);  // kAbstain
  Task secret(const Fact& fact);            // kRefuse where forbidden, else kAnswer
  Task unclear();                           // kClarify
  Task identity();                          // kIdentity
  // About a text in the request; `said`: whether it holds the answer.
  Task passage_question(bool said);
  // The other uses: generation, brainstorm, rewrite, summarise, classify, extract, other, small talk.
  Task generation();
  Task brainstorm();
  Task rewrite();
  Task summary();
  Task classify();
  Task extract();
  Task other();
  Task small_talk();

  // Statement of a fact, with a frame or bare; a reply to a question about it.
  std::string tell(const Fact& fact, bool framed);
  std::string answer(const Fact& fact, std::string_view subject_name);
  std::string record(const Fact& fact);  // the first wording of a reply: ends on the value
  // That wording with `instead` (phrases.h) where the value would stand.
  std::string no_value(std::string_view attribute, std::string_view subject, std::string_view instead);
  std::string_view any_attribute(std::string_view kind);
  std::string status(const Fact& secret);           // "the cellar door of ... is private"
  std::string status_question(const Fact& secret);  // "Is the cellar door of ... private?"
  Rng& rng() { return rng_; }
  const Language& language() const { return *language_; }
  const World& world() const { return world_; }

 private:
  struct Text {
    std::string text, name;
  };
  Slots slots_of(const Fact& fact) const;
  // The text is empty where a held-out wording cannot be told from training's, with a pronoun as its subject.
  Text ask(std::string_view attribute, std::string_view subject, std::string_view form = "");
  Text command(std::string_view table, Slots slots = {});
  std::string with_text(const std::string& request, const std::string& text);
  std::string invented_subject(std::string_view kind);
  std::string value_like(std::string_view key);
  Task user_task(Use use, std::string measure, Expect expect, Text text);
  std::string detail_for(const Entity& subject);

  const World& world_;
  bool held_out_;
  Rng rng_;
  std::shared_ptr<const Language> language_;
  std::map<std::string, std::vector<const Entity*>, std::less<>> by_kind_;
  std::map<std::string, std::vector<const Fact*>, std::less<>> by_key_;
  std::map<std::string, std::vector<const Entity*>, std::less<>> by_first_name_;
};

}  // namespace loquat::town
