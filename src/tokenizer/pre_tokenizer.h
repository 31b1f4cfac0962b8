// The "pre_tokenizer" of tokenizer.json: cuts text into the pieces that a model's tokens never cross, and may rewrite
// them (byte-level characters, Metaspace's "▁"). Bytes that are not UTF-8 are cut off on their own.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/pattern.h"

namespace loquat {

class PreTokenizer {
 public:
  static Result<PreTokenizer> make(const nlohmann::json& value, const std::string& field);  // null: one piece

  // Appends the pieces, none empty. at_start: the text's first byte is the first of what was given to encode.
  void run(std::string_view text, bool at_start, std::vector<std::string>& pieces) const;

  // Where it does no more than cut by patterns and then turns to bytes, as byte-level BPE's: the patterns, for a
  // Splitter.
  std::optional<std::vector<std::string>> byte_level_patterns() const;
  bool makes_bytes() const;  // its pieces are byte-level characters

 private:
  enum class Kind { kSplit, kSpaceBefore, kBytes, kMetaspace };
  enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Scheme { kAlways, kFirst, kNever };
  struct Step {
    Kind kind;
    std::optional<Pattern> pattern;  // kSplit
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;
    std::string replacement;  // kMetaspace
    Scheme scheme = Scheme::kAlways;
  };
  struct Piece {
    std::string text;
    bool at_start = false;
  };
  Status add(const nlohmann::json& value, const std::string& field);
  Status add_split(const std::string& regex, const nlohmann::json& behavior, bool invert, const std::string& field);
  Status add_metaspace(const nlohmann::json& value, const std::string& field);
  static void split(const Step& step, Piece piece, std::vector<Piece>& out);
  std::vector<Step> steps_;
};

}  // namespace loquat
