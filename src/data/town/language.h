// The town's language: tables of wordings, and how they are divided by the world seed into those that training may use
// and those held out for tests. A request is a frame around a core ("Quick question: {q}?" around "when does {s}
// open"); a held-out request takes frame and core from the held-out parts, and is drawn again if it shares a 5-gram of
// words with any training wording (names and values masked).
//
// Templates hold slots of one letter: {s} subject, {v} value, {g} the goods, door or thing of the attribute, {t} the
// town, {q} {n} {x} the core of a frame (a question, a noun phrase, a command), {a} {b} {c} {d} others.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/rng.h"

namespace loquat::town {

struct Slots {
  std::array<std::string_view, 26> value{};
  std::string_view& operator[](char c) { return value[c - 'a']; }
  std::string_view operator[](char c) const { return value[c - 'a']; }
};
// The template with its slots filled. fill_to appends.
std::string fill(std::string_view text, const Slots& slots);
void fill_to(std::string& out, std::string_view text, const Slots& slots);
// Capitals at the start and after ". ", "! ", "? " and line ends; "a apple" -> "an apple".
std::string tidy(std::string text);

// Lower-case words without punctuation; a slot of a template is the word "_".
std::vector<std::string> words_of(std::string_view text);
// Hashes of the 5-grams of these words.
std::vector<uint64_t> grams_of(const std::vector<std::string>& words);

using Table = std::vector<std::string_view>;

// What unclear requests and follow-ups say in place of a name.
struct VagueSubject {
  std::string_view kind, text;
};
inline constexpr VagueSubject kVagueSubjects[] = {{"shop", "it"},
                                                  {"shop", "the shop"},
                                                  {"shop", "that place"},
                                                  {"shop", "that one"},
                                                  {"ferry", "it"},
                                                  {"ferry", "the ferry"},
                                                  {"person", "that person"},
                                                  {"person", "my neighbour"},
                                                  {"building", "the building"},
                                                  {"festival", "the festival"},
                                                  {"dish", "the dish"},
                                                  {"street", "the street"},
                                                  {"person", "this person"}};

// What is said and asked about one attribute.
struct AttributeText {
  std::string_view key;  // "opens", "price", ...
  Table ask;             // questions: "when does {s} open"
  Table wish;            // noun phrases: "the opening time of {s}"
  Table tell;            // statements: "{s} opens at {v}"
  Table answer;          // statements fit for a reply; the first ends on the value
};
// The tables, by subject (phrasings/*.cc).
const std::vector<AttributeText>& person_texts();
const std::vector<AttributeText>& shop_texts();
const std::vector<AttributeText>& travel_texts();  // ferries, festivals
const std::vector<AttributeText>& place_texts();   // buildings, streets, dishes, substances
const std::vector<AttributeText>& secret_texts();  // door words, mixtures, hiding places: private or public by pair
struct NamedTable {
  std::string_view name;
  Table texts;
};
const std::vector<NamedTable>& frame_tables();    // frames, closers, openers of statements
const std::vector<NamedTable>& request_tables();  // cores of requests other than questions about facts, by name
const std::vector<NamedTable>& prose_tables();    // sentences for documents and passages; never held out

// A table divided by the seed.
struct Pool {
  Table train, held;
  const Table& of(bool held_out) const { return held_out ? held : train; }
};

struct AttributeLanguage {
  Pool ask, wish, tell, answer;
};

struct Wording {
  std::string text;  // slots of the core not yet filled
  std::string name;  // "opens/ask2/frame5/end0"
};

class Language {
 public:
  static std::shared_ptr<const Language> of(uint64_t seed);  // built once for a seed
  const AttributeLanguage& attribute(std::string_view key) const;
  const Pool& pool(std::string_view name) const;
  const Table& prose(std::string_view name) const;
  std::string_view prose(std::string_view name, Rng& rng) const { return rng.pick(prose(name)); }

  // A question about an attribute, as a question or a wish in a frame.
  Wording ask(std::string_view key, bool held_out, Rng& rng) const;
  // A question that follows another turn ("And {q}?").
  Wording follow(std::string_view key, bool held_out, Rng& rng) const;
  // A request whose core is a command from the named table.
  Wording command(std::string_view table, bool held_out, Rng& rng) const;
  // A request whose core is a direct question from the named table.
  Wording question(std::string_view table, bool held_out, Rng& rng) const;
  // An extra sentence of a request ("mention {a} and {b}").
  Wording extra(std::string_view table, bool held_out, Rng& rng) const;

  // Every wording of a kind of request, unfilled (for tests and for the check of 5-grams). `key`: attribute or table.
  std::vector<std::string> all(std::string_view key, bool held_out) const;
  std::vector<std::string> keys() const;
  bool shares_gram(std::string_view text) const;  // with any training wording
  std::vector<std::string> words() const;         // every word of the tables, sorted

 private:
  explicit Language(uint64_t seed);
  void count_grams();
  bool has_own_grams(std::string_view text) const;
  Pool divide(std::string_view name, const Table& table, double held_share) const;
  Wording compose(std::string_view key, std::string_view form, bool held_out, Rng& rng) const;
  std::vector<std::string> products(std::string_view key, std::string_view form, const Pool& cores,
                                    bool held_out) const;

  uint64_t seed_;
  std::map<std::string, AttributeLanguage, std::less<>> attributes_;
  std::map<std::string, Pool, std::less<>> pools_;
  std::unordered_map<uint64_t, int> gram_counts_;  // over all tables
  std::unordered_set<uint64_t> training_grams_;
};

}  // namespace loquat::town
