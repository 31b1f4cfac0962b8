// The config in GGUF's keys, by llama.cpp's converter and reader.
#include "formats/gguf_config.h"

#include <cmath>
#include <limits>

#include "formats/gguf_names.h"
#include "model/architectures.h"

namespace loquat {
namespace {

constexpr const char* kFreqs = "rope_freqs.weight";
constexpr const char* kLong = "rope_factors_long.weight";
constexpr const char* kShort = "rope_factors_short.weight";

// The keys of one architecture; the first thing that is wrong is kept.
class Reader {
 public:
  Reader(const GgufFile& file, std::string architecture) : file_(file), prefix_(std::move(architecture) + ".") {}
  const Status& status() const { return status_; }
  const GgufFile& file() const { return file_; }
  bool has(const std::string& key) const { return file_.find(prefix_ + key) != nullptr; }
  std::string full(const std::string& key) const { return prefix_ + key; }

  int64_t integer(const std::string& key) { return take(file_.integer(prefix_ + key), int64_t{0}); }
  int64_t integer(const std::string& key, int64_t otherwise) { return has(key) ? integer(key) : otherwise; }
  float number(const std::string& key, float otherwise) {
    return has(key) ? static_cast<float>(take(file_.number(prefix_ + key), 0.0)) : otherwise;
  }
  std::string text(const std::string& key, const std::string& otherwise) {
    return has(key) ? take(file_.text(prefix_ + key), std::string()) : otherwise;
  }
  int32_t token(const char* key) {
    if (file_.find(key) == nullptr) return -1;
    const int64_t id = take(file_.integer(key), int64_t{0});
    if (id >= std::numeric_limits<int32_t>::max()) fail(Err("{}: key '{}': found {}", file_.path(), key, id));
    return id < 0 || id >= std::numeric_limits<int32_t>::max() ? -1 : static_cast<int32_t>(id);
  }
  void fail(Error error) {
    if (status_.ok()) status_ = std::move(error);
  }

 private:
  template <typename T>
  T take(Result<T> value, T otherwise) {
    if (value) return *std::move(value);
    fail(Error{value.error()});
    return otherwise;
  }

  const GgufFile& file_;
  std::string prefix_;
  Status status_;
};

// By what each of the pairs' frequencies is divided.
std::vector<float> llama3_factors(const ModelConfig& config, const RopeScaling& s) {
  std::vector<float> factors;
  const int64_t dims = config.rotary_dim();
  const double original = static_cast<double>(s.original_positions);
  for (int64_t i = 0; i < dims; i += 2) {
    const double wave =
        2 * M_PI * std::pow(static_cast<double>(config.rope_theta), static_cast<double>(i) / static_cast<double>(dims));
    if (wave < original / s.high_freq_factor) {
      factors.push_back(1);
    } else if (wave > original / s.low_freq_factor) {
      factors.push_back(s.factor);
    } else {
      const double smooth = (original / wave - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
      factors.push_back(static_cast<float>(1 / ((1 - smooth) / s.factor + smooth)));
    }
  }
  return factors;
}

bool alike(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::fabs(a[i] - b[i]) <= 1e-4f * std::fabs(b[i]))) return false;
  return true;
}

// A tensor of positions' factors, one for each pair.
Result<std::vector<float>> read_factors(const GgufFile& file, const char* name, const ModelConfig& config) {
  const GgufTensor* tensor = file.find_tensor(name);
  if (!tensor) return Err("{}: tensor '{}' is missing", file.path(), name);
  std::vector<float> factors(static_cast<size_t>(config.rotary_dim() / 2));
  if (tensor->type != GgufType::kF32 || tensor->shape != std::vector<int64_t>{config.rotary_dim() / 2})
    return Err("{}: tensor '{}': found {} {}, expected F32 [{}]", file.path(), name, gguf_type_info(tensor->type).name,
               shape_text(tensor->shape), config.rotary_dim() / 2);
  tensor->read(factors);
  return factors;
}

// The file has only what Llama 3's scaling gives; the context that it was made for is found by trying.
Status read_llama3(const GgufFile& file, ModelConfig& config) {
  TRY(const std::vector<float> factors, read_factors(file, kFreqs, config));
  RopeScaling s;
  s.kind = RopeScalingKind::kLlama3;
  s.low_freq_factor = 1;
  s.high_freq_factor = 4;
  for (const float x : factors) s.factor = std::max(s.factor, x);
  if (alike(factors, std::vector<float>(factors.size(), 1))) return {};
  for (const int64_t original : {8192, 4096, 2048, 1024, 512, 256, 16384, 32768, 65536, 131072}) {
    s.original_positions = original;
    if (!alike(llama3_factors(config, s), factors)) continue;
    config.rope_scaling = s;
    return {};
  }
  return Err("{}: tensor '{}': not a scaling of Llama 3's kind with its usual low and high factors", file.path(),
             kFreqs);
}

float longrope_attention(const ModelConfig& config, int64_t original) {
  const float scale = static_cast<float>(config.max_positions) / static_cast<float>(original);
  return scale <= 1 ? 1 : std::sqrt(1 + std::log(scale) / std::log(static_cast<float>(original)));
}

float yarn_attention(float factor) {
  return factor <= 1 ? 1 : 0.1f * std::log(factor) + 1;
}

void read_rope(Reader& reader, ModelConfig& config) {
  const GgufFile& file = reader.file();
  config.rope_theta = reader.number("rope.freq_base", 10000);
  const int64_t rotary = reader.integer("rope.dimension_count", config.head_dim);
  if (rotary != config.head_dim)
    config.partial_rotary = static_cast<float>(rotary) / static_cast<float>(config.head_dim);
  if (rotary < 2 || rotary > config.head_dim || config.rotary_dim() != rotary)
    return reader.fail(Err("{}: key '{}': found {}, expected 2 to {}", file.path(), reader.full("rope.dimension_count"),
                           rotary, config.head_dim));
  RopeScaling& s = config.rope_scaling;
  const std::string type = reader.text("rope.scaling.type", "none");
  const float attention = reader.number("rope.scaling.attn_factor", 0);
  if (file.find_tensor(kLong) || file.find_tensor(kShort) || type == "longrope") {
    s.kind = RopeScalingKind::kLongRope;
    s.original_positions = reader.integer("rope.scaling.original_context_length", config.max_positions);
    if (s.original_positions < 2)
      return reader.fail(Err("{}: key '{}': found {}", file.path(), reader.full("rope.scaling.original_context_length"),
                             s.original_positions));
    for (const auto& [name, factors] : {std::pair{kLong, &s.long_factors}, std::pair{kShort, &s.short_factors}}) {
      auto read = read_factors(file, name, config);
      if (!read) return reader.fail(Error{read.error()});
      *factors = *std::move(read);
    }
    const float usual = longrope_attention(config, s.original_positions);
    if (attention > 0 && std::fabs(attention - usual) > 1e-4f * usual) s.attention_factor = attention;
  } else if (type == "linear") {
    s.kind = RopeScalingKind::kLinear;
    s.factor = reader.number("rope.scaling.factor", 1);
  } else if (type == "yarn") {
    s.kind = RopeScalingKind::kYarn;
    s.factor = reader.number("rope.scaling.factor", 1);
    s.original_positions = reader.integer("rope.scaling.original_context_length", config.max_positions);
    s.beta_fast = reader.number("rope.scaling.yarn_beta_fast", 32);
    s.beta_slow = reader.number("rope.scaling.yarn_beta_slow", 1);
    if (attention > 0 && attention != 1) s.attention_factor = attention * yarn_attention(s.factor);
  } else if (type != "none") {
    reader.fail(Err("{}: key '{}': found \"{}\", expected none, linear, yarn or longrope", file.path(),
                    reader.full("rope.scaling.type"), type));
  } else if (file.find_tensor(kFreqs)) {
    if (Status read = read_llama3(file, config); !read) reader.fail(Error{read.error()});
  }
}

void read_layers(Reader& reader, const GgufArchitecture& row, ModelConfig& config) {
  const int64_t window = reader.integer("attention.sliding_window", 0);
  const bool windows = window > 0 && window < config.max_positions;
  if (!windows && row.positions_pattern == 0 && row.window_pattern == 0) return;
  config.per_layer.resize(static_cast<size_t>(config.num_layers));
  for (int64_t i = 0; i < config.num_layers; ++i) {
    LayerFeatures& layer = config.per_layer[static_cast<size_t>(i)];
    const bool slides = row.window_pattern == 0 || (i + 1) % row.window_pattern != 0;
    if (row.positions_pattern > 0 && (i + 1) % row.positions_pattern == 0) layer.rope = LayerRope::kNone;
    if (slides && windows) layer.window = window;
    if (slides && config.architecture == "gemma3_text") layer.rope = LayerRope::kLocal;
  }
}

// llama.cpp knows Gemma's largest by its layers, and scales its queries by hidden_size / heads.
float gemma_query_scale(const ModelConfig& config) {
  const bool largest = config.num_layers == (config.architecture == "gemma2" ? 46 : 62);
  return static_cast<float>(largest ? config.hidden_size / config.num_heads : config.head_dim);
}

bool is_gemma(const ModelConfig& config) {
  return config.architecture == "gemma2" || config.architecture == "gemma3_text";
}

// Biases are there where the first layer has them.
void read_biases(const GgufFile& file, const Architecture& row, ModelConfig& config) {
  if (row.keys.attention_bias != nullptr)
    config.features.qkv_bias = config.features.output_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
  if (row.keys.mlp_bias != nullptr) config.features.mlp_bias = file.find_tensor("blk.0.ffn_up.bias") != nullptr;
}

void read_sizes(Reader& reader, ModelConfig& config) {
  config.hidden_size = reader.integer("embedding_length");
  config.num_layers = reader.integer("block_count");
  config.num_heads = reader.integer("attention.head_count");
  config.num_kv_heads = reader.integer("attention.head_count_kv", config.num_heads);
  config.intermediate_size = reader.integer("feed_forward_length");
  config.max_positions = reader.integer("context_length");
  const int64_t usual = config.num_heads > 0 ? config.hidden_size / config.num_heads : 0;
  config.head_dim = reader.integer("attention.key_length", usual);
  const int64_t values = reader.integer("attention.value_length", config.head_dim);
  if (values != config.head_dim)
    reader.fail(Err("{}: key '{}': found {}, expected that of keys, {}", reader.file().path(),
                    reader.full("attention.value_length"), values, config.head_dim));
  if (reader.has("expert_count") && reader.integer("expert_count") != 0)
    reader.fail(
        Err("{}: key '{}': mixtures of experts are not supported", reader.file().path(), reader.full("expert_count")));
}

}  // namespace

bool is_gguf_config_tensor(const std::string& name) {
  return name == kFreqs || name == kLong || name == kShort;
}

Result<ModelConfig> config_from_gguf(const GgufFile& file) {
  TRY(const std::string name, file.text("general.architecture"));
  Reader reader(file, name);
  const bool windowed = reader.has("attention.sliding_window") && reader.integer("attention.sliding_window") > 0;
  const GgufArchitecture* row = find_gguf_architecture(name, windowed);
  if (!row)
    return Err(
        "{}: key 'general.architecture': \"{}\" is not supported; expected llama, qwen2, qwen3, smollm3, gemma2, "
        "gemma3, phi3 or gpt2",
        file.path(), name);
  ModelConfig config;
  config.architecture = row->model_type;
  const Architecture& architecture = architecture_of(config);
  config.features = architecture.features;
  read_sizes(reader, config);
  TRY_STATUS(reader.status());
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2)
    return Err("{}: tensor 'token_embd.weight' is missing or no matrix", file.path());
  config.vocab_size = embedding->shape[0];
  config.tie_embeddings = file.find_tensor("output.weight") == nullptr;
  const bool layer_norm = config.features.norm == NormKind::kLayer;
  config.rms_norm_eps =
      reader.number(layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 1e-5f);
  read_biases(file, architecture, config);
  // Each layer has tensors of its own: no more memory is taken for layers than the file speaks of.
  if (config.num_layers > static_cast<int64_t>(file.tensors().size()))
    return Err("{}: key '{}': found {}, the file has {} tensors", file.path(), reader.full("block_count"),
               config.num_layers, file.tensors().size());
  if (Status valid = config.validate(); !valid) return Err("{}: {}", file.path(), valid.error());
  if (!config.features.learned_positions) read_rope(reader, config);
  read_layers(reader, *row, config);
  config.attention_softcap = reader.number("attn_logit_softcapping", 0);
  config.final_softcap = reader.number("final_logit_softcapping", 0);
  if (is_gemma(config)) config.query_scale = gemma_query_scale(config);
  if (config.architecture == "gemma3_text") config.local_rope_theta = reader.number("rope.freq_base_swa", 10000);
  config.bos_token = reader.token("tokenizer.ggml.bos_token_id");
  config.eos_token = reader.token("tokenizer.ggml.eos_token_id");
  config.pad_token = reader.token("tokenizer.ggml.padding_token_id");
  TRY_STATUS(reader.status());
  if (Status valid = config.validate(); !valid) return Err("{}: {}", file.path(), valid.error());
  return config;
}

namespace {

// What GGUF's keys, or llama.cpp, cannot say.
Status check_expressible(const ModelConfig& config, const GgufArchitecture& row) {
  const char* what = nullptr;
  if (config.head != HeadKind::kLanguage) what = "a score model (its head has no name there)";
  if (is_gemma(config) && config.query_scale > 0 && config.query_scale != gemma_query_scale(config))
    what = "this query_pre_attn_scalar";
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const LayerFeatures layer = config.layer(i);
    const bool full = row.window_pattern > 0 && (i + 1) % row.window_pattern == 0;
    const bool bare = row.positions_pattern > 0 && (i + 1) % row.positions_pattern == 0;
    const bool may_slide = row.window_pattern > 0 ? !full : config.architecture == "mistral" || row.fused_gate_up;
    if (layer.window > 0 && !may_slide) what = "sliding windows in these layers";
    if (layer.window == 0 && may_slide && config.layer(0).window > 0) what = "sliding windows in these layers";
    if (!config.features.learned_positions && (layer.rope == LayerRope::kNone) != bare)
      what = "rotary positions in these layers";
    if (config.architecture == "gemma3_text" && (layer.rope == LayerRope::kLocal) == full)
      what = "rotary positions in these layers";
  }
  if (what) return Err("{}: GGUF cannot say {}", config.architecture, what);
  return {};
}

class Writer {
 public:
  Writer(GgufConfig& out, std::string architecture) : out_(out), prefix_(std::move(architecture) + ".") {}
  void integer(const char* key, int64_t x) {
    out_.metadata.emplace_back(prefix_ + key, GgufValue::uint32(static_cast<uint32_t>(x)));
  }
  void number(const char* key, float x) { out_.metadata.emplace_back(prefix_ + key, GgufValue::float32(x)); }
  void text(const char* key, const char* x) { out_.metadata.emplace_back(prefix_ + key, GgufValue::string(x)); }
  void tensor(const char* name, std::vector<float> values) { out_.tensors.emplace_back(name, std::move(values)); }

 private:
  GgufConfig& out_;
  std::string prefix_;
};

void write_rope(const ModelConfig& config, Writer& out) {
  out.integer("rope.dimension_count", config.rotary_dim());
  out.number("rope.freq_base", config.rope_theta);
  const RopeScaling& s = config.rope_scaling;
  switch (s.kind) {
    case RopeScalingKind::kNone:
    case RopeScalingKind::kDynamic:
      return;
    case RopeScalingKind::kLinear:
      out.text("rope.scaling.type", "linear");
      return out.number("rope.scaling.factor", s.factor);
    case RopeScalingKind::kLlama3:
      return out.tensor(kFreqs, llama3_factors(config, s));
    case RopeScalingKind::kYarn:
      out.text("rope.scaling.type", "yarn");
      out.number("rope.scaling.factor", s.factor);
      out.integer("rope.scaling.original_context_length", s.original_positions);
      out.number("rope.scaling.yarn_beta_fast", s.beta_fast);
      out.number("rope.scaling.yarn_beta_slow", s.beta_slow);
      if (s.attention_factor > 0) out.number("rope.scaling.attn_factor", s.attention_factor / yarn_attention(s.factor));
      return;
    case RopeScalingKind::kLongRope:
      break;
  }
  const int64_t original = s.original_positions > 0 ? s.original_positions : config.max_positions;
  out.integer("rope.scaling.original_context_length", original);
  out.number("rope.scaling.attn_factor",
             s.attention_factor > 0 ? s.attention_factor : longrope_attention(config, original));
  out.tensor(kLong, s.long_factors);
  out.tensor(kShort, s.short_factors);
}

}  // namespace

Result<GgufConfig> config_to_gguf(const ModelConfig& config) {
  const GgufArchitecture* row = gguf_architecture_of(config);
  if (!row) return Err("architecture {}: GGUF has no name for it here", config.architecture);
  TRY_STATUS(check_expressible(config, *row));
  GgufConfig result;
  result.metadata.emplace_back("general.architecture", GgufValue::string(row->name));
  Writer out(result, row->name);
  out.integer("vocab_size", config.vocab_size);
  out.integer("context_length", config.max_positions);
  out.integer("embedding_length", config.hidden_size);
  out.integer("block_count", config.num_layers);
  out.integer("feed_forward_length", config.intermediate_size);
  out.integer("attention.head_count", config.num_heads);
  out.integer("attention.head_count_kv", config.num_kv_heads);
  out.integer("attention.key_length", config.head_dim);
  out.integer("attention.value_length", config.head_dim);
  const bool layer_norm = config.features.norm == NormKind::kLayer;
  out.number(layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", config.rms_norm_eps);
  if (!config.features.learned_positions) write_rope(config, out);
  int64_t window = 0;
  for (int64_t i = 0; i < config.num_layers; ++i) window = std::max(window, config.layer(i).window);
  // A window key where layers take turns, even where no position reaches it: readers ask for it.
  if (window == 0 && row->window_pattern > 0) window = config.max_positions;
  if (window > 0) out.integer("attention.sliding_window", window);
  if (config.attention_softcap > 0) out.number("attn_logit_softcapping", config.attention_softcap);
  if (config.final_softcap > 0) out.number("final_logit_softcapping", config.final_softcap);
  if (config.architecture == "gemma3_text") out.number("rope.freq_base_swa", config.local_rope_theta);
  return result;
}

}  // namespace loquat
