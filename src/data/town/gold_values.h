// Finds the values that a text mentions: times, prices, years, durations and numbers in every written form, and the
// world's names by longest match, with names that the world does not have.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "data/town/gold_text.h"
#include "data/town/town.h"

namespace loquat::town::gold {

using KindSet = uint32_t;
inline KindSet kind_bit(ValueKind kind) {
  return 1u << static_cast<uint32_t>(kind);
}

struct Mention {
  KindSet kinds = 0;  // what it can be: a bare "9" may be a time, a price, a number
  std::string key;    // equal keys are the same value: "time 9:00", "n 4", "lantern street"
  size_t begin = 0;   // words [begin, end)
  size_t end = 0;
  int32_t entity = -1;   // the entity with this name
  bool unknown = false;  // looks like a name that the world does not have
  int meridiem = 0;      // times: 1 am, 2 pm said, 0 not
  bool bare = false;     // a number with neither unit nor form
};

class ValueReader {
 public:
  explicit ValueReader(const World& world);
  // All mentions in order, without overlaps. Capitalised words that stand in `known` (the request) are no unknown
  // names.
  std::vector<Mention> read(const Text& text, const Text* known = nullptr) const;
  // The mentions of a value as the world writes it, of this kind; one literal mention where no form is recognised.
  std::vector<Mention> read_value(const std::string& value, ValueKind kind) const;
  // The same value, as an answer about that kind.
  bool same(const Mention& a, const Mention& b) const;
  const std::map<std::string, int32_t>& entity_ids() const { return entity_ids_; }

 private:
  struct Name {
    std::vector<std::string> words;  // stems
    KindSet kinds = 0;
    int32_t entity = -1;
  };
  void add_name(std::string_view name, KindSet kinds, int32_t entity);
  bool time_at(const Text& text, size_t at, Mention* mention) const;
  bool quantity_at(const Text& text, size_t at, Mention* mention) const;
  bool name_at(const Text& text, const std::vector<std::string>& stems, size_t at, Mention* mention) const;
  bool unknown_at(const Text& text, const std::vector<std::string>& stems, const std::set<std::string>& known,
                  size_t at, Mention* mention) const;

  std::map<std::string, std::vector<Name>> names_;        // by first stem
  std::map<std::string, int32_t> entity_ids_;             // lower-cased name without its article
  std::map<std::string, std::set<std::string>> persons_;  // first or last name -> full names
  std::set<std::string> street_words_, price_words_, world_words_;
  bool day_hours_ = false;  // the world writes hours above 12
};

}  // namespace loquat::town::gold
