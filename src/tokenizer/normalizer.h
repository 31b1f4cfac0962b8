// The "normalizer" of tokenizer.json: text is rewritten before it is cut. Bytes that are not UTF-8 pass unchanged.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/pattern.h"

namespace loquat {

// SentencePiece's precompiled_charsmap: a double-array trie of texts, each with its replacement.
class CharsMap {
 public:
  static Result<CharsMap> make(std::string bytes);
  // The replacement of the longest (or the shortest) entry that the text starts with; length 0: there is none.
  struct Found {
    size_t length = 0;
    std::string_view replacement;
  };
  Found find(std::string_view text, bool longest) const;

 private:
  uint32_t unit(size_t i) const;
  std::string bytes_;
  size_t units_ = 0;
};

class Normalizer {
 public:
  static Result<Normalizer> make(const nlohmann::json& value, const std::string& field);  // null: changes nothing
  bool empty() const { return steps_.empty(); }
  std::string apply(std::string_view text) const;
  // A tokenizer.model's rule where tokenizer.json's library has another: the longest entry of the character map at each
  // place.
  void use_sentencepiece_rules() { sentencepiece_ = true; }

 private:
  enum class Kind { kNfc, kNfd, kNfkc, kNfkd, kLowercase, kStrip, kStripAccents, kPrepend, kReplace, kCharsMap, kBert };
  struct Step {
    Kind kind;
    std::string text;                                                         // Prepend's, Replace's content
    bool left = false, right = false;                                         // Strip
    std::shared_ptr<const Pattern> pattern;                                   // Replace
    std::shared_ptr<const CharsMap> map;                                      // Precompiled
    bool clean = false, chinese = false, accents = false, lowercase = false;  // Bert
  };
  static Result<Step> make_step(const nlohmann::json& value, const std::string& field);
  Status add(const nlohmann::json& value, const std::string& field);
  std::string apply(const Step& step, std::string_view text) const;  // text: UTF-8
  std::string replace_characters(const Step& step, std::string_view text) const;
  std::vector<Step> steps_;
  bool sentencepiece_ = false;
};

}  // namespace loquat
