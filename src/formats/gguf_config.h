// A model's config as GGUF's metadata has it, both ways: sizes, positions and their scaling, windows, caps. Some of it
// lies in tensors (rope_freqs.weight, rope_factors_long.weight and _short). What llama.cpp would compute otherwise than
// the config says is refused, not written.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/config.h"
#include "store/gguf.h"

namespace loquat {

// The config of the model that the file holds. Keys, tensors' shapes and the vocabulary's special ids are read; the
// message of an error names file and key.
Result<ModelConfig> config_from_gguf(const GgufFile& file);

struct GgufConfig {
  std::vector<std::pair<std::string, GgufValue>> metadata;          // from general.architecture on
  std::vector<std::pair<std::string, std::vector<float>>> tensors;  // of positions' scaling, F32
};
Result<GgufConfig> config_to_gguf(const ModelConfig& config);

// Whether a tensor of this name belongs to the config and not to the parameters.
bool is_gguf_config_tensor(const std::string& name);

}  // namespace loquat
