// Cuts text into the pieces that byte-pair merges never cross, by a pattern (pattern.h). What the pattern does not
// match is a piece too, so the pieces always add up to the text. Bytes that are not UTF-8 are pieces of one byte each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/pattern.h"

namespace loquat {

extern const std::string kGpt4Pattern;  // cl100k_base's
extern const std::string kGpt2Pattern;

class Splitter {
 public:
  // Each pattern cuts the pieces that the one before it left. An error tells what the pattern compiler said and where.
  static Result<Splitter> make(std::vector<std::string> patterns);
  const std::vector<std::string>& patterns() const { return patterns_; }

  // Appends the pieces of `text` (views into it), in order; none is empty. Safe to call from many threads. A pattern
  // that runs into its match limit makes one piece of the rest of the run: slow input can cost pieces, never the round
  // trip.
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;

 private:
  void split_valid(std::string_view text, std::vector<std::string_view>& pieces) const;
  std::vector<std::string> patterns_;
  std::vector<Pattern> codes_;
};

}  // namespace loquat
