// Of a model's folder, what reading it and quantising it share.
#pragma once

#include <optional>
#include <string>

#include "model/quantized_folder.h"

namespace loquat {

Result<SafetensorsFile> open_weights(const std::string& folder);

// A tensor's n values: F32, BF16 or F16.
void read_tensor_values(const TensorEntry& tensor, float* out, int64_t n);

// Every tensor's name, shape and type against the config that is `wanted` of the one that is in the file. `new_head`:
// the score head's need not be there. A projection may be quantised where there is a quantization.
Status check_tensors(const SafetensorsFile& file, const ModelConfig& in_file, const ModelConfig& wanted, bool new_head,
                     const std::optional<Quantization>& quantization);

}  // namespace loquat
