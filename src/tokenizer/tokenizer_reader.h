// A tokenizer.json's document into a Tokenizer; for this folder's own files. What a document asks for and is not known
// is an error that names its field, since a tokenizer that is nearly right gives a model other tokens than it was
// trained on.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

// Where a tokenizer.model (or a GGUF of one) does otherwise than any tokenizer.json can say.
struct SentencePieceRules {
  std::vector<uint32_t> merge_ranks;      // BPE: of each merge; those of equal rank are done from the left
  std::vector<uint8_t> not_text;          // by id: text never becomes it (control, unknown, byte)
  std::optional<double> unigram_minimum;  // Unigram: the lowest score of the normal pieces
};

// path: for messages. The document's text, if any, is what save() writes again.
Result<std::shared_ptr<Tokenizer::Impl>> read_tokenizer(const nlohmann::json& document, const std::string& path,
                                                        const SentencePieceRules* rules = nullptr);

Result<std::shared_ptr<Tokenizer::Impl>> read_sentencepiece(const SentencePieceModel& model, const std::string& path);

// The document as our own tokenizers are written; byte-level BPE alone.
std::string tokenizer_json(const Tokenizer::Impl& t);

}  // namespace loquat
