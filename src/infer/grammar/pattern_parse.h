// The syntax tree of a pattern; for pattern.cc.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace loquat::grammar {

using CodeSet = std::vector<std::pair<uint32_t, uint32_t>>;  // inclusive, sorted, apart

struct PatternNode {
  enum Kind { kSet, kEmpty, kAll, kAny, kRepeat } kind = kEmpty;  // kAll: kids in turn; kAny: one of the kids
  CodeSet set;
  std::vector<uint32_t> kids;
  uint32_t min = 0, max = 0;  // of kRepeat; kUnbounded
  uint64_t size = 1;          // written out without counts
};

struct PatternTree {
  std::vector<PatternNode> nodes;
  struct Branch {
    uint32_t body = 0;
    bool from_start = false, to_end = false;  // ^ and $
  };
  std::vector<Branch> branches;
};

inline constexpr uint64_t kMaxPatternSize = 4'000;

Result<PatternTree> parse_pattern(std::string_view pattern);

}  // namespace loquat::grammar
