// GGUF's names, by llama.cpp's converter.
#include "formats/gguf_names.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace loquat {
namespace {

constexpr GgufArchitecture kArchitectures[] = {
    {.name = "llama", .model_type = "llama", .interleaved_rope = true},
    {.name = "llama", .model_type = "mistral", .interleaved_rope = true},
    {.name = "qwen2", .model_type = "qwen2", .interleaved_rope = false},
    {.name = "qwen3", .model_type = "qwen3", .interleaved_rope = false},
    {.name = "smollm3", .model_type = "smollm3", .interleaved_rope = true, .positions_pattern = 4},
    {.name = "gemma2", .model_type = "gemma2", .interleaved_rope = false, .window_pattern = 2},
    {.name = "gemma3", .model_type = "gemma3_text", .interleaved_rope = false, .window_pattern = 6},
    {.name = "phi3", .model_type = "phi3", .interleaved_rope = false, .fused_qkv = true, .fused_gate_up = true},
    {.name = "gpt2", .model_type = "gpt2", .interleaved_rope = false, .fused_qkv = true},
};

// Behind a layer's stem, without ".weight" or ".bias".
constexpr std::pair<const char*, const char*> kLayerNames[] = {
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

constexpr std::pair<const char*, const char*> kModelNames[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.embed_positions", "position_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
};

struct Parts {
  std::string layer, stem, ending;  // "3", "mlp.up_proj", ".weight"; a name without a layer has its whole stem
};

Parts parts_of(const std::string& name) {
  Parts parts;
  const size_t dot = name.rfind('.');
  parts.stem = name.substr(0, dot);
  parts.ending = name.substr(dot);
  const std::string layers = "model.layers.";
  if (!name.starts_with(layers)) return parts;
  const size_t end = name.find('.', layers.size());
  parts.layer = name.substr(layers.size(), end - layers.size());
  parts.stem = name.substr(end + 1, dot - end - 1);
  return parts;
}

std::string gguf_name(const ModelConfig& config, const GgufArchitecture& row, const Parts& parts) {
  if (parts.layer.empty()) {
    for (const auto& [ours, theirs] : kModelNames)
      if (parts.stem == ours) return theirs + parts.ending;
    CHECK(false, "GGUF has no name for {}{}", parts.stem, parts.ending);
  }
  const std::string layer = fmt::format("blk.{}.", parts.layer);
  if (row.fused_qkv && parts.stem == "self_attn.q_proj") return layer + "attn_qkv" + parts.ending;
  if (row.fused_gate_up && parts.stem == "mlp.gate_proj") return layer + "ffn_up" + parts.ending;
  if (parts.stem == "post_attention_layernorm")
    return layer + (config.features.post_norms ? "post_attention_norm" : "ffn_norm") + parts.ending;
  for (const auto& [ours, theirs] : kLayerNames)
    if (parts.stem == ours) return layer + theirs + parts.ending;
  CHECK(false, "GGUF has no name for {}{}", parts.stem, parts.ending);
  return "";
}

bool is_norm(const std::string& stem) {
  return stem.ends_with("norm");
}

}  // namespace

const GgufArchitecture* gguf_architecture_of(const ModelConfig& config) {
  for (const GgufArchitecture& row : kArchitectures)
    if (config.architecture == row.model_type) return &row;
  return nullptr;
}

const GgufArchitecture* find_gguf_architecture(const std::string& name, bool windowed) {
  const GgufArchitecture* found = nullptr;
  for (const GgufArchitecture& row : kArchitectures)
    if (name == row.name && (!found || windowed)) found = &row;
  return found;
}

std::vector<GgufParam> gguf_params(const ModelConfig& config) {
  const GgufArchitecture* row = gguf_architecture_of(config);
  CHECK(row != nullptr && config.head == HeadKind::kLanguage, "GGUF has no {}", config.architecture);
  const auto specs = param_specs(config);
  std::vector<GgufParam> out;
  for (size_t i = 0; i < specs.size(); i += out.back().count) {
    const Parts parts = parts_of(specs[i].name);
    GgufParam param{gguf_name(config, *row, parts), specs[i].shape, i};
    if (row->fused_qkv && parts.stem == "self_attn.q_proj") param.count = 3;
    if (row->fused_gate_up && parts.stem == "mlp.gate_proj") param.count = 2;
    for (size_t k = 1; k < param.count; ++k) param.shape[0] += specs[i + k].shape[0];
    out.push_back(std::move(param));
  }
  return out;
}

bool gguf_adds_one(const ModelConfig& config, const ParamSpec& spec) {
  return config.features.norm_adds_one && is_norm(parts_of(spec.name).stem);
}

int64_t gguf_interleaved_heads(const ModelConfig& config, const ParamSpec& spec) {
  if (!gguf_architecture_of(config)->interleaved_rope) return 0;
  const std::string stem = parts_of(spec.name).stem;
  return stem == "self_attn.q_proj" ? config.num_heads : stem == "self_attn.k_proj" ? config.num_kv_heads : 0;
}

namespace {

// Calls f(row in halves, row interleaved) for each row.
template <typename F>
void for_each_row(size_t values, int64_t heads, int64_t width, F&& f) {
  const int64_t rows = static_cast<int64_t>(values) / width, D = rows / heads;
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t i = 0; i < D / 2; ++i)
      for (int64_t half = 0; half < 2; ++half) f((h * D + half * D / 2 + i) * width, (h * D + 2 * i + half) * width);
}

}  // namespace

void interleave_heads(std::span<const float> in, int64_t heads, int64_t width, std::span<float> out) {
  for_each_row(in.size(), heads, width, [&](int64_t halves, int64_t interleaved) {
    std::copy_n(in.data() + halves, width, out.data() + interleaved);
  });
}

void deinterleave_heads(std::span<const float> in, int64_t heads, int64_t width, std::span<float> out) {
  for_each_row(in.size(), heads, width, [&](int64_t halves, int64_t interleaved) {
    std::copy_n(in.data() + interleaved, width, out.data() + halves);
  });
}

}  // namespace loquat
