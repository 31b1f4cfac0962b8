// Whole models in and out: `loquat models import`, `export` and `convert` are all this.
#pragma once

#include <string>
#include <vector>

#include "formats/write.h"

namespace loquat {

struct ConvertOptions {
  std::string dtype;      // parse_dtype's; empty: the source's own where the target can have it, else f16
  std::string tokenizer;  // from elsewhere: a file or folder
  uint64_t max_shard_bytes = kShardBytes;
};

struct ConvertReport {
  std::string architecture, dtype;  // dtype: "F32", "Q8_0", ...
  int64_t parameters = 0;
  std::vector<std::string> notes;  // what a person should know: no tokenizer, no chat template
};

// From any source to a file that ends in .gguf, or to a new folder: config.json, the tokenizer's files,
// generation_config.json, import.json (the sources' SHA-256), and last the weights. An error leaves no weights there;
// a target that has a model already is refused.
Result<ConvertReport> convert_model(const std::string& from, const std::string& to, const ConvertOptions& options);

}  // namespace loquat
