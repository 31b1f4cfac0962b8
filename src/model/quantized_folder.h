// Quantised model folders: compressed-tensors' "pack-quantized" form, as Hugging Face's config.json and safetensors
// have it. A quantised NAME.weight [n, k] is three tensors: NAME.weight_packed, int32 [n, k / (32 / bits)], whose
// values lie in it lowest bits first, with half their range added; NAME.weight_scale [n, groups]; NAME.weight_shape,
// [n, k].
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "kernels/kernels.h"
#include "model/params.h"
#include "store/safetensors.h"

namespace loquat {

struct Quantization {
  WeightType type = WeightType::kInt8;
  int64_t group = 0;  // values that a scale is for; 0: a whole row
};

// What config.json says of it: nothing, or an error that names what cannot be read.
Result<std::optional<Quantization>> read_quantization(const std::string& config_json, const std::string& file);

// NAME.weight's tensors: "" followed by packed, scale, shape.
std::string quantized_name(const std::string& weight_name, const char* part);
bool is_quantized(const SafetensorsFile& file, const std::string& weight_name);
// Whether the tensors of this weight [n, k] are what `quantization` asks for.
Status check_quantized(const SafetensorsFile& file, const std::string& name, const std::vector<int64_t>& shape,
                       const Quantization& quantization);
struct RowRange {
  int64_t begin, end;
};
// Codes and scales of some of its rows, by the groups of kernels/quantize.h. After check_quantized.
void read_quantized(const SafetensorsFile& file, const std::string& name, const std::vector<int64_t>& shape,
                    RowRange rows, const Quantization& quantization, uint8_t* codes, BF16* scales);

}  // namespace loquat
