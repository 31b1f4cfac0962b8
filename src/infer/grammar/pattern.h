// Regular expressions as JSON schemas write them (ECMA-262, without look-around, back-references, \b and \p), compiled
// to a deterministic automaton over code points. Work, states and memory are bounded; nothing ever backtracks.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "infer/grammar/chars.h"

namespace loquat::grammar {

struct Dfa {
  struct State {
    bool accepts = false;
    std::vector<Span> spans;  // sorted; targets are states
  };
  std::vector<State> states;  // the first is the start
};

// Texts of min_length to max_length code points (kUnbounded: any) that the pattern finds a match in. Takes its steps
// from `work`, which all patterns of a schema share, and fails when none are left.
Result<Dfa> compile_pattern(std::string_view pattern, uint32_t min_length, uint32_t max_length, int64_t& work);

// The inside of a JSON string and its closing quote.
NodeId add_pattern(Graph& graph, Chars& chars, const Dfa& dfa, NodeId next);

// The pattern of a value of "format"; "" for an unknown one.
std::string_view format_pattern(std::string_view format);

}  // namespace loquat::grammar
