// The tokenizer and chat template that come with a model, from and to what each format keeps them in: tokenizer.json
// and its config, GGUF's tokenizer.* keys, llama2.c's tokenizer.bin.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/source.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

struct SourceTokenizer {
  std::optional<Tokenizer> tokenizer;  // none: the source has none
  std::string from;                    // the file that it was read from
  std::vector<std::string> files;      // a folder's, to be copied as they are
  std::string chat_template;           // empty: none
  // GGUF's own keys, kept as they are for another GGUF.
  std::vector<std::pair<std::string, GgufValue>> keys;
};

// `path`: a tokenizer from elsewhere (a file or folder); empty: the source's own. One with more tokens than the
// embedding has rows is an error.
Result<SourceTokenizer> read_source_tokenizer(const ModelSource& source, const std::string& path);

// tokenizer.json, tokenizer_config.json (with the chat template), generation_config.json.
Status save_tokenizer_files(const SourceTokenizer& tokenizer, const ModelConfig& config, const std::string& folder);

// GGUF's tokenizer.* keys.
Result<std::vector<std::pair<std::string, GgufValue>>> tokenizer_keys(const SourceTokenizer& tokenizer,
                                                                      const ModelConfig& config);

}  // namespace loquat
