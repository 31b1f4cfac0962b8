// config.json in and out, by the rows of architectures.h. Keys that this Transformer does not know are ignored, keys
// that would change its mathematics are not.
#include "model/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "model/architectures.h"
#include "model/config_reader.h"

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int64_t kMaxSize = int64_t{1} << 31;    // of any one size
constexpr int64_t kMaxLayers = int64_t{1} << 14;  // there are lists of them
constexpr int64_t kMaxParams = int64_t{1} << 40;  // keeps every product of sizes far from overflow

json token_or_null(int32_t token) {
  return token < 0 ? json(nullptr) : json(token);
}

// --- reading -------------------------------------------------------------------------------------

// By "model_type", or by "architectures" where that is missing; Llama where both are.
const Architecture* read_architecture(ConfigReader& reader) {
  if (reader.has("model_type")) {
    const Architecture* row = find_architecture(reader.text("model_type", ""));
    if (row == nullptr) reader.fail("model_type", "one of " + architecture_names());
    return row;
  }
  if (!reader.object().contains("architectures")) return find_architecture("llama");
  const json& list = reader.object().at("architectures");
  for (const Architecture& row : architectures()) {
    if (list == json::array({row.language_class}) || list == json::array({row.score_class})) return &row;
  }
  reader.fail("architectures", "a class of one of the model types " + architecture_names());
  return nullptr;
}

HeadKind read_head(ConfigReader& reader, const Architecture& row) {
  const json& object = reader.object();
  if (!object.contains("architectures")) return HeadKind::kLanguage;
  const json& list = object.at("architectures");
  if (list == json::array({row.language_class})) return HeadKind::kLanguage;
  if (list != json::array({row.score_class})) {
    reader.fail("architectures", fmt::format("[\"{}\"] or [\"{}\"]", row.language_class, row.score_class));
    return HeadKind::kLanguage;
  }
  const bool many_ids = reader.has("id2label") && object.at("id2label").size() != 1;
  const bool none = !reader.has("num_labels") && !reader.has("id2label");  // Hugging Face's default is then two
  if (many_ids || none || reader.integer("num_labels", 1) != 1) reader.fail("num_labels", "1 (one score per text)");
  return HeadKind::kScore;
}

void read_sizes(ConfigReader& reader, const Architecture& row, ModelConfig& config) {
  const ConfigKeys& keys = row.keys;
  config.vocab_size = reader.integer("vocab_size");
  config.hidden_size = reader.integer(keys.hidden_size);
  config.num_layers = reader.integer(keys.num_layers);
  config.num_heads = reader.integer(keys.num_heads);
  config.num_kv_heads = keys.num_kv_heads ? reader.integer(keys.num_kv_heads, config.num_heads) : config.num_heads;
  const int64_t head_dim = row.default_head_dim > 0 ? row.default_head_dim
                           : config.num_heads > 0   ? config.hidden_size / config.num_heads
                                                    : 0;
  config.head_dim = keys.head_dim ? reader.integer(keys.head_dim, head_dim) : head_dim;
  // GPT-2's is null where it has the usual size.
  const bool four_times = !row.features.gated_mlp && !reader.has(keys.intermediate_size);
  config.intermediate_size = four_times ? 4 * config.hidden_size : reader.integer(keys.intermediate_size);
  config.max_positions = reader.integer(keys.max_positions);
  if (config.num_layers > kMaxLayers) reader.fail(keys.num_layers, fmt::format("at most {}", kMaxLayers));
}

void read_features(ConfigReader& reader, const Architecture& row, ModelConfig& config) {
  const ConfigKeys& keys = row.keys;
  const auto gelu = [](const std::string& name) { return name == "gelu_new" || name == "gelu_pytorch_tanh"; };
  const std::string activation = reader.text(keys.activation, row.activation);
  if (activation != row.activation && !(gelu(activation) && gelu(row.activation))) {
    reader.fail(keys.activation, fmt::format("\"{}\"", row.activation));
  }
  config.rms_norm_eps = reader.number(keys.norm_eps, row.default_norm_eps);
  if (keys.attention_bias && reader.flag(keys.attention_bias, false)) {
    config.features.qkv_bias = config.features.output_bias = true;
  }
  if (keys.mlp_bias) config.features.mlp_bias = reader.flag(keys.mlp_bias, false);
  config.tie_embeddings = reader.flag("tie_word_embeddings", row.default_tied);
}

// --- checks --------------------------------------------------------------------------------------

Status check_sizes(const ModelConfig& c) {
  const Architecture& row = architecture_of(c);
  const ConfigKeys& keys = row.keys;
  const auto key = [](const char* name, const char* otherwise) { return name ? name : otherwise; };
  const std::array<std::pair<const char*, int64_t>, 8> sizes = {
      {{"vocab_size", c.vocab_size},
       {keys.hidden_size, c.hidden_size},
       {keys.num_layers, c.num_layers},
       {keys.num_heads, c.num_heads},
       {key(keys.num_kv_heads, "num_key_value_heads"), c.num_kv_heads},
       {key(keys.head_dim, "head_dim"), c.head_dim},
       {keys.intermediate_size, c.intermediate_size},
       {keys.max_positions, c.max_positions}}};
  for (const auto& [name, value] : sizes) {
    if (value < 1 || value >= kMaxSize) return Err("\"{}\": found {}, expected 1 to {}", name, value, kMaxSize - 1);
  }
  if (c.num_layers > kMaxLayers)
    return Err("\"{}\": found {}, expected at most {}", keys.num_layers, c.num_layers, kMaxLayers);
  if (c.num_heads % c.num_kv_heads != 0) {
    return Err("\"{}\": found {}, expected a divisor of {} ({})", sizes[4].first, c.num_kv_heads, keys.num_heads,
               c.num_heads);
  }
  if (c.head_dim % 2 != 0) return Err("\"{}\": found {}, expected an even number", sizes[5].first, c.head_dim);
  if (!(c.rms_norm_eps > 0)) return Err("\"{}\": found {}, expected a positive number", keys.norm_eps, c.rms_norm_eps);
  const double heads = static_cast<double>(2 * c.num_heads + 2 * c.num_kv_heads) * static_cast<double>(c.head_dim);
  const double layer =
      static_cast<double>(c.hidden_size) * (heads + 3.0 * static_cast<double>(c.intermediate_size) + 8);
  const double tables = 2.0 * static_cast<double>(c.vocab_size) + static_cast<double>(c.max_positions);
  const double all = static_cast<double>(c.num_layers) * layer + tables * static_cast<double>(c.hidden_size);
  if (all > static_cast<double>(kMaxParams))
    return Err("the sizes give {:.3g} parameters, expected at most {}", all, kMaxParams);
  return {};
}

Status check_positions(const ModelConfig& c) {
  if (!(c.rope_theta > 0)) return Err("\"rope_theta\": found {}, expected a positive number", c.rope_theta);
  if (!(c.local_rope_theta > 0))
    return Err("\"rope_local_base_freq\": found {}, expected a positive number", c.local_rope_theta);
  if (!(c.partial_rotary > 0 && c.partial_rotary <= 1) || c.rotary_dim() < 2 || c.rotary_dim() % 2 != 0) {
    return Err("\"partial_rotary_factor\": found {}, expected a part of head_dim ({}) that is an even number",
               c.partial_rotary, c.head_dim);
  }
  const RopeScaling& s = c.rope_scaling;
  if (!(s.factor >= 1) || !std::isfinite(s.factor))
    return Err("\"rope_scaling.factor\": found {}, expected a number of at least 1", s.factor);
  if (s.kind == RopeScalingKind::kLlama3 && !(s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor)) {
    return Err("\"rope_scaling.high_freq_factor\": found {}, expected more than low_freq_factor ({})",
               s.high_freq_factor, s.low_freq_factor);
  }
  const size_t pairs = static_cast<size_t>(c.rotary_dim() / 2);
  if (s.kind == RopeScalingKind::kLongRope && (s.short_factors.size() != pairs || s.long_factors.size() != pairs)) {
    return Err("\"rope_scaling\": found {} short and {} long factors, expected {}", s.short_factors.size(),
               s.long_factors.size(), pairs);
  }
  if (!c.per_layer.empty() && static_cast<int64_t>(c.per_layer.size()) != c.num_layers)
    return Err("\"layer_types\": found {} layers, expected {}", c.per_layer.size(), c.num_layers);
  int64_t window = 0;
  for (const LayerFeatures& layer : c.per_layer) {
    if (layer.window < 0 || (window > 0 && layer.window > 0 && layer.window != window)) {
      return Err("\"sliding_window\": found {}, expected a positive number, the same in every layer", layer.window);
    }
    window = std::max(window, layer.window);
  }
  return {};
}

}  // namespace

int64_t ModelConfig::rotary_dim() const {
  return static_cast<int64_t>(static_cast<float>(head_dim) * partial_rotary);
}

float ModelConfig::attention_scale() const {
  return 1.0f / std::sqrt(query_scale > 0 ? query_scale : static_cast<float>(head_dim));
}

LayerFeatures ModelConfig::layer(int64_t i) const {
  LayerFeatures out = per_layer.empty() ? LayerFeatures{} : per_layer[static_cast<size_t>(i)];
  if (out.window >= max_positions) out.window = 0;
  if (features.learned_positions) out.rope = LayerRope::kNone;
  return out;
}

int64_t ModelConfig::param_count() const {
  int64_t n = 0;
  for (const ParamSpec& spec : param_specs(*this)) n += spec.size();
  return n;
}

Status ModelConfig::validate() const {
  if (find_architecture(architecture) == nullptr)
    return Err("\"model_type\": found \"{}\", expected one of {}", architecture, architecture_names());
  TRY_STATUS(check_sizes(*this));
  TRY_STATUS(check_positions(*this));
  for (const auto& [key, value] :
       {std::pair{"query_pre_attn_scalar", query_scale}, std::pair{"attn_logit_softcapping", attention_softcap},
        std::pair{"final_logit_softcapping", final_softcap}}) {
    if (!(value >= 0) || !std::isfinite(value)) return Err("\"{}\": found {}, expected a positive number", key, value);
  }
  for (const auto& [key, token] : {std::pair{"bos_token_id", bos_token}, std::pair{"eos_token_id", eos_token},
                                   std::pair{"pad_token_id", pad_token}}) {
    if (token >= vocab_size) return Err("\"{}\": found {}, expected less than vocab_size ({})", key, token, vocab_size);
  }
  return {};
}

std::string ModelConfig::to_json(const std::string& torch_dtype) const {
  const Architecture& row = architecture_of(*this);
  const ConfigKeys& keys = row.keys;
  ordered_json j;
  const bool score = head == HeadKind::kScore;
  j["architectures"] = ordered_json::array({score ? row.score_class : row.language_class});
  j["model_type"] = row.model_type;
  j["vocab_size"] = vocab_size;
  j[keys.hidden_size] = hidden_size;
  j[keys.intermediate_size] = intermediate_size;
  j[keys.num_layers] = num_layers;
  j[keys.num_heads] = num_heads;
  if (keys.num_kv_heads) j[keys.num_kv_heads] = num_kv_heads;
  if (keys.head_dim) j[keys.head_dim] = head_dim;
  j[keys.max_positions] = max_positions;
  row.write(*this, j);
  j[keys.norm_eps] = plain_number(rms_norm_eps);
  j[keys.activation] = row.activation;
  if (keys.attention_bias) j[keys.attention_bias] = features.output_bias;
  j["attention_dropout"] = 0.0;
  if (keys.mlp_bias) j[keys.mlp_bias] = features.mlp_bias;
  j["initializer_range"] = 0.02;
  j["tie_word_embeddings"] = tie_embeddings;
  j["bos_token_id"] = token_or_null(bos_token);
  j["eos_token_id"] = token_or_null(eos_token);
  j["pad_token_id"] = token_or_null(pad_token);
  j["torch_dtype"] = torch_dtype;
  j["use_cache"] = true;
  if (score) {
    j["num_labels"] = 1;
    j["id2label"] = ordered_json::object({{"0", "LABEL_0"}});
    j["label2id"] = ordered_json::object({{"LABEL_0", 0}});
  }
  return j.dump(2) + "\n";
}

Result<ModelConfig> ModelConfig::from_json(const std::string& text, const std::string& file) {
  const json object = json::parse(text, nullptr, false);
  if (object.is_discarded() || !object.is_object())
    return Err("{}: not a JSON object; expected a model's config.json", file);
  ConfigReader reader(object, file);
  const Architecture* row = read_architecture(reader);
  TRY_STATUS(reader.status());
  ModelConfig config;
  config.architecture = row->model_type;
  config.features = row->features;
  config.head = read_head(reader, *row);
  read_sizes(reader, *row, config);
  read_features(reader, *row, config);
  config.bos_token = reader.token("bos_token_id");
  config.eos_token = reader.token("eos_token_id");
  config.pad_token = reader.token("pad_token_id");
  TRY_STATUS(reader.status());
  if (Status valid = check_sizes(config); !valid.ok()) return Err("{}: {}", file, valid.error());
  row->read(reader, config);
  if (std::all_of(config.per_layer.begin(), config.per_layer.end(), [](const auto& l) { return l == LayerFeatures{}; }))
    config.per_layer.clear();
  TRY_STATUS(reader.status());
  if (Status valid = config.validate(); !valid.ok()) return Err("{}: {}", file, valid.error());
  return config;
}

}  // namespace loquat
