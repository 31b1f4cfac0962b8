// Data in another shape, and data parted by prompt, as `loquat data convert` and `loquat data split` do it. Files are
// written whole or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/source.h"

namespace loquat {

struct ConvertReport {
  int64_t written = 0, passed_over = 0;
};

// to: "messages" (OpenAI's {"messages"}; of a comparison, {"messages", "responses"} as Loquat writes it), "trl" (prompt
// and completion; prompt, chosen and rejected: a ranking as its best reply against each worse one), "hh" (comparisons
// as transcripts). Each row by its own shape; one that cannot be so is an error, one that compares nothing is passed
// over.
Result<ConvertReport> convert(const std::vector<DataSource>& sources, const std::string& to, const std::string& out);

struct SplitReport {
  int64_t train = 0, test = 0;
};

// folder/train.jsonl and folder/test.jsonl: the rows as they are (from any container), on the side that a hash of the
// seed and the prompt says. Rows without a prompt go by their text.
Result<SplitReport> split_by_prompt(const std::vector<DataSource>& sources, double held_out, uint64_t seed,
                                    const std::string& folder);

}  // namespace loquat
