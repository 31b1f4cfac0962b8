// The vocabulary in a GGUF file's metadata (keys tokenizer.ggml.*) as plain data, from and to a Tokenizer. The file
// itself is read and written elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

struct GgufVocabulary {
  std::string model;                // "gpt2": byte-level BPE, "llama": SentencePiece's BPE, "t5": its Unigram
  std::string pre;                  // gpt2: the name of the pre-tokenizer's pattern; empty: "default"
  std::vector<std::string> tokens;  // by id
  std::vector<float> scores;        // llama, t5: by id
  std::vector<int32_t> types;       // by id, may be empty: 1 normal, 2 unknown, 3 control, 4 user's, 5 unused, 6 byte
  std::vector<std::string> merges;  // gpt2: "left right"
  int32_t bos = -1, eos = -1, unknown = -1, padding = -1;  // ids; -1: the key is absent
  std::optional<bool> add_bos, add_eos, add_space_prefix;  // nullopt: the key is absent
  std::optional<bool> remove_extra_whitespaces;            // t5
  std::string characters_map;                              // t5: precompiled_charsmap
};

// path: for messages.
Result<Tokenizer> tokenizer_from_gguf(const GgufVocabulary& vocabulary, const std::string& path);

// Byte-level BPE whose pattern has a name there, and SentencePiece-like BPE with byte fallback; of others an error says
// what GGUF has no place for. Normalization to NFC is left out, as in every GGUF file.
Result<GgufVocabulary> gguf_from_tokenizer(const Tokenizer& tokenizer);

// The patterns of a pre-tokenizer's name; an error names those that are known.
Result<std::vector<std::string>> gguf_patterns(const std::string& pre);

}  // namespace loquat
