// What GGUF calls the architectures and parameters that this program has (beside model/architectures.h, which says what
// Hugging Face calls them), and how their values lie there.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/params.h"

namespace loquat {

struct GgufArchitecture {
  const char* name;               // general.architecture, and the beginning of its keys
  const char* model_type;         // the row of architectures.h
  bool interleaved_rope;          // a head's pairs are neighbours: rows of q and k lie in another order
  bool fused_qkv = false;         // q, k and v are one tensor
  bool fused_gate_up = false;     // gate and up are one tensor, called ffn_up
  int64_t window_pattern = 0;     // every so many layers one sees everything, the others a window; 0: all alike
  int64_t positions_pattern = 0;  // every so many layers one has no rotary positions
};

const GgufArchitecture* gguf_architecture_of(const ModelConfig& config);
// By general.architecture; null: unknown. `windowed`: llama with a sliding window is Mistral.
const GgufArchitecture* find_gguf_architecture(const std::string& name, bool windowed);

// A tensor of a GGUF file and the parameters that it holds: specs [first, first + count) of param_specs, joined along
// their first dimension.
struct GgufParam {
  std::string name;
  std::vector<int64_t> shape;
  size_t first = 0, count = 1;
};
// In the order of param_specs. The language head's only.
std::vector<GgufParam> gguf_params(const ModelConfig& config);

// How a parameter's values differ there.
bool gguf_adds_one(const ModelConfig& config, const ParamSpec& spec);
// Heads whose rows are interleaved there, 0: none.
int64_t gguf_interleaved_heads(const ModelConfig& config, const ParamSpec& spec);
// Rows of `heads` heads, `width` values each: element i of a head's first half and of its second become neighbours; and
// back. `in` and `out` have the same size and do not overlap.
void interleave_heads(std::span<const float> in, int64_t heads, int64_t width, std::span<float> out);
void deinterleave_heads(std::span<const float> in, int64_t heads, int64_t width, std::span<float> out);

}  // namespace loquat
