// Numbers in JSON, bounded in length, and within bounds: exact, digit by digit.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "infer/grammar/graph.h"

namespace loquat::grammar {

// A bound: -12.5 is {true, "12", "5"}; no leading zeros, no zeros at the fraction's end, zero is never negative.
struct Decimal {
  bool negative = false;
  std::string whole = "0", fraction;
};
Result<Decimal> parse_decimal(std::string_view text);
int compare(const Decimal& a, const Decimal& b);  // < 0, 0, > 0

struct Bound {
  Decimal value;
  bool exclusive = false;
};

// What a bound may have so that every number that is written reads as a double on the right side of it.
inline constexpr size_t kMaxBoundedDigits = 15;
inline constexpr size_t kMaxWholeDigits = 18;  // of any number

// -12, 3.5, 6e-7: 18 digits before the point, 17 after it, 2 of the exponent.
NodeId any_number(Graph& graph, NodeId next);
// Whole numbers; bounds of up to 18 digits.
NodeId integer_between(Graph& graph, std::optional<Bound> low, std::optional<Bound> high, NodeId next);
// Without an exponent; bounds of up to kMaxBoundedDigits digits, at least one of them given.
NodeId number_between(Graph& graph, std::optional<Bound> low, std::optional<Bound> high, NodeId next);

}  // namespace loquat::grammar
