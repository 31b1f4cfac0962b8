// Packed sequences, and whether a kernel table has what a config needs.
#include "base/check.h"
#include "model/model.h"

namespace loquat {
namespace {

// What of the kernel table this config needs beyond Llama's parts: a name where it is not there.
std::string missing_part(const ModelConfig& c, const Kernels& k) {
  const Features& f = c.features;
  bool windows = c.attention_softcap > 0 || c.final_softcap > 0;
  for (int64_t i = 0; i < c.num_layers && !windows; ++i) windows = c.layer(i).window > 0;
  if (f.norm == NormKind::kLayer && !k.layer_norm) return "layer norm";
  if ((f.qkv_bias || f.output_bias || f.mlp_bias) && !k.add_bias) return "biases";
  if (f.qk_norm && !k.head_norm) return "norms of heads";
  if (f.activation == Activation::kGeluTanh && !(f.gated_mlp ? k.geglu : k.gelu)) return "GELU";
  if (windows && !(k.windows_and_caps && k.soft_cap)) return "sliding windows and soft caps";
  return "";
}

}  // namespace

Status check_kernels(const ModelConfig& config, const Kernels& kernels) {
  const std::string part = missing_part(config, kernels);
  if (part.empty()) return {};
  return Err("the {} kernels have no {}, which this {} model needs; expected a processor's kernels (LOQUAT_DEVICE=cpu)",
             kernels.name, part, config.architecture);
}

void Batch::add(std::span<const int32_t> sequence, const Model* adapter) {
  tokens.insert(tokens.end(), sequence.begin(), sequence.end());
  for (size_t i = 0; i < sequence.size(); ++i) positions.push_back(static_cast<int32_t>(i));
  starts.push_back(rows());
  prefix.push_back(-1);
  adapters.push_back(adapter);
}

void Batch::add_continuation(std::span<const int32_t> sequence) {
  CHECK(sequences() > 0, "a continuation of nothing");
  const int64_t from = has_prefix(sequences() - 1) ? prefix.back() : sequences() - 1;
  const int64_t length = starts[from + 1] - starts[from];
  add(sequence, adapter(from));
  for (int64_t t = starts[sequences() - 1]; t < rows(); ++t) positions[t] += static_cast<int32_t>(length);
  prefix.back() = from;
}

void Batch::clear() {
  tokens.clear();
  positions.clear();
  starts.assign(1, 0);
  prefix.clear();
  adapters.clear();
}

}  // namespace loquat
