#include "data/town/gold_values.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace loquat::town::gold {
namespace {

const std::set<std::string>& articles() {
  static const std::set<std::string> kSet = {"the", "a", "an"};
  return kSet;
}

bool is_name_kind(ValueKind kind) {
  switch (kind) {
    case ValueKind::kTime:
    case ValueKind::kPrice:
    case ValueKind::kYear:
    case ValueKind::kNumber:
    case ValueKind::kDuration:
      return false;
    default:
      return true;
  }
}

const KindSet kNumeric = kind_bit(ValueKind::kTime) | kind_bit(ValueKind::kPrice) | kind_bit(ValueKind::kYear) |
                         kind_bit(ValueKind::kNumber) | kind_bit(ValueKind::kDuration);

// Words that may follow a bare number; any other word makes it a count of something ("3 shops").
bool may_follow_bare(const std::string& word) {
  static const std::set<std::string> kWords = {
      "in",     "and",   "or",       "each",      "every",  "on",   "sharp", "to",  "until",  "till",
      "for",    "the",   "at",       "but",       "from",   "most", "daily", "is",  "was",    "it",
      "when",   "as",    "exactly",  "precisely", "not",    "if",   "then",  "so",  "with",   "because",
      "by",     "per",   "a",        "an",        "i",      "you",  "he",    "she", "they",   "we",
      "please", "today", "tomorrow", "after",     "before", "this", "that",  "of",  "though", "while",
      "since",  "has",   "are",      "will",      "where",  "who",  "too"};
  return kWords.count(word) != 0;
}

bool asserts_number(const std::string& word) {
  static const std::set<std::string> kWords = {"at",     "until", "till",    "to",   "from",    "is",    "by",
                                               "around", "about", "or",      "and",  "before",  "after", "past",
                                               "for",    "costs", "cost",    "only", "exactly", "in",    "between",
                                               "not",    "maybe", "perhaps", "was",  "are"};
  return kWords.count(word) != 0;
}

std::string duration_unit(const std::string& word) {
  static const std::set<std::string> kUnits = {"second", "minute", "hour", "day", "week", "month", "year", "night"};
  const std::string s = stem(word);
  return kUnits.count(s) != 0 ? s : "";
}

void set_time(Mention* m, int64_t hour, int64_t minute, int meridiem) {
  if (meridiem == 2 && hour < 12) hour += 12;
  if (meridiem == 1 && hour == 12) hour = 0;
  m->kinds = kind_bit(ValueKind::kTime);
  m->meridiem = meridiem;
  m->key = "time " + std::to_string(hour) + ":" + (minute < 10 ? "0" : "") + std::to_string(minute);
}

// "am", "in the evening" and so on after a time: how many words, and which half of the day.
size_t day_half_at(const Text& text, size_t at, int* meridiem) {
  struct Form {
    std::string_view words;
    size_t length;
    int meridiem;
  };
  static constexpr std::array<Form, 12> kForms = {{{"am", 1, 1},
                                                   {"pm", 1, 2},
                                                   {"in the morning", 3, 1},
                                                   {"in the afternoon", 3, 2},
                                                   {"in the evening", 3, 2},
                                                   {"at night", 2, 2},
                                                   {"each morning", 2, 1},
                                                   {"every morning", 2, 1},
                                                   {"each evening", 2, 2},
                                                   {"every evening", 2, 2},
                                                   {"every afternoon", 2, 2},
                                                   {"a m", 2, 1}}};
  for (const auto& form : kForms)
    if (words_at(text, at, form.words)) {
      *meridiem = form.meridiem;
      return form.length;
    }
  return 0;
}

}  // namespace

ValueReader::ValueReader(const World& world) {
  for (const auto& e : world.entities) {
    const KindSet kinds = e.kind == "person"   ? kind_bit(ValueKind::kPerson)
                          : e.kind == "street" ? kind_bit(ValueKind::kStreet)
                          : e.kind == "dish" || e.kind == "goods" || e.kind == "substance"
                              ? kind_bit(ValueKind::kGoods)
                              : kind_bit(ValueKind::kPlace);
    add_name(e.name, kinds, e.id);
    const Text t = read_text(e.name);
    if (t.words.empty()) continue;
    if (e.kind == "person") {
      std::string full;
      for (const auto& w : t.words) full += (full.empty() ? "" : " ") + stem(w.text);
      persons_[stem(t.words.front().text)].insert(full);
      persons_[stem(t.words.back().text)].insert(full);
    }
    if (e.kind == "street") street_words_.insert(t.words.back().text);
  }
  for (const auto& f : world.facts) {
    if (is_name_kind(f.kind)) add_name(f.value, kind_bit(f.kind), -1);
    const Text t = read_text(f.value);
    if (f.kind == ValueKind::kPrice && t.words.size() > 1) price_words_.insert(stem(t.words.back().text));
    if (f.kind == ValueKind::kTime && !t.words.empty()) {
      const size_t colon = t.words[0].text.find(':');
      const std::string hour = t.words[0].text.substr(0, colon);
      if (std::all_of(hour.begin(), hour.end(), [](unsigned char c) { return std::isdigit(c) != 0; }) &&
          hour.size() <= 2 && std::stoi(hour) > 12)
        day_hours_ = true;
    }
    for (const auto& w : read_text(f.attribute).words) world_words_.insert(w.text);
  }
  for (const auto& w : read_text(world.name).words) world_words_.insert(w.text);
  for (const char* day : {"monday",  "tuesday",   "wednesday", "thursday", "friday",   "saturday",  "sunday",
                          "weekend", "weekday",   "january",   "february", "april",    "june",      "july",
                          "august",  "september", "october",   "november", "december", "every day", "all week"})
    add_name(day, kind_bit(ValueKind::kDay), -1);
  for (const char* colour : {"red", "blue", "green", "yellow", "white", "black", "brown", "grey", "gray", "orange",
                             "purple", "pink", "violet", "golden", "crimson"})
    add_name(colour, kind_bit(ValueKind::kColour), -1);
  for (const char* word : {"coin", "penny", "pence", "shilling", "crown", "dollar", "pound", "copper", "silver"})
    if (price_words_.empty() || std::string_view(word) == "coin") price_words_.insert(word);
  for (const char* word : {"street", "lane", "road", "row", "avenue", "alley"}) street_words_.insert(word);
}

void ValueReader::add_name(std::string_view name, KindSet kinds, int32_t entity) {
  Name n{{}, kinds, entity};
  std::string whole;
  for (const auto& w : read_text(name).words) {
    if (n.words.empty() && articles().count(w.text) != 0) continue;
    n.words.push_back(stem(w.text));
    whole += (whole.empty() ? "" : " ") + w.text;
    world_words_.insert(w.text);
  }
  if (n.words.empty()) return;
  if (entity >= 0) entity_ids_[whole] = entity;
  for (auto& known : names_[n.words[0]])
    if (known.words == n.words) {
      known.kinds |= kinds;
      if (known.entity < 0) known.entity = entity;
      return;
    }
  names_[n.words[0]].push_back(std::move(n));
}

bool ValueReader::time_at(const Text& text, size_t at, Mention* m) const {
  const std::string& word = text.words[at].text;
  m->begin = at;
  m->meridiem = 0;
  if (word == "noon" || word == "midday" || word == "midnight") {
    set_time(m, word == "midnight" ? 0 : 12, 0, 0);
    m->end = at + 1;
    return true;
  }
  const size_t colon = word.find(':');
  if (colon != std::string::npos && colon > 0) {
    size_t end = at + 1;
    int half = 0;
    if (words_at(text, end, "oclock")) ++end;
    end += day_half_at(text, end, &half);
    set_time(m, std::stoll(word.substr(0, colon)), std::stoll(word.substr(colon + 1)), half);
    m->end = end;
    return true;
  }
  size_t lead = 0;
  int64_t minute = 0;
  if (words_at(text, at, "half past")) {
    lead = 2, minute = 30;
  } else if (words_at(text, at, "quarter past")) {
    lead = 2, minute = 15;
  } else if (words_at(text, at, "a quarter past")) {
    lead = 3, minute = 15;
  } else if (words_at(text, at, "quarter to")) {
    lead = 2, minute = -15;
  } else if (words_at(text, at, "a quarter to")) {
    lead = 3, minute = -15;
  } else if (int64_t v = 0; (words_at(text, at + 1, "past") || words_at(text, at + 1, "to")) &&
                            number_at(text, at, &v) == 1 && v % 5 == 0 && v > 0 && v < 30 &&
                            !(at > 0 && text.words[at - 1].text == "from")) {
    int64_t hour = 0;
    if (number_at(text, at + 2, &hour) == 1 && hour >= 1 && hour <= 12 && text.words[at + 1].text == "past")
      lead = 2, minute = v;
  }
  int64_t hour = 0;
  const size_t length = number_at(text, at + lead, &hour);
  if (length == 0 || hour < 0 || hour > 24) return false;
  size_t end = at + lead + length;
  bool sure = lead > 0;
  if (minute < 0) minute += 60, hour -= 1;
  if (lead == 0) {
    int64_t after = 0;  // "nine thirty"
    if (!std::isdigit(static_cast<unsigned char>(word[0])) && number_at(text, end, &after) == 1 &&
        (after == 15 || after == 30 || after == 45)) {
      minute = after, ++end, sure = true;
    }
  }
  if (words_at(text, end, "oclock") || words_at(text, end, "hundred")) ++end, sure = true;
  int half = 0;
  const size_t half_words = day_half_at(text, end, &half);
  end += half_words;
  if (!sure && half_words == 0) return false;
  set_time(m, hour, minute, half);
  m->end = end;
  return true;
}

bool ValueReader::quantity_at(const Text& text, size_t at, Mention* m) const {
  const std::string& word = text.words[at].text;
  m->begin = at;
  if (words_at(text, at, "half an hour") || words_at(text, at, "an hour") || words_at(text, at, "a day") ||
      words_at(text, at, "a week") || words_at(text, at, "a quarter of an hour")) {
    const bool half = word == "half";
    const bool quarter = words_at(text, at, "a quarter");
    m->kinds = kind_bit(ValueKind::kDuration);
    m->key = half ? "minute 30" : quarter ? "minute 15" : words_at(text, at, "an hour") ? "minute 60" : "minute 1440";
    if (words_at(text, at, "a week")) m->key = "minute 10080";
    m->end = at + (quarter ? 5 : half ? 3 : 2);
    return true;
  }
  int64_t value = 0;
  const size_t length = number_at(text, at, &value);
  if (length == 0) return false;
  m->end = at + length;
  const bool in_words = !std::isdigit(static_cast<unsigned char>(word[0]));
  const std::string next = m->end < text.words.size() && text.words[m->end].sentence == text.words[at].sentence &&
                                   !text.words[m->end].clause_start
                               ? text.words[m->end].text
                               : "";
  m->key = "n " + std::to_string(value);
  if (!next.empty() && price_words_.count(stem(next)) != 0) {
    m->kinds = kind_bit(ValueKind::kPrice);
    ++m->end;
    return true;
  }
  if (const std::string unit = next.empty() ? "" : duration_unit(next); !unit.empty()) {
    static const std::map<std::string, int64_t> kMinutes = {{"minute", 1},   {"hour", 60},    {"day", 1440},
                                                            {"week", 10080}, {"night", 1440}, {"month", 43200},
                                                            {"year", 525600}};
    const auto scale = kMinutes.find(unit);
    m->kinds = kind_bit(ValueKind::kDuration);
    m->key = scale == kMinutes.end() ? unit + " " + std::to_string(value)
                                     : "minute " + std::to_string(value * scale->second);
    ++m->end;
    return true;
  }
  if (value >= 1000 && value <= 2200) {
    m->kinds = kind_bit(ValueKind::kYear) | kind_bit(ValueKind::kNumber);
    return true;
  }
  const bool counts = !next.empty() && !may_follow_bare(next);
  if (in_words) {
    const std::string before =
        at > 0 && text.words[at - 1].sentence == text.words[at].sentence ? text.words[at - 1].text : "";
    // "one of them", "no one", "the two"
    if (value == 1 && !(asserts_number(before) && next.empty()) && text.words.size() > 1) return false;
    if (next == "of") return false;
  }
  m->bare = true;
  m->kinds = counts ? kind_bit(ValueKind::kNumber) : kNumeric;
  return true;
}

bool ValueReader::name_at(const Text& text, const std::vector<std::string>& stems, size_t at, Mention* m) const {
  const auto found = names_.find(stems[at]);
  const Name* best = nullptr;
  if (found != names_.end())
    for (const auto& name : found->second) {
      if (best != nullptr && name.words.size() <= best->words.size()) continue;
      if (at + name.words.size() > stems.size()) continue;
      bool all = true;
      for (size_t k = 1; k < name.words.size() && all; ++k) all = stems[at + k] == name.words[k];
      if (all && text.words[at + name.words.size() - 1].sentence == text.words[at].sentence) best = &name;
    }
  if (best == nullptr) return false;
  // "may" and "march" are months with a capital, or where a month stands.
  const std::string& word = text.words[at].text;
  if (best->words.size() == 1 && (word == "may" || word == "march")) {
    static const std::set<std::string> kBefore = {"in",     "of",  "is", "every", "each", "until",
                                                  "during", "and", "or", "month", "for"};
    const bool starts = at == 0 || text.words[at - 1].sentence != text.words[at].sentence;
    if (starts ? text.words.size() > 1 : !text.words[at].capital && kBefore.count(text.words[at - 1].text) == 0)
      return false;
  }
  m->begin = at;
  m->end = at + best->words.size();
  m->kinds = best->kinds;
  m->entity = best->entity;
  for (const auto& w : best->words) m->key += (m->key.empty() ? "" : " ") + w;
  return true;
}

bool ValueReader::unknown_at(const Text& text, const std::vector<std::string>& stems,
                             const std::set<std::string>& known, size_t at, Mention* m) const {
  static const std::set<std::string> kCommon = {"i",      "ai",    "yes",     "no", "sorry", "sir",   "madam",
                                                "mr",     "mrs",   "ms",      "dr", "sure",  "hello", "dear",
                                                "thanks", "thank", "welcome", "ok", "okay"};
  const auto& first = text.words[at];
  const bool sentence_start = at == 0 || text.words[at - 1].sentence != first.sentence;
  if (!first.capital || kCommon.count(first.text) != 0 || articles().count(first.text) != 0) return false;
  const auto capital = [&](size_t i) {
    return i < text.words.size() && text.words[i].capital && text.words[i].sentence == first.sentence &&
           !text.words[i].clause_start && kCommon.count(text.words[i].text) == 0;
  };
  size_t end = at + 1;
  Mention name;  // a name of the world's ends the run
  while (capital(end) && !name_at(text, stems, end, &name)) ++end;
  m->begin = at;
  m->end = end;
  if (end == at + 1) {  // one word: a person's first or last name?
    const auto person = persons_.find(stem(first.text));
    if (person != persons_.end()) {
      m->kinds = kind_bit(ValueKind::kPerson);
      m->key = person->second.size() == 1 ? *person->second.begin() : "somebody called " + first.text;
      return true;
    }
    if (sentence_start || first.clause_start || world_words_.count(first.text) != 0) return false;
  }
  bool all_known = true;
  for (size_t i = at; i < end; ++i) all_known = all_known && known.count(text.words[i].text) != 0;
  if (all_known) return false;
  if (sentence_start && end == at + 2 && world_words_.count(text.words[at + 1].text) != 0 &&
      persons_.count(stem(text.words[at + 1].text)) == 0 && street_words_.count(text.words[at + 1].text) == 0)
    return false;  // "Lovely Harbour ..."
  const bool street = street_words_.count(text.words[end - 1].text) != 0;
  const bool person = persons_.count(stem(first.text)) != 0 || persons_.count(stem(text.words[end - 1].text)) != 0;
  m->kinds = street   ? kind_bit(ValueKind::kStreet)
             : person ? kind_bit(ValueKind::kPerson)
                      : kind_bit(ValueKind::kPerson) | kind_bit(ValueKind::kPlace) | kind_bit(ValueKind::kStreet);
  m->unknown = true;
  for (size_t i = at; i < end; ++i) m->key += (m->key.empty() ? "" : " ") + stem(text.words[i].text);
  return true;
}

std::vector<Mention> ValueReader::read(const Text& text, const Text* known) const {
  std::vector<std::string> stems;
  stems.reserve(text.words.size());
  for (const auto& w : text.words) stems.push_back(stem(w.text));
  std::set<std::string> known_words;
  if (known != nullptr)
    for (const auto& w : known->words) known_words.insert(w.text);
  std::vector<Mention> out;
  for (size_t at = 0; at < text.words.size();) {
    Mention m, other;
    bool found = name_at(text, stems, at, &m);
    if (time_at(text, at, &other) && (!found || other.end >= m.end)) {
      m = other, found = true;
    } else if (!found) {
      m = Mention{};
      found = quantity_at(text, at, &m);
    }
    if (!found) {
      m = Mention{};
      found = unknown_at(text, stems, known_words, at, &m);
    }
    if (found) out.push_back(m);
    at = found ? std::max(m.end, at + 1) : at + 1;
  }
  return out;
}

std::vector<Mention> ValueReader::read_value(const std::string& value, ValueKind kind) const {
  const Text text = read_text(value);
  std::vector<Mention> out;
  for (auto& m : read(text))
    if ((m.kinds & kind_bit(kind)) != 0 && !m.unknown) out.push_back(m);
  if (!out.empty()) return out;
  Mention literal;
  literal.kinds = kind_bit(kind);
  literal.end = text.words.size();
  for (const auto& w : text.words)
    if (!(literal.key.empty() && articles().count(w.text) != 0))
      literal.key += (literal.key.empty() ? "" : " ") + stem(w.text);
  out.push_back(literal);
  return out;
}

bool ValueReader::same(const Mention& a, const Mention& b) const {
  if (a.key == b.key && !a.key.empty()) return true;
  // A bare number as a time is that hour.
  const auto minutes = [&](const Mention& m, int64_t* value) {
    if (m.key.starts_with("time ")) {
      const size_t colon = m.key.find(':');
      *value = 60 * std::stoll(m.key.substr(5, colon - 5)) + std::stoll(m.key.substr(colon + 1));
      return true;
    }
    if (m.key.starts_with("n ") && (m.kinds & kind_bit(ValueKind::kTime)) != 0) {
      *value = 60 * std::stoll(m.key.substr(2));
      return *value <= 24 * 60;
    }
    return false;
  };
  int64_t x = 0, y = 0;
  if ((a.key.starts_with("time ") || b.key.starts_with("time ")) && minutes(a, &x) && minutes(b, &y)) {
    if (x == y) return true;
    // "5 pm" for a town that writes 5: the half of the day is said on one side alone.
    const bool one_sided = (a.meridiem == 0) != (b.meridiem == 0);
    return one_sided && !day_hours_ && (x + 720 == y || y + 720 == x);
  }
  return false;
}

}  // namespace loquat::town::gold
