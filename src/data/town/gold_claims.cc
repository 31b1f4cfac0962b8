// What a reply states, and whether it is so: the values of the kind asked for, and statements (subject, attribute,
// value) held against the world or the passage.
#include "data/town/gold_scoring.h"

namespace loquat::town {

using namespace gold;

namespace {

// Other words that speak of an attribute, beside its own.
const std::set<std::string>& cue_words(const std::string& attribute_word) {
  static const std::map<std::string, std::set<std::string>> kCues = {
      {"opens", {"open", "opens", "opening", "opened", "unlocks", "from"}},
      {"closes", {"close", "closes", "closing", "shut", "shuts", "until", "till", "to"}},
      {"owner", {"owner", "owns", "owned", "own", "belongs", "proprietor", "runs", "run"}},
      {"trade", {"trade", "work", "works", "job", "living"}},
      {"works", {"works", "work", "worked", "working"}},
      {"lives", {"lives", "live", "home", "house"}},
      {"price", {"price", "cost", "costs", "pay", "coins"}},
      {"fare", {"fare", "cost", "costs", "ticket", "pay"}},
      {"founded", {"founded", "opened", "since", "started"}},
      {"built", {"built", "stands", "since"}},
      {"born", {"born", "birth"}},
      {"departs", {"departs", "leaves", "leave", "sails", "departure", "sets"}},
      {"duration", {"takes", "lasts", "trip", "long"}},
      {"destination", {"goes", "sails", "destination", "arrives"}},
      {"captain", {"captain", "steers"}},
      {"architect", {"architect", "designed", "drew", "planned"}},
      {"founder", {"founder", "founded", "began", "started"}},
      {"invented", {"invented", "inventor", "first"}},
      {"street", {"street", "stands", "find"}},
      {"closed", {"closed", "rests"}},
      {"month", {"month", "held"}},
      {"steps", {"steps", "stairs"}},
      {"began", {"began", "since", "started"}}};
  static const std::set<std::string> kNone;
  const auto found = kCues.find(attribute_word);
  return found == kCues.end() ? kNone : found->second;
}

std::set<std::string> cues_of(const std::string& attribute) {
  static const std::set<std::string> kSkip = {"of", "at", "in", "on", "the", "by", "with", "a"};
  std::set<std::string> out;
  for (const auto& w : read_text(attribute).words) {
    if (kSkip.count(w.text) != 0) continue;
    out.insert(stem(w.text));
    for (const auto& cue : cue_words(w.text)) out.insert(stem(cue));
  }
  return out;
}

std::string raw_of(const Text& t, const Mention& m) {
  if (m.begin >= m.end || m.end > t.words.size()) return {};
  const auto begin = static_cast<size_t>(t.words[m.begin].begin), end = static_cast<size_t>(t.words[m.end - 1].end);
  return t.raw.substr(begin, end - begin);
}

ValueKind lead_kind(KindSet kinds, KindSet asked) {
  const KindSet both = (kinds & asked) != 0 ? kinds & asked : kinds;
  for (uint32_t k = 0; k <= static_cast<uint32_t>(ValueKind::kSecret); ++k)
    if ((both >> k & 1u) != 0) return static_cast<ValueKind>(k);
  return ValueKind::kNumber;
}

}  // namespace

GoldScorer::Impl::Impl(const World& w) : world(w), reader(world) {
  for (const auto& f : world.facts) {
    by_subject[f.subject].push_back(&f);
    by_id[f.id] = &f;
    if (cues.find(f.attribute) == cues.end()) cues[f.attribute] = cues_of(f.attribute);
    attribute_kinds[f.attribute] |= kind_bit(f.kind);
    values[&f] = reader.read_value(f.value, f.kind);
  }
  for (const auto& e : world.entities) {
    std::set<std::string> words;
    for (const auto& word : read_text(e.name).words)
      if (word.text != "the" && word.text != "of") words.insert(stem(word.text));
    entity_words[e.id] = words;
    entity_kind[e.id] = e.kind;
  }
  for (const auto& m : reader.read_value(world.name, ValueKind::kPlace)) town_key = m.key;
}

Scoring::Scoring(const GoldScorer::Impl& impl, const Task& task, std::string_view reply, bool ended)
    : impl_(impl), task_(task), ended_(ended), text_(read_text(reply)) {
  if (!task.messages.empty()) request_ = read_text(task.messages.back().content);
  for (const auto& m : task.messages) history_ += m.content + "\n";
  everything_ = read_text(history_ + task.passage);
  passage_ = read_text(task.passage);
  mentions_ = impl.reader.read(text_, &everything_);
  std::string question = task.messages.empty() ? "" : task.messages.back().content;  // without its passage
  if (const size_t at = task.passage.empty() ? std::string::npos : question.find(task.passage); at != std::string::npos)
    question.erase(at, task.passage.size());
  asked_values_ = impl.reader.read(read_text(question));
  given_ = impl.reader.read(everything_);
  abstains_ = says_unknown(text_);
  hedges_ = hedges(text_);
  declines_ = declines(text_);
  degenerate_ = is_degenerate(text_);
  echo_ = is_echo(text_, request_);
}

void Scoring::claim(const Mention& m, bool correct, KindSet asked) {
  v_.claims.push_back({raw_of(text_, m), lead_kind(m.kinds, asked), correct});
}

void Scoring::read_gold() {
  for (int32_t id : task_.facts) {
    const auto found = impl_.by_id.find(id);
    if (found == impl_.by_id.end()) continue;
    gold_.push_back({impl_.values.at(found->second), found->second->kind, found->second, {}});
  }
  // Answers stand beside facts only where they say something else than the facts' own values.
  if (gold_.empty() || task_.expect == Expect::kLabel) {
    gold_.clear();
    for (const auto& a : task_.answers)
      gold_.push_back({impl_.reader.read_value(a, task_.answer_kind), task_.answer_kind, nullptr, {}});
  }
  for (auto& g : gold_) g.said.assign(g.forms.size(), 0);
}

KindSet Scoring::asked_kinds() const {
  KindSet kinds = 0;
  for (const auto& g : gold_) {
    kinds |= kind_bit(g.kind);
    for (const auto& f : g.forms) kinds |= f.kinds & ~kind_bit(ValueKind::kNumber) & ~(f.bare ? ~0u : 0u);
  }
  if (gold_.empty()) kinds |= kind_bit(task_.answer_kind);
  return kinds;
}

// Two facts asked at once: the value stands beside the words of the other one.
bool Scoring::is_swapped(const Mention& m, size_t gold) const {
  if (gold_.size() < 2 || gold_[gold].fact == nullptr) return false;
  std::vector<std::set<std::string>> own(gold_.size());
  std::map<std::string, int> count;
  for (size_t g = 0; g < gold_.size(); ++g) {
    if (gold_[g].fact == nullptr) continue;
    own[g] = impl_.cues.at(gold_[g].fact->attribute);
    const auto& words = impl_.entity_words.at(gold_[g].fact->subject);
    own[g].insert(words.begin(), words.end());
    for (const auto& w : own[g]) ++count[w];
  }
  const auto owner_of = [&](size_t i) -> int {
    const std::string s = stem(text_.words[i].text);
    const auto found = count.find(s);
    if (found == count.end() || found->second != 1) return -1;
    for (size_t g = 0; g < own.size(); ++g)
      if (own[g].count(s) != 0) return static_cast<int>(g);
    return -1;
  };
  const int32_t sentence = text_.words[m.begin].sentence;
  for (size_t i = m.begin; i-- > 0 && text_.words[i].sentence == sentence;)
    if (const int g = owner_of(i); g >= 0)
      return static_cast<size_t>(g) != gold && gold_[static_cast<size_t>(g)].kind == gold_[gold].kind;
  for (size_t i = m.end; i < text_.words.size() && text_.words[i].sentence == sentence; ++i)
    if (const int g = owner_of(i); g >= 0)
      return static_cast<size_t>(g) != gold && gold_[static_cast<size_t>(g)].kind == gold_[gold].kind;
  return false;
}

// The sentence says it of somebody or something else than what was asked about.
bool Scoring::of_another(const Mention& m) const {
  const int32_t sentence = text_.words[m.begin].sentence;
  std::set<int32_t> subjects;
  std::set<std::string> kinds;
  for (const auto& g : gold_)
    if (g.fact != nullptr) {
      subjects.insert(g.fact->subject);
      kinds.insert(impl_.entity_kind.at(g.fact->subject));
    }
  if (subjects.empty()) return false;
  bool other = false;
  for (const auto& x : mentions_) {
    if (text_.words[x.begin].sentence != sentence || x.entity < 0 || x.key == m.key) continue;
    if (subjects.count(x.entity) != 0) return false;
    const bool value = std::any_of(gold_.begin(), gold_.end(), [&](const Gold& g) { return among(g.forms, x); });
    if (!value && kinds.count(impl_.entity_kind.at(x.entity)) != 0 && !among(given_, x)) other = true;
  }
  return other;
}

// The name of what was asked about, which a follow-up question does not repeat.
bool Scoring::names_subject(const Mention& m) const {
  return m.entity >= 0 && std::any_of(gold_.begin(), gold_.end(), [&](const Gold& g) {
           return g.fact != nullptr && g.fact->subject == m.entity && !among(g.forms, m);
         });
}

// A true statement about something else than what was asked: the value of another fact of the same subject, said with
// that fact's own words, or another value of the same attribute.
bool Scoring::is_other_fact(const Mention& m) const {
  for (const auto& g : gold_) {
    if (g.fact == nullptr) continue;
    const auto subject = impl_.by_subject.find(g.fact->subject);
    for (const Fact* f : subject->second) {
      if (f->forbidden || f == g.fact) continue;
      const auto& forms = impl_.values.at(f);
      if (!among(forms, m)) continue;
      if (f->attribute == g.fact->attribute) return true;
      const auto& own = impl_.cues.at(f->attribute);
      const auto& asked = impl_.cues.at(g.fact->attribute);
      const int32_t sentence = text_.words[m.begin].sentence;
      for (size_t i = m.begin, steps = 0; i-- > 0 && steps < 6 && text_.words[i].sentence == sentence; ++steps) {
        const std::string s = stem(text_.words[i].text);
        if (s == "or") break;
        if (own.count(s) != 0 && asked.count(s) == 0) return true;
        if (asked.count(s) != 0) break;
      }
    }
  }
  return false;
}

// The passage's own words around the value.
bool Scoring::is_quoted(const Mention& m) const {
  if (passage_.words.empty() || m.begin < 2) return false;
  std::string want = " ";
  for (size_t i = m.begin - 2; i < m.end; ++i) want += text_.words[i].text + " ";
  std::string flat = " ";
  for (const auto& w : passage_.words) flat += w.text + " ";
  return flat.find(want) != std::string::npos;
}

void Scoring::read_answer_claims() {
  const KindSet asked = asked_kinds();
  bool gold_in_question = false;
  for (const auto& g : gold_)
    for (const auto& f : g.forms) gold_in_question = gold_in_question || among(asked_values_, f);
  for (const auto& m : mentions_) {
    if (in_question(m) || (!m.unknown && m.key == impl_.town_key) || names_subject(m)) continue;
    if ((m.kinds & asked) == 0) {
      // A name that the passage does not have, whatever was asked.
      if (!task_.passage.empty() && m.entity >= 0 && !among(given_, m)) {
        claim(m, false, m.kinds);
        false_claim_ = v_.hallucinated = true;
      }
      continue;
    }
    const bool negated = is_negated(text_, m.begin, m.end);
    bool is_gold = false, swapped = true;
    for (size_t g = 0; g < gold_.size(); ++g)
      for (size_t f = 0; f < gold_[g].forms.size(); ++f)
        if (impl_.reader.same(gold_[g].forms[f], m)) {
          is_gold = true;
          if (!is_swapped(m, g)) {
            swapped = false;
            if (!negated) gold_[g].said[f] = 1;
          }
        }
    if (is_gold) {
      const bool right = !negated && !swapped && !of_another(m);
      claim(m, right, asked);
      if (!right) false_claim_ = true, v_.hallucinated = v_.hallucinated || swapped;
      continue;
    }
    if (negated) continue;
    if (!gold_in_question && among(asked_values_, m)) continue;  // said back
    if (task_.passage.empty() ? is_other_fact(m) : is_quoted(m)) {
      claim(m, true, asked);
      continue;
    }
    // An earlier turn's value, said again about its own subject, is nothing new.
    if (task_.messages.size() > 1 && gold_.empty() && among(given_, m)) continue;
    claim(m, false, asked);
    false_claim_ = true;
    v_.hallucinated = true;
  }
}

// Statements of the form (subject, attribute, value) in any reply, held against the world. Only where the sentence has
// one subject and one value of the kind, so that nothing is put together that the reply did not say.
void Scoring::read_pattern_claims() {
  for (int32_t sentence = 0; sentence < text_.sentence_count(); ++sentence) {
    if (text_.is_question[static_cast<size_t>(sentence)] != 0) continue;
    std::vector<const Mention*> here;
    std::set<std::string> stems;
    for (const auto& w : text_.words)
      if (w.sentence == sentence) stems.insert(stem(w.text));
    for (const auto& m : mentions_)
      if (text_.words[m.begin].sentence == sentence) here.push_back(&m);
    for (const Mention* subject : here) {
      const auto facts = subject->entity >= 0 ? impl_.by_subject.find(subject->entity) : impl_.by_subject.end();
      if (facts == impl_.by_subject.end()) continue;
      for (const Mention* value : here) {
        if (value == subject || value->bare || among(given_, *value)) continue;
        const bool negated = is_negated(text_, value->begin, value->end);
        std::set<std::string> attributes;
        bool right = false;
        KindSet kind = 0;
        for (const Fact* f : facts->second) {
          if ((value->kinds & kind_bit(f->kind)) == 0) continue;
          const auto& cues = impl_.cues.at(f->attribute);
          if (std::none_of(cues.begin(), cues.end(),
                           [&](const std::string& c) { return c != "to" && c != "from" && stems.count(c) != 0; }))
            continue;
          attributes.insert(f->attribute);
          kind |= kind_bit(f->kind);
          right = right || among(impl_.values.at(f), *value);
        }
        if (attributes.size() != 1) continue;
        int rivals = 0, subjects = 0;  // other values of the kind, other subjects with this attribute
        for (const Mention* other : here) {
          if (other != value && other != subject && (other->kinds & kind) != 0) ++rivals;
          if (other == subject || other == value || other->entity < 0) continue;
          const auto its = impl_.by_subject.find(other->entity);
          if (its != impl_.by_subject.end() && std::any_of(its->second.begin(), its->second.end(), [&](const Fact* f) {
                return f->attribute == *attributes.begin();
              }))
            ++subjects;
        }
        if (rivals > 0 || subjects > 0) continue;
        const bool correct = right != negated;
        if (negated && !right) continue;
        claim(*value, correct, kind);
        if (!correct) v_.hallucinated = true;
      }
    }
  }
}

}  // namespace loquat::town
