// Writes a model's weights from any source: the tensors of a Hugging Face folder, or a GGUF file. One tensor is in
// memory at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "formats/source.h"
#include "store/safetensors.h"

namespace loquat {

// "f32", "f16", "bf16", "q8_0", "q4_0".
Result<GgufType> parse_dtype(const std::string& name);
const char* torch_dtype(GgufType type);  // "float32", "float16", "bfloat16"

// model.safetensors, or its shards, of F32, F16 or BF16. A value that half precision cannot hold is an error.
Status write_folder_weights(const ModelSource& source, const std::string& folder, GgufType type,
                            uint64_t max_shard_bytes = kShardBytes);

// Matrices get the type; norms, biases and positions are F32, as every reader of GGUF expects. Under Q4_0 the
// embedding and the output have Q8_0; a matrix whose rows are no whole blocks has F16. `metadata` (the vocabulary, a
// name) goes behind the config's.
Status write_gguf_model(const ModelSource& source, const std::string& path, GgufType type,
                        std::vector<std::pair<std::string, GgufValue>> metadata);

}  // namespace loquat
