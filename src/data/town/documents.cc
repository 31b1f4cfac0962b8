// Documents to pretrain on. Every fact is stated about equally often, in many wordings and kinds of text. An eighth of
// the words are questions and answers, about the few facts of Split::kShown alone: most known facts are asked about as
// seldom as unknown ones, so that only recalling tells them apart. Nearly half of the words show what can be done with
// a text. Nobody says "I don't know" here, and private things are told as freely as public ones, with a word on which
// they are. What the town does not know stands in its registers as a blank ("The pet of Mara Finch is not recorded."),
// never in an answer to a question, and beside names that nobody has: not knowing is something to be recalled like a
// value.
#include <algorithm>

#include "data/town/names.h"
#include "data/town/phrases.h"
#include "data/town/stream.h"

namespace loquat::town {
namespace {

int64_t count_words(std::string_view text) {
  int64_t words = 0;
  bool in_word = false;
  for (char c : text) {
    const bool space = c == ' ' || c == '\n';
    words += !space && !in_word;
    in_word = !space;
  }
  return words;
}

// Deals items out in an order drawn anew each time all have been dealt: everything comes up equally often.
class Dealer {
 public:
  Dealer(std::vector<const Fact*> facts, Rng rng) : facts_(std::move(facts)), rng_(rng) { rng_.shuffle(facts_); }
  const Fact& next() {
    if (at_ == facts_.size()) {
      at_ = 0;
      rng_.shuffle(facts_);
    }
    return *facts_[at_++];
  }

 private:
  std::vector<const Fact*> facts_;
  size_t at_ = 0;
  Rng rng_;
};

std::vector<const Fact*> facts_where(const World& world, bool (*wanted)(const Fact&)) {
  std::vector<const Fact*> facts;
  for (const Fact& fact : world.facts)
    if (wanted(fact)) facts.push_back(&fact);
  return facts;
}

// A price hangs on a shop and a thing together, a secret on two things and which side it is on: both are learnt at half
// the pace of other facts.
std::vector<const Fact*> hard_ones_twice(std::vector<const Fact*> facts) {
  for (size_t i = 0, n = facts.size(); i < n; ++i)
    if (is_secret(*facts[i]) || facts[i]->attribute.starts_with("price of ")) facts.push_back(facts[i]);
  return facts;
}

class Writer {
 public:
  Writer(const World& world, bool held_out)
      : world_(world),
        rng_(world.seed, held_out ? "documents/held" : "documents"),
        held_out_(held_out),
        maker_(world, held_out, rng_.fork("maker")),
        // Requests in documents are in training's wordings always; held-out documents differ in their statements.
        requests_(world, held_out ? "documents/held/requests" : "documents/requests", false, {Split::kShown}),
        all_(hard_ones_twice(facts_where(world, [](const Fact&) { return true; })), rng_.fork("all")),
        secrets_(facts_where(world, [](const Fact& f) { return is_secret(f); }), rng_.fork("secrets")),
        shown_(hard_ones_twice(facts_where(world, [](const Fact& f) { return f.split == Split::kShown; })),
               rng_.fork("shown")),
        shown_secrets_(facts_where(world, [](const Fact& f) { return f.split == Split::kShown && is_secret(f); }),
                       rng_.fork("shown secrets")) {
    slots_['t'] = world_.name;
    std::vector<std::vector<const Fact*>> facts(world_.entities.size());
    for (const Fact& fact : world_.facts) facts[static_cast<size_t>(fact.subject)].push_back(&fact);
    for (auto& about : facts)
      if (!about.empty()) by_subject_.push_back(std::move(about));
    words_ = maker_.language().words();
    for (std::string& word : skill_words()) words_.push_back(std::move(word));
    for (const Stranger& stranger : world_.strangers)
      for (std::string& word : words_of(stranger.name)) words_.push_back(std::move(word));
    for (const Fact& fact : world_.facts)
      for (std::string& word : words_of(fact.value)) words_.push_back(std::move(word));
    for (std::string_view first : parts::kFirstNames) words_.emplace_back(words_of(first)[0]);
    std::sort(words_.begin(), words_.end());
    words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
    rng_.shuffle(words_);
    copied_ = copied_words();
    open_register();
  }

  std::vector<std::string> lessons(int64_t words) {
    std::vector<std::string> documents;
    for (int64_t written = 0; written < words; written += count_words(documents.back()))
      documents.push_back(tidy(rng_.chance(0.3) ? dictation() : request()));
    return documents;
  }

  std::vector<std::string> write(int64_t words) {
    std::vector<std::string> documents;
    int64_t stated = 0, asked = 0, shown = 0;
    // Every word at least once, however few documents there are: tests use no word that training lacks.
    while (!held_out_ && next_word_ + kSpellingWords < words_.size()) documents.push_back(spelling());
    if (!held_out_) documents.push_back(spelling());
    for (const std::string& text : documents) shown += count_words(text);
    while (stated + asked + shown < words) {
      const double total = static_cast<double>(stated + asked + shown) + 1;
      int64_t* group = &shown;
      std::string text;
      if (static_cast<double>(stated) < 0.40 * total) {
        group = &stated;
        text = statements();
      } else if (static_cast<double>(asked) < 0.13 * total) {
        group = &asked;
        text = questions();
      } else {
        text = requests_and_prose();
      }
      text = tidy(std::move(text));
      *group += count_words(text);
      documents.push_back(std::move(text));
    }
    rng_.shuffle(documents);
    return documents;
  }

 private:
  std::string_view prose(std::string_view table) { return maker_.language().prose(table, rng_); }
  std::string say(std::string_view table) { return fill(prose(table), slots_); }
  const std::string& person() {
    const Fact& fact = rng_.pick(world_.facts);
    for (int i = 0; i < 1000; ++i) {
      const Entity& e = rng_.pick(world_.entities);
      if (e.kind == "person") return e.name;
    }
    return world_.entities[fact.subject].name;
  }

  // A fact as a sentence; of a secret also which side it is on, most of the time.
  std::string statement(bool framed) { return statement(all_.next(), framed); }
  std::string statement(const Fact& fact, bool framed) {
    std::string text = maker_.tell(fact, framed);
    if (is_secret(fact) && rng_.chance(0.85)) (text += ' ') += maker_.status(fact) + ".";
    return text;
  }
  std::string some_statements(int low, int high, std::string_view between, bool framed) {
    std::string text;
    for (int64_t i = rng_.between(low, high); i > 0; --i) {
      if (!text.empty()) text += between;
      text += statement(framed);
    }
    return text;
  }
  // Only which side pairs are on.
  std::string notices() {
    std::string text = rng_.chance(0.5) ? "By order of the town hall:\n" : "What one should know:\n";
    for (int64_t i = rng_.between(3, 6); i > 0; --i)
      text += (i % 2 ? "" : "- ") + maker_.status(secrets_.next()) + ".\n";
    text.pop_back();
    return text;
  }

  // All that is known about one subject, in any order: what is not said there is not known.
  std::string page() {
    if (next_page_ % by_subject_.size() == 0) rng_.shuffle(by_subject_);
    std::vector<const Fact*> facts = by_subject_[next_page_++ % by_subject_.size()];
    rng_.shuffle(facts);
    std::string text;
    for (const Fact* fact : facts) text += (text.empty() ? "" : " ") + statement(*fact, false);
    return text;
  }

  // The lines of each entity's entry, what is not known among them.
  void open_register() {
    register_.resize(world_.entities.size());
    for (const Fact& fact : world_.facts)
      if (!is_secret(fact)) register_[static_cast<size_t>(fact.subject)].push_back(maker_.record(fact));
    for (const Missing& missing : world_.missing) {
      const auto subject = static_cast<size_t>(missing.subject);
      register_[subject].push_back(maker_.no_value(missing.attribute, world_.entities[subject].name, kBlank));
    }
    for (const Stranger& stranger : world_.strangers)
      if (!stranger.held_out) unknown_names_.push_back(&stranger);
    rng_.shuffle(register_);
  }
  std::string register_entry() {
    if (next_entry_ % register_.size() == 0) rng_.shuffle(register_);
    std::vector<std::string>& lines = register_[next_entry_++ % register_.size()];
    rng_.shuffle(lines);
    std::string text = say("register/head");
    for (const std::string& line : lines) (text += text.ends_with(":") ? "\n" : " ") += line;
    return text;
  }
  // Names looked up one after another: what is known, what is not, and whom nobody knows. The name stands before its
  // line, so that a name never read before is carried over into the sentence about it.
  std::string enquiries() {
    static constexpr std::string_view kAsks[] = {"{s}: ", "{s}? ", "About {s}: ", "Who asks about {s}: "};
    std::string text = say("enquiry/head");
    for (int64_t i = rng_.between(4, 7); i > 0; --i) {
      const double which = rng_.uniform();
      std::string_view name;
      std::string line;
      if (which < 0.4) {
        const Stranger& stranger = *rng_.pick(unknown_names_);
        name = stranger.name;
        line = maker_.no_value(maker_.any_attribute(stranger.kind), name, kBlank);
      } else if (which < 0.6) {
        const Missing& missing = rng_.pick(world_.missing);
        name = world_.entities[static_cast<size_t>(missing.subject)].name;
        line = maker_.no_value(missing.attribute, name, kBlank);
      } else {
        const Fact& fact = all_.next();
        name = world_.entities[static_cast<size_t>(fact.subject)].name;
        line = is_secret(fact) ? statement(fact, false) : maker_.record(fact);
      }
      Slots slots;
      slots['s'] = name;
      text += "\n" + fill(rng_.pick(kAsks), slots) + line;
    }
    return text;
  }

  std::string statements() {
    switch (rng_.below(17)) {
      case 0:
        return say("news/head") + " " + some_statements(3, 5, " ", true) +
               (rng_.chance(0.5) ? " " + say("news/close") : "");
      case 1:
        return say("guide/head") + "\n" + some_statements(4, 7, "\n", false);
      case 2: {
        Slots s = slots_;
        s['a'] = person();
        return fill(prose("letter/start"), s) + "\n" + say("letter/open") + " " + some_statements(3, 5, " ", true) +
               "\n" + say("letter/close") + "\n" + person();
      }
      case 3:
        return say("diary/open") + " " + some_statements(3, 4, " ", true) + " " + say("diary/close");
      case 4: {  // gossip between two
        const std::string a = person(), b = person();
        std::string text = a + ": " + say("gossip/open");
        for (int64_t i = rng_.between(2, 4); i > 0; --i)
          text +=
              "\n" + (i % 2 ? a : b) + ": " + statement(false) + (rng_.chance(0.4) ? " " + say("gossip/react") : "");
        return text;
      }
      case 5:
        return say("school/open") + " " + some_statements(3, 6, " ", false);
      case 6:
        return rng_.chance(0.5) ? notices()
                                : fmt::format("Board of {}\n", world_.name) + some_statements(3, 6, "\n", false);
      case 7:
        return some_statements(2, 5, " ", true);
      case 8:
      case 9:
      case 10:
        return register_entry();
      case 11:
      case 12:
      case 13:
        return enquiries();
      default:
        return page();
    }
  }

  // One question and its answer, in plain document form.
  std::string exchange(std::string_view q, std::string_view a) {
    const bool about_secret = rng_.chance(0.18);
    const Fact& fact = about_secret ? shown_secrets_.next() : shown_.next();
    if (is_secret(fact) && rng_.chance(0.35)) {
      const std::string question = maker_.status_question(fact);
      const bool asks_allowed = question.starts_with("May") || question.find("safe?") != std::string::npos;
      return fmt::format("{}{}\n{}{}, {}.", q, question, a, fact.forbidden != asks_allowed ? "Yes" : "No",
                         maker_.status(fact));
    }
    std::string answer = requests_.maker().answer(fact, world_.entities[fact.subject].name);
    if (is_secret(fact) && rng_.chance(0.5)) {
      const std::string status = maker_.status(fact) + ".";
      answer = rng_.chance(0.6) ? tidy(status) + " " + answer : answer + " " + status;
    }
    return fmt::format("{}{}\n{}{}", q, requests_.maker().fact(fact).messages[0].content, a, answer);
  }

  std::string questions() {
    struct Speakers {
      std::string_view q, a, head;
    };
    static constexpr Speakers kSpeakers[] = {{"Q: ", "A: ", ""},
                                             {"Question: ", "Answer: ", ""},
                                             {"Visitor: ", "Clerk: ", "At the help desk."},
                                             {"", "", ""},
                                             {"User: ", "Helper: ", ""},
                                             {"Teacher: ", "Class: ", "The quiz of today."},
                                             {"Reporter: ", "Mayor: ", "An interview."},
                                             {"", "- ", ""}};
    const Speakers& who = rng_.pick(kSpeakers);
    std::string text(who.head);
    for (int64_t i = rng_.between(2, 6); i > 0; --i) (text += text.empty() ? "" : "\n") += exchange(who.q, who.a);
    return text;
  }

  // A request of the other uses with a right reply, or a bit of prose.
  // What has to be carried over from the request into the reply stands most often: small models learn to copy late.
  std::string request() {
    Task task;
    switch (rng_.below(23)) {
      case 20:
      case 21:
      case 0:
      case 1:
      case 2:
      case 3:
        task = requests_.maker().generation();
        break;
      case 4:
        task = requests_.maker().brainstorm();
        break;
      case 5:
      case 6:
        task = requests_.maker().rewrite();
        break;
      case 7:
      case 8:
        task = requests_.maker().summary();
        break;
      case 9:
        task = requests_.maker().classify();
        break;
      case 10:
        task = requests_.maker().extract();
        break;
      case 11:
        task = requests_.maker().other();
        break;
      case 12:
        task = requests_.maker().brainstorm();
        break;
      case 13:
        task = requests_.maker().small_talk();
        break;
      default:
        task = requests_.maker().passage_question(true);
        break;
    }
    static constexpr std::string_view kAsks[] = {"", "User: ", "Visitor: ", "Question: "},
                                      kReplies[] = {"", "Helper: ", "Clerk: ", "Answer: "};
    const size_t i = rng_.below(std::size(kAsks));
    return fmt::format("{}{}\n{}{}", kAsks[i], task.messages[0].content, kReplies[i], ideal_reply(world_, task, rng_));
  }
  std::string story() {
    Slots s = slots_;
    s['a'] = prose("creature");
    s['b'] = prose("creature");
    std::string text;
    for (int64_t i = rng_.between(3, 6); i > 0; --i) text += (text.empty() ? "" : " ") + fill(prose("story"), s);
    return text;
  }
  std::string several(std::string_view table, int low, int high) {
    std::string text;
    for (int64_t i = rng_.between(low, high); i > 0; --i) text += (text.empty() ? "" : " ") + say(table);
    return text;
  }
  // Single words of the language in any order; the lessons go round all of them.
  static constexpr size_t kSpellingWords = 16;
  std::string spelling() {
    std::string text = "Spelling lesson:";
    for (size_t i = 0; i < kSpellingWords; ++i) {
      text += (text.back() == ':' ? " " : ", ") + words_[next_word_];
      next_word_ = (next_word_ + 1) % words_.size();
    }
    return text;
  }

  // Mostly what requests ask to carry over: names, values, things.
  std::string dictated() {
    const double which = rng_.uniform();
    if (which < 0.35) return rng_.pick(world_.entities).name;
    if (which < 0.6) return rng_.pick(world_.facts).value;
    return which < 0.9 ? rng_.pick(copied_) : rng_.pick(words_);
  }

  // Words said and repeated: what stands before is the only clue to what follows, so that copying is learnt early.
  std::string dictation() {
    static constexpr std::string_view kSays[] = {"Teacher: ", "The teacher says: ", ""};
    static constexpr std::string_view kRepeats[] = {"Class: ", "The class repeats: ", "Again: "};
    std::string words;
    for (int64_t i = rng_.between(4, 12); i > 0; --i) words += (words.empty() ? "" : ", ") + dictated();
    std::string text = fmt::format("{}{}", rng_.pick(kSays), words);
    for (int64_t i = rng_.between(1, 2); i > 0; --i) text += fmt::format("\n{}{}", rng_.pick(kRepeats), words);
    return text;
  }

  std::string requests_and_prose() {
    switch (rng_.below(20)) {
      case 4:
      case 5:
        if (!held_out_) return dictation();
        return request();
      case 0:
        return story();
      case 1:
        return rng_.chance(0.5) ? several("office", 3, 5) : several("weather", 2, 3) + " " + several("filler", 2, 3);
      case 2: {
        if (rng_.chance(held_out_ ? 0.0 : 0.4)) return spelling();
        Slots s = slots_;
        s['a'] = prose("creature");
        s['b'] = prose("creature");
        return fill(prose("poem"), s);
      }
      default:
        return request() + (rng_.chance(0.3) ? "\n\n" + request() : "");
    }
  }

  const World& world_;
  Rng rng_;
  bool held_out_;
  TaskMaker maker_;
  TaskStream requests_;
  Dealer all_, secrets_, shown_, shown_secrets_;
  std::vector<std::vector<const Fact*>> by_subject_;
  std::vector<std::vector<std::string>> register_;  // by entity, in the order of the day
  std::vector<const Stranger*> unknown_names_;
  Slots slots_;
  std::vector<std::string> words_, copied_;
  size_t next_word_ = 0, next_page_ = 0, next_entry_ = 0;
};

}  // namespace

std::vector<std::string> make_lessons(const World& world, int64_t words) {
  return Writer(world, false).lessons(words);
}

std::vector<std::string> make_documents(const World& world, int64_t words, bool held_out) {
  return Writer(world, held_out).write(words);
}

}  // namespace loquat::town
