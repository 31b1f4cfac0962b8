// The list of parameters.
#include "model/params.h"

#include <fmt/ranges.h>

namespace loquat {

int64_t ParamSpec::size() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

std::vector<ParamSpec> param_specs(const ModelConfig& config) {
  const int64_t C = config.hidden_size, F = config.intermediate_size, V = config.vocab_size;
  const int64_t q_dim = config.num_heads * config.head_dim, kv_dim = config.num_kv_heads * config.head_dim;
  std::vector<ParamSpec> specs;
  specs.push_back({"model.embed_tokens.weight", {V, C}, false, ParamInit::kNormal});
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    specs.push_back({layer + "input_layernorm.weight", {C}, false, ParamInit::kOnes});
    specs.push_back({layer + "self_attn.q_proj.weight", {q_dim, C}, true, ParamInit::kNormal});
    specs.push_back({layer + "self_attn.k_proj.weight", {kv_dim, C}, true, ParamInit::kNormal});
    specs.push_back({layer + "self_attn.v_proj.weight", {kv_dim, C}, true, ParamInit::kNormal});
    specs.push_back({layer + "self_attn.o_proj.weight", {C, q_dim}, true, ParamInit::kResidual});
    specs.push_back({layer + "post_attention_layernorm.weight", {C}, false, ParamInit::kOnes});
    specs.push_back({layer + "mlp.gate_proj.weight", {F, C}, true, ParamInit::kNormal});
    specs.push_back({layer + "mlp.up_proj.weight", {F, C}, true, ParamInit::kNormal});
    specs.push_back({layer + "mlp.down_proj.weight", {C, F}, true, ParamInit::kResidual});
  }
  specs.push_back({"model.norm.weight", {C}, false, ParamInit::kOnes});
  if (config.head == HeadKind::kScore) {
    specs.push_back({"score.weight", {1, C}, false, ParamInit::kScore});
  } else if (!config.tie_embeddings) {
    specs.push_back({kHeadName, {V, C}, false, ParamInit::kNormal});
  }
  return specs;
}

bool is_projection(const ParamSpec& spec) {
  return spec.is_matrix || spec.name == kHeadName;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace loquat
