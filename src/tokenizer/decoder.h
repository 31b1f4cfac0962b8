// The "decoder" of tokenizer.json: tokens back to text. Each token's bytes are known once; what depends on its place
// (the first token, the text's ends) is done on the whole.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/pattern.h"

namespace loquat {

class Decoder {
 public:
  static Result<Decoder> make(const nlohmann::json& value, const std::string& field);

  bool is_byte_level() const { return steps_.size() == 1 && steps_[0].kind == Kind::kByteLevel; }
  // A token's bytes; the first of a text can differ.
  std::string bytes(std::string_view name, bool first) const;
  bool first_differs() const { return first_differs_; }
  // What is done to the whole text, as it stands after Fuse in the file.
  void finish(std::string& text) const;

 private:
  enum class Kind { kByteLevel, kByteFallback, kStrip, kReplace, kMetaspace, kWordPiece };
  struct Step {
    Kind kind;
    std::string content;           // Strip's character, Replace's content, WordPiece's prefix
    std::string replacement;       // Metaspace
    size_t start = 0, stop = 0;    // Strip
    bool prefix = false;           // Metaspace: the first token loses its replacements
    std::vector<Pattern> pattern;  // Replace: one
  };
  Status add(const nlohmann::json& value, const std::string& field);
  static std::string apply(const Step& step, std::string text, bool first);
  std::vector<Step> steps_, whole_;
  bool fused_ = false, first_differs_ = false;
};

// <0xE2> → that byte; -1: the name of none.
int byte_token(std::string_view name);
std::string byte_token_name(int byte);

}  // namespace loquat
