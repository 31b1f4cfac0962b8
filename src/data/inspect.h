// What `loquat data inspect` says of data: containers, shapes, counts, lengths, roles, duplicates, samples as training
// sees them, and prompts that stand in two places.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/duplicates.h"
#include "data/shapes.h"
#include "data/source.h"

namespace loquat {

struct InspectOptions {
  std::optional<RowKind> kind;  // how rows are to be used; nothing: what each file's first row is
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat = nullptr;  // with a tokenizer
  int64_t context = 0;                 // tokens; samples are cut to it. 0: none
  int64_t samples = 1;
  std::vector<std::string> against;  // data whose prompts must not stand here
};

// Counts of one measure: of as many numbers, the least, the mean, those that 50, 90 and 99 % do not exceed, the
// largest.
struct Spread {
  int64_t count = 0, least = 0, half = 0, nine_tenths = 0, most_of_all = 0, largest = 0;
  double mean = 0;
  int64_t sum = 0;
};
Spread spread_of(std::vector<int64_t> values);

// A piece of a sample: trained: the model learns to write it.
struct Piece {
  std::string text;
  bool trained = false;
  bool control = false;  // a control token
};

struct Sample {
  std::string id, shape;
  std::vector<std::vector<Piece>> sequences;  // one; of a ranking, one for each reply, the best first
  std::vector<std::string> titles;            // of each
};

struct InspectReport {
  std::string name;
  std::string kind;                           // "demonstrations"
  std::map<std::string, int64_t> containers;  // files of each
  std::map<std::string, int64_t> shapes;      // rows of each; "none" where no shape fits
  std::map<std::string, std::string> about;   // of each shape: its keys
  int64_t files = 0, rows = 0, used = 0;
  std::map<std::string, int64_t> passed_over;  // sound rows without use, by the reason
  int64_t unread = 0;                          // rows with an error
  std::vector<std::string> errors;             // the first of these, and what ended a file early
  std::map<std::string, int64_t> roles;        // messages of each
  std::map<std::string, int64_t> labels;       // unpaired: "wanted", "unwanted"
  Spread turns, bytes, replies;                // replies: of a ranking
  Spread tokens;                               // with a tokenizer: of a whole example, uncut
  int64_t trained_tokens = 0;
  std::map<int64_t, int64_t> longer;  // context → examples that are longer
  int64_t repeated_rows = 0, prompts = 0, repeated_prompts = 0, near_duplicates = 0;
  int64_t leaked = 0;  // rows whose prompt stands in `against`
  std::string first_leak;
  std::vector<Sample> samples;
};

// Rows that do not read are counted and the first ones said; an error is for what cannot be opened at all.
Result<InspectReport> inspect(const DataSource& source, const InspectOptions& options);

std::string to_json(const InspectReport& report);

}  // namespace loquat
