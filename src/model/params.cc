// The list of parameters.
#include "model/params.h"

#include <fmt/ranges.h>

#include <cmath>
#include <utility>

namespace loquat {
namespace {

constexpr double kInitDeviation = 0.02;

}  // namespace

int64_t ParamSpec::size() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

namespace {

// Appends a model's parameters, in order.
struct SpecList {
  const ModelConfig& config;
  std::vector<ParamSpec> specs;

  void norm(const std::string& name, int64_t size) {
    const bool ones = !config.features.norm_adds_one;
    specs.push_back({name + ".weight", {size}, false, ones ? ParamInit::kOnes : ParamInit::kZeros});
    if (config.features.norm == NormKind::kLayer) bias(name, size);
  }
  void projection(const std::string& name, int64_t n, int64_t k, ParamInit init) {
    specs.push_back({name + ".weight", {n, k}, true, init});
  }
  void bias(const std::string& name, int64_t size) {
    specs.push_back({name + ".bias", {size}, false, ParamInit::kZeros});
  }

  void attention(const std::string& name) {
    const int64_t C = config.hidden_size, D = config.head_dim;
    const std::pair<const char*, int64_t> heads[] = {
        {"q", config.num_heads}, {"k", config.num_kv_heads}, {"v", config.num_kv_heads}};
    for (const auto& [letter, count] : heads)
      projection(fmt::format("{}.{}_proj", name, letter), count * D, C, ParamInit::kNormal);
    for (const auto& [letter, count] : heads) {
      if (config.features.qkv_bias) bias(fmt::format("{}.{}_proj", name, letter), count * D);
    }
    if (config.features.qk_norm) {
      norm(name + ".q_norm", D);
      norm(name + ".k_norm", D);
    }
    projection(name + ".o_proj", C, config.num_heads * D, ParamInit::kResidual);
    if (config.features.output_bias) bias(name + ".o_proj", C);
  }

  void mlp(const std::string& name) {
    const int64_t C = config.hidden_size, F = config.intermediate_size;
    const bool gated = config.features.gated_mlp, biased = config.features.mlp_bias;
    if (gated) projection(name + ".gate_proj", F, C, ParamInit::kNormal);
    projection(name + ".up_proj", F, C, ParamInit::kNormal);
    if (gated && biased) bias(name + ".gate_proj", F);
    if (biased) bias(name + ".up_proj", F);
    projection(name + ".down_proj", C, F, ParamInit::kResidual);
    if (biased) bias(name + ".down_proj", C);
  }

  // With norms behind the branches too, Hugging Face's "post_attention_layernorm" is the one behind attention.
  void layer(const std::string& name) {
    const int64_t C = config.hidden_size;
    const bool post = config.features.post_norms;
    norm(name + "input_layernorm", C);
    attention(name + "self_attn");
    if (post) norm(name + "post_attention_layernorm", C);
    norm(name + (post ? "pre_feedforward_layernorm" : "post_attention_layernorm"), C);
    mlp(name + "mlp");
    if (post) norm(name + "post_feedforward_layernorm", C);
  }
};

}  // namespace

std::vector<ParamSpec> param_specs(const ModelConfig& config) {
  const int64_t C = config.hidden_size, V = config.vocab_size;
  SpecList list{config, {}};
  list.specs.push_back({"model.embed_tokens.weight", {V, C}, false, ParamInit::kNormal});
  if (config.features.learned_positions)
    list.specs.push_back({"model.embed_positions.weight", {config.max_positions, C}, false, ParamInit::kNormal});
  for (int64_t i = 0; i < config.num_layers; ++i) list.layer(fmt::format("model.layers.{}.", i));
  list.norm("model.norm", C);
  if (config.head == HeadKind::kScore) {
    list.specs.push_back({"score.weight", {1, C}, false, ParamInit::kScore});
  } else if (!config.tie_embeddings) {
    list.specs.push_back({kHeadName, {V, C}, false, ParamInit::kNormal});
  }
  return std::move(list.specs);
}

bool is_projection(const ParamSpec& spec) {
  return spec.is_matrix || spec.name == kHeadName;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::vector<float> initial_values(const ModelConfig& config, const ParamSpec& spec, Rng rng) {
  std::vector<float> values(static_cast<size_t>(spec.size()), 1.0f);
  if (spec.init == ParamInit::kOnes || spec.init == ParamInit::kMagnitude) return values;
  if (spec.init == ParamInit::kZeros) return std::vector<float>(values.size(), 0.0f);
  double deviation = kInitDeviation;
  if (spec.init == ParamInit::kResidual) deviation /= std::sqrt(2.0 * static_cast<double>(config.num_layers));
  if (spec.init == ParamInit::kScore) deviation = 1.0 / std::sqrt(static_cast<double>(config.hidden_size) + 1.0);
  Rng stream = rng.fork(spec.name);
  if (spec.init == ParamInit::kLoraA) {
    const double bound = 1 / std::sqrt(static_cast<double>(spec.shape[1]));
    for (float& value : values) value = static_cast<float>(bound * (2 * stream.uniform() - 1));
    return values;
  }
  for (float& value : values) value = static_cast<float>(deviation * stream.normal());
  return values;
}

}  // namespace loquat
