// The shapes in which people keep rows, in one table: which keys make a shape, what it becomes, how it is read. All
// readers of dataset.h and `loquat data inspect` go by it. docs/formats.md lists the table for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"

namespace loquat {

// What a row can be used as; a shape may be several.
enum class RowKind : unsigned { kText = 1, kDemonstration = 2, kRanking = 4, kPrompt = 8, kUnpaired = 16 };
const char* name_of(RowKind kind);  // "texts", "demonstrations", "rankings", "prompts", "unpaired replies"
std::optional<RowKind> kind_named(const std::string& name);

// A row, read: what its kind needs is filled.
struct ReadRow {
  std::string text;                       // texts
  Messages messages;                      // a conversation, or the prompt before `responses`
  std::vector<int64_t> untrained;         // demonstrations: which of the assistant's messages are no targets
  std::string tools;                      // demonstrations: a JSON array of them; "": none
  std::vector<RankedResponse> responses;  // rankings: at least two; unpaired: one
  bool desirable = false;                 // unpaired
};

struct Shape {
  const char* name;                         // "ShareGPT"
  std::vector<const char*> keys;            // each must be there; "a|b": one of them
  const char* about;                        // for people: what stands in the keys
  unsigned kinds;                           // RowKind's
  bool (*also)(const nlohmann::json& row);  // what else must hold; null: nothing
  // nullopt: a sound row that compares nothing.
  Result<std::optional<ReadRow>> (*read)(const nlohmann::json& row);
  bool is(RowKind kind) const { return (kinds & static_cast<unsigned>(kind)) != 0; }
};

std::span<const Shape> shapes();  // the first that fits is a row's
bool fits(const Shape& shape, const nlohmann::json& row);
// The shape of a row of this kind. Errors: none fits, with what was found, what is expected and the nearest shape; two
// fit and neither holds the other (`name` chooses one, as it does among all; empty: none is asked for).
Result<const Shape*> shape_for(const nlohmann::json& row, RowKind kind, const std::string& name = "");
const Shape* shape_of(const nlohmann::json& row);  // of any kind; null: none
const Shape* shape_named(const std::string& name);

// Whether some shape's keys are all among these.
bool keys_make_a_row(std::span<const std::string> keys);

// (name that a shape knows, name in the file) pairs: the columns are renamed before a row is looked at. An error where
// a column is missing.
using ColumnMap = std::vector<std::pair<std::string, std::string>>;
Result<ColumnMap> parse_map(const std::string& text);  // "prompt=question,completion=answer"
Status rename_columns(nlohmann::json& row, const ColumnMap& map);

// A row's "tools" (a list, or its JSON as text), as ChatOptions takes them; "": it has none.
Result<std::string> tools_of_row(const nlohmann::json& row);

// From a row, as one kind. `shape`: a name, or empty. Errors name the key, what was found and what is expected.
Result<std::string> text_of_row(const nlohmann::json& row, const std::string& shape = "");
Result<Demonstration> demonstration_of_row(const nlohmann::json& row, const std::string& shape = "");
Result<std::optional<Ranking>> ranking_of_row(const nlohmann::json& row, const std::string& shape = "");
Result<Messages> prompt_of_row(const nlohmann::json& row, const std::string& shape = "");
bool is_rejected_reply(const nlohmann::json& row);  // KTO's {"prompt", "completion", "label": false}

}  // namespace loquat
