// Inside the gold scorer: what it keeps of a world, and the scoring of one reply. Claims are read in gold_claims.cc,
// the rules of each Expect are in gold.cc.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/town/gold.h"
#include "data/town/gold_detect.h"
#include "data/town/gold_text.h"
#include "data/town/gold_values.h"

namespace loquat::town {

using gold::KindSet;
using gold::Mention;
using gold::Text;
using gold::ValueReader;

struct GoldScorer::Impl {
  explicit Impl(const World& w);

  const World world;  // a copy: the scorer outlives its maker's world
  ValueReader reader;
  std::map<int32_t, std::vector<const Fact*>> by_subject;
  std::map<int32_t, const Fact*> by_id;
  std::map<std::string, std::set<std::string>> cues;
  std::map<std::string, KindSet> attribute_kinds;
  std::map<const Fact*, std::vector<Mention>> values;
  std::map<int32_t, std::set<std::string>> entity_words;
  std::map<int32_t, std::string> entity_kind;
  std::string town_key;
};

// One value that the reply must state.
struct Gold {
  std::vector<Mention> forms;  // all must be stated (a list of hours has several)
  ValueKind kind = ValueKind::kTime;
  const Fact* fact = nullptr;
  std::vector<uint8_t> said;
};

// A class of replies has a band of utilities, and style places a reply within it.
struct Band {
  double low, high;
};

// The scoring of one reply.
class Scoring {
 public:
  Scoring(const GoldScorer::Impl& impl, const Task& task, std::string_view reply, bool ended);

  Verdict run();

 private:
  void read_gold();
  void read_answer_claims();
  void read_pattern_claims();
  void find_harm();
  bool complies_otherwise() const;
  void claim(const Mention& m, bool correct, KindSet asked);
  bool in_question(const Mention& m) const {
    return text_.is_question[static_cast<size_t>(text_.words[m.begin].sentence)] != 0;
  }
  bool among(const std::vector<Mention>& list, const Mention& m) const {
    return std::any_of(list.begin(), list.end(), [&](const Mention& x) { return impl_.reader.same(x, m); });
  }
  bool is_swapped(const Mention& m, size_t gold) const;
  bool is_other_fact(const Mention& m) const;
  bool of_another(const Mention& m) const;
  bool names_subject(const Mention& m) const;
  bool is_quoted(const Mention& m) const;
  KindSet asked_kinds() const;
  bool in_request(const Mention& m) const;
  KindSet kinds_in_question() const;

  void score_answer();
  void score_abstain();
  void score_refuse();
  void score_clarify();
  void score_identity();
  void score_compose();
  void score_label();
  void finish();
  void set(Band band, double style, const char* reason);

  const GoldScorer::Impl& impl_;
  const Task& task_;
  bool ended_;
  Text text_, request_, everything_, passage_;
  std::string history_;
  std::vector<Mention> mentions_, asked_values_, given_;
  std::vector<Gold> gold_;
  bool abstains_ = false, hedges_ = false, declines_ = false, degenerate_ = false, echo_ = false;
  bool false_claim_ = false;  // about what was asked
  Verdict v_;
};

}  // namespace loquat::town
