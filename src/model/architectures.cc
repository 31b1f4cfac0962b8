// The rows, and what they share: rotary positions and sliding windows as Hugging Face's config.json has them.
#include "model/architectures.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "model/config_reader.h"

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// --- rotary positions ----------------------------------------------------------------------------

// An object's "rope_type" and its numbers. `reader` reads that object.
void read_rope_scaling(ConfigReader& reader, ModelConfig& config) {
  RopeScaling& s = config.rope_scaling;
  const std::string type = reader.text("rope_type", reader.text("type", "default"));
  const auto factor = [&] { s.factor = reader.positive_number("factor", 0); };
  const auto original = [&](int64_t fallback) {
    s.original_positions = reader.positive("original_max_position_embeddings", fallback);
  };
  if (type == "default") return;
  if (type == "linear" || type == "dynamic") {
    s.kind = type == "linear" ? RopeScalingKind::kLinear : RopeScalingKind::kDynamic;
    return factor();
  }
  s.attention_factor = reader.has("attention_factor") ? reader.positive_number("attention_factor", 0) : 0;
  if (type == "llama3") {
    s.kind = RopeScalingKind::kLlama3;
    factor();
    s.low_freq_factor = reader.positive_number("low_freq_factor", 0);
    s.high_freq_factor = reader.positive_number("high_freq_factor", 0);
    original(-1);
  } else if (type == "yarn") {
    s.kind = RopeScalingKind::kYarn;
    factor();
    s.beta_fast = reader.positive_number("beta_fast", 32);
    s.beta_slow = reader.positive_number("beta_slow", 1);
    original(config.max_positions);
    if (reader.has("mscale") || reader.has("mscale_all_dim")) reader.fail("mscale", "nothing");
    if (!reader.flag("truncate", true)) reader.fail("truncate", "true");
  } else if (type == "longrope" || type == "su") {
    s.kind = RopeScalingKind::kLongRope;
    s.short_factors = reader.positive_numbers("short_factor", config.rotary_dim() / 2);
    s.long_factors = reader.positive_numbers("long_factor", config.rotary_dim() / 2);
    original(s.original_positions > 0 ? s.original_positions : config.max_positions);
  } else {
    reader.fail(reader.has("rope_type") ? "rope_type" : "type",
                "\"default\", \"linear\", \"dynamic\", \"llama3\", \"yarn\" or \"longrope\"");
  }
}

// "rope_theta" and "rope_scaling", or (transformers 5) "rope_parameters" with both, for each kind of layer where there
// are two.
void read_rope(ConfigReader& reader, ModelConfig& config, float default_theta) {
  const char* key = reader.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  config.rope_theta = reader.positive_number("rope_theta", default_theta);
  if (!reader.has(key)) return;
  const json* object = &reader.object().at(key);
  std::string path = std::string(key) + ".";
  if (object->is_object() && object->contains("full_attention")) {
    const json& local = object->value("sliding_attention", json::object());
    ConfigReader inner(local, reader.file(), path + "sliding_attention.");
    config.local_rope_theta = inner.positive_number("rope_theta", config.local_rope_theta);
    reader.fail(inner.status());
    object = &object->at("full_attention");
    path += "full_attention.";
  }
  if (!object->is_object()) return reader.fail(key, "an object or null");
  ConfigReader inner(*object, reader.file(), path);
  config.rope_theta = inner.positive_number("rope_theta", config.rope_theta);
  if (inner.has("partial_rotary_factor") && config.partial_rotary == 1)
    config.partial_rotary = inner.positive_number("partial_rotary_factor", 1);
  read_rope_scaling(inner, config);
  reader.fail(inner.status());
}

ordered_json numbers(const std::vector<float>& values) {
  ordered_json list = ordered_json::array();
  for (const float value : values) list.push_back(plain_number(value));
  return list;
}

ordered_json rope_scaling_json(const RopeScaling& s) {
  ordered_json j;
  switch (s.kind) {
    case RopeScalingKind::kNone:
      return nullptr;
    case RopeScalingKind::kLinear:
      j["rope_type"] = "linear";
      break;
    case RopeScalingKind::kDynamic:
      j["rope_type"] = "dynamic";
      break;
    case RopeScalingKind::kLlama3:
      j["rope_type"] = "llama3";
      break;
    case RopeScalingKind::kYarn:
      j["rope_type"] = "yarn";
      break;
    case RopeScalingKind::kLongRope:
      j["type"] = "longrope";  // with exactly these keys, which older readers insist on
      j["short_factor"] = numbers(s.short_factors);
      j["long_factor"] = numbers(s.long_factors);
      if (s.attention_factor > 0) j["attention_factor"] = plain_number(s.attention_factor);
      return j;
  }
  j["factor"] = plain_number(s.factor);
  if (s.attention_factor > 0) j["attention_factor"] = plain_number(s.attention_factor);
  if (s.kind == RopeScalingKind::kLlama3) {
    j["low_freq_factor"] = plain_number(s.low_freq_factor);
    j["high_freq_factor"] = plain_number(s.high_freq_factor);
  }
  if (s.kind == RopeScalingKind::kYarn) {
    j["beta_fast"] = plain_number(s.beta_fast);
    j["beta_slow"] = plain_number(s.beta_slow);
  }
  if (s.kind == RopeScalingKind::kLlama3 || s.kind == RopeScalingKind::kYarn)
    j["original_max_position_embeddings"] = s.original_positions;
  return j;
}

void write_rope(const ModelConfig& config, ordered_json& out) {
  out["rope_theta"] = plain_number(config.rope_theta);
  out["rope_scaling"] = rope_scaling_json(config.rope_scaling);
  if (config.partial_rotary != 1) out["partial_rotary_factor"] = plain_number(config.partial_rotary);
}

// --- sliding windows -----------------------------------------------------------------------------

LayerFeatures& layer_at(ModelConfig& config, int64_t i) {
  config.per_layer.resize(static_cast<size_t>(config.num_layers));
  return config.per_layer[static_cast<size_t>(i)];
}

// Whether each layer slides: by "layer_types", or by `otherwise` where there is no such list.
template <typename F>
std::vector<bool> read_layer_types(ConfigReader& reader, int64_t layers, F&& otherwise) {
  std::vector<bool> out(static_cast<size_t>(layers));
  const json* list = reader.has("layer_types") ? &reader.object().at("layer_types") : nullptr;
  if (list && (!list->is_array() || static_cast<int64_t>(list->size()) != layers)) {
    reader.fail("layer_types", fmt::format("a list of {} types, one for each layer", layers));
    list = nullptr;
  }
  for (int64_t i = 0; i < layers; ++i) {
    const size_t at = static_cast<size_t>(i);
    if (list && (*list)[at] != "sliding_attention" && (*list)[at] != "full_attention")
      reader.fail("layer_types", "\"full_attention\" and \"sliding_attention\"");
    out[at] = list ? (*list)[at] == "sliding_attention" : otherwise(i);
  }
  return out;
}

int64_t window_of(const ModelConfig& config) {
  int64_t window = 0;
  for (const LayerFeatures& layer : config.per_layer) window = std::max(window, layer.window);
  return window;
}

json window_or_null(const ModelConfig& config) {
  const int64_t window = window_of(config);
  return window > 0 ? json(window) : json(nullptr);
}

void write_layer_types(const ModelConfig& config, ordered_json& out) {
  ordered_json list = ordered_json::array();
  for (const LayerFeatures& layer : config.per_layer)
    list.push_back(layer.window > 0 ? "sliding_attention" : "full_attention");
  out["layer_types"] = list;
}

// A "sliding_window" of all layers; null: none.
void read_one_window(ConfigReader& reader, ModelConfig& config, int64_t otherwise) {
  if (reader.is_null("sliding_window") || (otherwise == 0 && !reader.has("sliding_window"))) return;
  const int64_t window = reader.positive("sliding_window", otherwise);
  for (int64_t i = 0; i < config.num_layers; ++i) layer_at(config, i).window = window;
}

// Qwen's: a switch, and the layers from "max_window_layers" on.
void read_switched_windows(ConfigReader& reader, ModelConfig& config) {
  if (!reader.flag("use_sliding_window", false) || reader.is_null("sliding_window")) return;
  const int64_t window = reader.positive("sliding_window", 4096), first = reader.integer("max_window_layers", 28);
  if (first < 0) reader.fail("max_window_layers", "0 or more");
  const auto slides = read_layer_types(reader, config.num_layers, [&](int64_t i) { return i >= first; });
  for (int64_t i = 0; i < config.num_layers; ++i)
    layer_at(config, i).window = slides[static_cast<size_t>(i)] ? window : 0;
}

void write_switched_windows(const ModelConfig& config, ordered_json& out) {
  const bool any = window_of(config) > 0;
  out["use_sliding_window"] = any;
  out["sliding_window"] = window_or_null(config);
  if (!any) return;
  int64_t first = 0;
  while (config.per_layer[static_cast<size_t>(first)].window == 0) ++first;
  out["max_window_layers"] = first;
  write_layer_types(config, out);
}

// --- the rows' own readers and writers -----------------------------------------------------------

void read_llama(ConfigReader& reader, ModelConfig& config) {
  read_rope(reader, config, 10000);
}

void read_mistral(ConfigReader& reader, ModelConfig& config) {
  read_rope(reader, config, 10000);
  read_one_window(reader, config, 4096);
}

void write_mistral(const ModelConfig& config, ordered_json& out) {
  write_rope(config, out);
  out["sliding_window"] = window_or_null(config);
}

void read_qwen(ConfigReader& reader, ModelConfig& config) {
  read_rope(reader, config, 10000);
  read_switched_windows(reader, config);
}

void write_qwen(const ModelConfig& config, ordered_json& out) {
  write_rope(config, out);
  write_switched_windows(config, out);
}

// "no_rope_layers" has 1 for the layers with positions and 0 for those without.
void read_smollm3(ConfigReader& reader, ModelConfig& config) {
  read_rope(reader, config, 2000000);
  const int64_t interval = reader.positive("no_rope_layer_interval", 4);
  const json* list = reader.has("no_rope_layers") ? &reader.object().at("no_rope_layers") : nullptr;
  if (list && (!list->is_array() || static_cast<int64_t>(list->size()) != config.num_layers)) {
    return reader.fail("no_rope_layers", fmt::format("a list of {} numbers, one for each layer", config.num_layers));
  }
  if (!reader.status().ok()) return;
  std::vector<bool> rotates(static_cast<size_t>(config.num_layers));
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const size_t at = static_cast<size_t>(i);
    if (list && (*list)[at] != 0 && (*list)[at] != 1) return reader.fail("no_rope_layers", "zeros and ones");
    rotates[at] = list ? (*list)[at] == 1 : (i + 1) % interval != 0;
    layer_at(config, i).rope = rotates[at] ? LayerRope::kGlobal : LayerRope::kNone;
  }
  if (!reader.flag("use_sliding_window", false) || !reader.has("sliding_window")) return;
  const int64_t window = reader.positive("sliding_window");
  const auto slides =
      read_layer_types(reader, config.num_layers, [&](int64_t i) { return !rotates[static_cast<size_t>(i)]; });
  for (int64_t i = 0; i < config.num_layers; ++i)
    layer_at(config, i).window = slides[static_cast<size_t>(i)] ? window : 0;
}

void write_smollm3(const ModelConfig& config, ordered_json& out) {
  write_rope(config, out);
  ordered_json list = ordered_json::array();
  for (int64_t i = 0; i < config.num_layers; ++i) list.push_back(config.layer(i).rope == LayerRope::kNone ? 0 : 1);
  out["no_rope_layers"] = list;
  write_switched_windows(config, out);
}

float read_cap(ConfigReader& reader, const char* key, float otherwise) {
  if (reader.is_null(key) || (!reader.has(key) && otherwise == 0)) return 0;
  return reader.positive_number(key, otherwise);
}

void read_gemma(ConfigReader& reader, ModelConfig& config, int64_t every, LayerRope sliding_rope) {
  config.query_scale = reader.positive_number("query_pre_attn_scalar", 256);
  if (reader.flag("use_bidirectional_attention", false)) reader.fail("use_bidirectional_attention", "false");
  const int64_t window = reader.positive("sliding_window", 4096);
  const auto slides = read_layer_types(reader, config.num_layers, [&](int64_t i) { return (i + 1) % every != 0; });
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const bool slide = slides[static_cast<size_t>(i)];
    layer_at(config, i) = {slide ? window : 0, slide ? sliding_rope : LayerRope::kGlobal};
  }
}

void write_gemma(const ModelConfig& config, ordered_json& out) {
  write_rope(config, out);
  out["query_pre_attn_scalar"] = plain_number(config.query_scale > 0 ? config.query_scale : config.head_dim);
  const auto cap = [](float value) { return value > 0 ? json(plain_number(value)) : json(nullptr); };
  out["attn_logit_softcapping"] = cap(config.attention_softcap);
  out["final_logit_softcapping"] = cap(config.final_softcap);
  const int64_t window = window_of(config);
  out["sliding_window"] = window > 0 ? window : config.max_positions;
  ModelConfig all = config;
  all.per_layer.resize(static_cast<size_t>(config.num_layers));
  write_layer_types(all, out);
}

void read_gemma2(ConfigReader& reader, ModelConfig& config) {
  read_rope(reader, config, 10000);
  config.attention_softcap = read_cap(reader, "attn_logit_softcapping", 50);
  config.final_softcap = read_cap(reader, "final_logit_softcapping", 30);
  read_gemma(reader, config, 2, LayerRope::kGlobal);
}

void read_gemma3(ConfigReader& reader, ModelConfig& config) {
  config.local_rope_theta = reader.positive_number("rope_local_base_freq", 10000);
  read_rope(reader, config, 1000000);
  config.attention_softcap = read_cap(reader, "attn_logit_softcapping", 0);
  config.final_softcap = read_cap(reader, "final_logit_softcapping", 0);
  const char* key = reader.has("_sliding_window_pattern") ? "_sliding_window_pattern" : "sliding_window_pattern";
  const int64_t every = reader.positive(key, 6);
  if (reader.status().ok()) read_gemma(reader, config, every, LayerRope::kLocal);
}

void write_gemma3(const ModelConfig& config, ordered_json& out) {
  write_gemma(config, out);
  out["rope_local_base_freq"] = plain_number(config.local_rope_theta);
}

void read_phi3(ConfigReader& reader, ModelConfig& config) {
  config.partial_rotary = reader.positive_number("partial_rotary_factor", 1);
  config.rope_scaling.original_positions = reader.positive("original_max_position_embeddings", config.max_positions);
  read_rope(reader, config, 10000);
  read_one_window(reader, config, 0);
}

void write_phi3(const ModelConfig& config, ordered_json& out) {
  const int64_t original = config.rope_scaling.original_positions;
  out["original_max_position_embeddings"] = original > 0 ? original : config.max_positions;
  write_mistral(config, out);
}

void read_gpt2(ConfigReader& reader, ModelConfig&) {
  if (!reader.flag("scale_attn_weights", true)) reader.fail("scale_attn_weights", "true");
  if (reader.flag("scale_attn_by_inverse_layer_idx", false)) reader.fail("scale_attn_by_inverse_layer_idx", "false");
  if (reader.flag("add_cross_attention", false)) reader.fail("add_cross_attention", "false");
}

void write_gpt2(const ModelConfig& config, ordered_json& out) {
  out["n_ctx"] = config.max_positions;
}

// --- tensors that are called otherwise -----------------------------------------------------------

constexpr TensorRule kPhi3Tensors[] = {{"self_attn.q_proj.weight", "self_attn.qkv_proj.weight", 3},
                                       {"mlp.gate_proj.weight", "mlp.gate_up_proj.weight", 2}};

// Its projections are stored [in, out].
constexpr TensorRule kGpt2Tensors[] = {{"/embed_tokens.weight", "/wte.weight"},
                                       {"/embed_positions.weight", "/wpe.weight"},
                                       {"input_layernorm.weight", "ln_1.weight"},
                                       {"input_layernorm.bias", "ln_1.bias"},
                                       {"self_attn.q_proj.weight", "attn.c_attn.weight", 3, true},
                                       {"self_attn.q_proj.bias", "attn.c_attn.bias", 3},
                                       {"self_attn.o_proj.weight", "attn.c_proj.weight", 1, true},
                                       {"self_attn.o_proj.bias", "attn.c_proj.bias"},
                                       {"post_attention_layernorm.weight", "ln_2.weight"},
                                       {"post_attention_layernorm.bias", "ln_2.bias"},
                                       {"mlp.up_proj.weight", "mlp.c_fc.weight", 1, true},
                                       {"mlp.up_proj.bias", "mlp.c_fc.bias"},
                                       {"mlp.down_proj.weight", "mlp.c_proj.weight", 1, true},
                                       {"mlp.down_proj.bias", "mlp.c_proj.bias"},
                                       {"/norm.weight", "/ln_f.weight"},
                                       {"/norm.bias", "/ln_f.bias"}};
constexpr const char* kGpt2Buffers[] = {".attn.bias", ".attn.masked_bias"};  // the causal mask

constexpr ConfigKeys kGpt2Keys = {.hidden_size = "n_embd",
                                  .intermediate_size = "n_inner",
                                  .num_layers = "n_layer",
                                  .num_heads = "n_head",
                                  .num_kv_heads = nullptr,
                                  .head_dim = nullptr,
                                  .max_positions = "n_positions",
                                  .norm_eps = "layer_norm_epsilon",
                                  .activation = "activation_function"};

constexpr Features kGemmaFeatures = {
    .norm_adds_one = true, .post_norms = true, .activation = Activation::kGeluTanh, .scaled_embedding = true};
constexpr Features kGemma3Features = [] {
  Features f = kGemmaFeatures;
  f.qk_norm = true;
  return f;
}();

// --- the table -----------------------------------------------------------------------------------

constexpr Architecture kArchitectures[] = {
    {.model_type = "llama",  // Llama 1 to 3, SmolLM2
     .language_class = "LlamaForCausalLM",
     .score_class = "LlamaForSequenceClassification",
     .activation = "silu",
     .keys = {.attention_bias = "attention_bias", .mlp_bias = "mlp_bias"},
     .read = read_llama,
     .write = write_rope},
    {.model_type = "mistral",
     .language_class = "MistralForCausalLM",
     .score_class = "MistralForSequenceClassification",
     .activation = "silu",
     .read = read_mistral,
     .write = write_mistral},
    {.model_type = "qwen2",  // 2 and 2.5
     .language_class = "Qwen2ForCausalLM",
     .score_class = "Qwen2ForSequenceClassification",
     .activation = "silu",
     .features = {.qkv_bias = true},
     .read = read_qwen,
     .write = write_qwen},
    {.model_type = "qwen3",
     .language_class = "Qwen3ForCausalLM",
     .score_class = "Qwen3ForSequenceClassification",
     .activation = "silu",
     .features = {.qk_norm = true},
     .default_head_dim = 128,
     .keys = {.attention_bias = "attention_bias"},
     .read = read_qwen,
     .write = write_qwen},
    {.model_type = "smollm3",
     .language_class = "SmolLM3ForCausalLM",
     .score_class = "SmolLM3ForSequenceClassification",
     .activation = "silu",
     .default_tied = true,
     .keys = {.attention_bias = "attention_bias", .mlp_bias = "mlp_bias"},
     .read = read_smollm3,
     .write = write_smollm3},
    {.model_type = "gemma2",
     .language_class = "Gemma2ForCausalLM",
     .score_class = "Gemma2ForSequenceClassification",
     .activation = "gelu_pytorch_tanh",
     .features = kGemmaFeatures,
     .default_head_dim = 256,
     .default_tied = true,
     .keys = {.activation = "hidden_activation", .attention_bias = "attention_bias"},
     .read = read_gemma2,
     .write = write_gemma},
    {.model_type = "gemma3_text",
     .language_class = "Gemma3ForCausalLM",
     .score_class = "Gemma3TextForSequenceClassification",
     .activation = "gelu_pytorch_tanh",
     .features = kGemma3Features,
     .default_head_dim = 256,
     .default_tied = true,
     .keys = {.activation = "hidden_activation", .attention_bias = "attention_bias"},
     .read = read_gemma3,
     .write = write_gemma3},
    {.model_type = "phi3",
     .language_class = "Phi3ForCausalLM",
     .score_class = "Phi3ForSequenceClassification",
     .activation = "silu",
     .default_norm_eps = 1e-5f,
     .read = read_phi3,
     .write = write_phi3,
     .rules = kPhi3Tensors},
    {.model_type = "gpt2",
     .language_class = "GPT2LMHeadModel",
     .score_class = "GPT2ForSequenceClassification",
     .activation = "gelu_new",
     .features = {.norm = NormKind::kLayer,
                  .qkv_bias = true,
                  .output_bias = true,
                  .mlp_bias = true,
                  .gated_mlp = false,
                  .activation = Activation::kGeluTanh,
                  .learned_positions = true},
     .default_tied = true,
     .default_norm_eps = 1e-5f,
     .keys = kGpt2Keys,
     .read = read_gpt2,
     .write = write_gpt2,
     .stem = "transformer.",
     .layers = "h",
     .rules = kGpt2Tensors,
     .buffers = kGpt2Buffers},
};

// A parameter's name: model.layers.3.mlp.up_proj.weight has the layer "3" and the rest; others have no layer.
struct NameParts {
  std::string layer, rest;
  bool of_model = false;
};

NameParts parts_of(const std::string& name) {
  const std::string model = "model.", layers = "model.layers.";
  if (!name.starts_with(model)) return {"", name, false};
  if (!name.starts_with(layers)) return {"", name.substr(model.size()), true};
  const size_t dot = name.find('.', layers.size());
  return {name.substr(layers.size(), dot - layers.size()), name.substr(dot + 1), true};
}

const TensorRule* find_rule(const Architecture& row, const NameParts& name) {
  for (const TensorRule& rule : row.rules) {
    const bool of_model = rule.ours[0] == '/';
    if (of_model == name.layer.empty() && name.of_model && name.rest == rule.ours + (of_model ? 1 : 0)) return &rule;
  }
  return nullptr;
}

std::string name_in_file(const Architecture& row, const NameParts& name, const TensorRule* rule) {
  if (!name.of_model) return name.rest;
  const std::string rest = rule == nullptr ? name.rest : rule->theirs + (rule->theirs[0] == '/' ? 1 : 0);
  if (name.layer.empty()) return row.stem + rest;
  return fmt::format("{}{}.{}.{}", row.stem, row.layers, name.layer, rest);
}

}  // namespace

std::span<const Architecture> architectures() {
  return kArchitectures;
}

const Architecture* find_architecture(const std::string& model_type) {
  for (const Architecture& row : kArchitectures) {
    if (model_type == row.model_type) return &row;
  }
  return nullptr;
}

const Architecture& architecture_of(const ModelConfig& config) {
  const Architecture* row = find_architecture(config.architecture);
  CHECK(row != nullptr, "no architecture is called {}", config.architecture);
  return *row;
}

std::string architecture_names() {
  std::string names;
  for (const Architecture& row : kArchitectures) names += (names.empty() ? "" : ", ") + std::string(row.model_type);
  return names;
}

std::vector<FileTensor> file_tensors(const ModelConfig& config) {
  const Architecture& row = architecture_of(config);
  const auto specs = param_specs(config);
  std::vector<FileTensor> out;
  for (size_t i = 0; i < specs.size(); i += out.back().count) {
    const NameParts name = parts_of(specs[i].name);
    const TensorRule* rule = find_rule(row, name);
    FileTensor tensor{name_in_file(row, name, rule), specs[i].shape, i};
    if (rule != nullptr) {
      tensor.count = static_cast<size_t>(rule->count);
      tensor.transposed = rule->transposed;
    }
    for (size_t k = 1; k < tensor.count; ++k) tensor.shape[0] += specs[i + k].shape[0];
    if (tensor.transposed) std::reverse(tensor.shape.begin(), tensor.shape.end());
    out.push_back(std::move(tensor));
  }
  return out;
}

}  // namespace loquat
