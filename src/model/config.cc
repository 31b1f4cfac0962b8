// config.json in and out. Keys that this Transformer does not know are ignored, keys that would change its mathematics
// are not.
#include "model/config.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int64_t kMaxSize = int64_t{1} << 31;    // of any one size
constexpr int64_t kMaxParams = int64_t{1} << 40;  // keeps every product of sizes far from overflow

// The shortest decimal that reads back as this float: 1e-05, not 9.99999974e-06.
double plain(float x) {
  return std::stod(fmt::format("{}", x));
}

json token_or_null(int32_t token) {
  return token < 0 ? json(nullptr) : json(token);
}

// Reads keys of one config.json; the first thing wrong is kept.
class Reader {
 public:
  Reader(const json& object, const std::string& file) : object_(object), file_(file) {}

  const Status& status() const { return status_; }

  void fail(const std::string& key, const std::string& expected) {
    if (!status_.ok()) return;
    const std::string found = object_.contains(key) ? object_.at(key).dump() : "nothing";
    status_ = Err("{}: \"{}\": found {}, expected {}", file_, key, found, expected);
  }

  bool has(const std::string& key) const { return object_.contains(key) && !object_.at(key).is_null(); }

  int64_t integer(const std::string& key, int64_t fallback = -1) {
    if (!has(key) && fallback >= 0) return fallback;
    if (!has(key) || !object_.at(key).is_number_integer()) {
      fail(key, "an integer");
      return 0;
    }
    return object_.at(key).get<int64_t>();
  }

  float number(const std::string& key, float fallback) {
    if (!has(key)) return fallback;
    if (!object_.at(key).is_number()) {
      fail(key, "a number");
      return fallback;
    }
    return object_.at(key).get<float>();
  }

  bool flag(const std::string& key, bool fallback) {
    if (!has(key)) return fallback;
    if (!object_.at(key).is_boolean()) {
      fail(key, "true or false");
      return fallback;
    }
    return object_.at(key).get<bool>();
  }

  std::string text(const std::string& key, const std::string& fallback) {
    if (!has(key)) return fallback;
    if (!object_.at(key).is_string()) {
      fail(key, "a string");
      return fallback;
    }
    return object_.at(key).get<std::string>();
  }

  // An id, null, or (Llama 3 and later) a list of ids, of which the first counts.
  int32_t token(const std::string& key) {
    if (!has(key)) return -1;
    const json* value = &object_.at(key);
    if (value->is_array() && !value->empty()) value = &value->front();
    if (!value->is_number_integer()) {
      fail(key, "a token id or null");
      return -1;
    }
    return static_cast<int32_t>(value->get<int64_t>());
  }

  const json& object() const { return object_; }

 private:
  const json& object_;
  const std::string& file_;
  Status status_;
};

HeadKind read_head(Reader& reader) {
  const json& object = reader.object();
  const std::string expected = "[\"LlamaForCausalLM\"] or [\"LlamaForSequenceClassification\"]";
  if (!object.contains("architectures")) return HeadKind::kLanguage;
  const json& list = object.at("architectures");
  if (list != json::array({"LlamaForCausalLM"}) && list != json::array({"LlamaForSequenceClassification"})) {
    reader.fail("architectures", expected);
  }
  if (list != json::array({"LlamaForSequenceClassification"})) return HeadKind::kLanguage;
  const bool many_ids = reader.has("id2label") && object.at("id2label").size() != 1;
  const bool none = !reader.has("num_labels") && !reader.has("id2label");  // Hugging Face's default is then two
  if (many_ids || none || reader.integer("num_labels", 1) != 1) reader.fail("num_labels", "1 (one score per text)");
  return HeadKind::kScore;
}

// What this Transformer does not have must be off in the config.
void refuse_what_is_missing(Reader& reader) {
  if (reader.text("model_type", "llama") != "llama") reader.fail("model_type", "\"llama\"");
  if (reader.text("hidden_act", "silu") != "silu") reader.fail("hidden_act", "\"silu\"");
  if (reader.flag("attention_bias", false)) reader.fail("attention_bias", "false");
  if (reader.flag("mlp_bias", false)) reader.fail("mlp_bias", "false");
  if (!reader.has("rope_scaling")) return;
  const json& scaling = reader.object().at("rope_scaling");
  const std::string type = !scaling.is_object() ? "" : scaling.value("rope_type", scaling.value("type", std::string()));
  if (type != "default") reader.fail("rope_scaling", "null (scaled rotary positions are not supported)");
}

float read_rope_theta(Reader& reader) {
  // Newer files keep it in "rope_parameters".
  if (!reader.has("rope_theta") && reader.has("rope_parameters")) {
    const json& p = reader.object().at("rope_parameters");
    if (!p.is_object() || p.value("rope_type", std::string("default")) != "default" || !p.contains("rope_theta") ||
        !p.at("rope_theta").is_number()) {
      reader.fail("rope_parameters", "{\"rope_type\": \"default\", \"rope_theta\": a number}");
      return 0;
    }
    return p.at("rope_theta").get<float>();
  }
  return reader.number("rope_theta", 10000.0f);
}

}  // namespace

int64_t ModelConfig::param_count() const {
  const int64_t projections = hidden_size * (qkv_dim() + num_heads * head_dim + 3 * intermediate_size);
  int64_t n = vocab_size * hidden_size + num_layers * (projections + 2 * hidden_size) + hidden_size;
  if (head == HeadKind::kScore) n += hidden_size;
  if (head == HeadKind::kLanguage && !tie_embeddings) n += vocab_size * hidden_size;
  return n;
}

Status ModelConfig::validate() const {
  const std::array<std::pair<const char*, int64_t>, 8> sizes = {{{"vocab_size", vocab_size},
                                                                 {"hidden_size", hidden_size},
                                                                 {"num_hidden_layers", num_layers},
                                                                 {"num_attention_heads", num_heads},
                                                                 {"num_key_value_heads", num_kv_heads},
                                                                 {"head_dim", head_dim},
                                                                 {"intermediate_size", intermediate_size},
                                                                 {"max_position_embeddings", max_positions}}};
  for (const auto& [key, value] : sizes) {
    if (value < 1 || value >= kMaxSize) return Err("\"{}\": found {}, expected 1 to {}", key, value, kMaxSize - 1);
  }
  if (num_heads % num_kv_heads != 0) {
    return Err("\"num_key_value_heads\": found {}, expected a divisor of num_attention_heads ({})", num_kv_heads,
               num_heads);
  }
  if (head_dim % 2 != 0) return Err("\"head_dim\": found {}, expected an even number", head_dim);
  if (!(rope_theta > 0)) return Err("\"rope_theta\": found {}, expected a positive number", rope_theta);
  if (!(rms_norm_eps > 0)) return Err("\"rms_norm_eps\": found {}, expected a positive number", rms_norm_eps);
  for (const auto& [key, token] : {std::pair{"bos_token_id", bos_token}, std::pair{"eos_token_id", eos_token},
                                   std::pair{"pad_token_id", pad_token}}) {
    if (token >= vocab_size) return Err("\"{}\": found {}, expected less than vocab_size ({})", key, token, vocab_size);
  }
  const double heads = static_cast<double>(num_heads + 2 * num_kv_heads + num_heads) * static_cast<double>(head_dim);
  const double layer = static_cast<double>(hidden_size) * (heads + 3.0 * static_cast<double>(intermediate_size) + 2);
  const double all = static_cast<double>(num_layers) * layer + 2.0 * static_cast<double>(vocab_size) * hidden_size;
  if (all > static_cast<double>(kMaxParams))
    return Err("the sizes give {:.3g} parameters, expected at most {}", all, kMaxParams);
  return {};
}

std::string ModelConfig::to_json(const std::string& torch_dtype) const {
  ordered_json j;
  const bool score = head == HeadKind::kScore;
  j["architectures"] = ordered_json::array({score ? "LlamaForSequenceClassification" : "LlamaForCausalLM"});
  j["model_type"] = "llama";
  j["vocab_size"] = vocab_size;
  j["hidden_size"] = hidden_size;
  j["intermediate_size"] = intermediate_size;
  j["num_hidden_layers"] = num_layers;
  j["num_attention_heads"] = num_heads;
  j["num_key_value_heads"] = num_kv_heads;
  j["head_dim"] = head_dim;
  j["max_position_embeddings"] = max_positions;
  j["rope_theta"] = plain(rope_theta);
  j["rope_scaling"] = nullptr;
  j["rms_norm_eps"] = plain(rms_norm_eps);
  j["hidden_act"] = "silu";
  j["attention_bias"] = false;
  j["attention_dropout"] = 0.0;
  j["mlp_bias"] = false;
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
  Reader reader(object, file);
  ModelConfig config;
  config.head = read_head(reader);
  refuse_what_is_missing(reader);
  config.vocab_size = reader.integer("vocab_size");
  config.hidden_size = reader.integer("hidden_size");
  config.num_layers = reader.integer("num_hidden_layers");
  config.num_heads = reader.integer("num_attention_heads");
  config.num_kv_heads = reader.integer("num_key_value_heads", config.num_heads);
  config.head_dim = reader.integer("head_dim", config.num_heads > 0 ? config.hidden_size / config.num_heads : 0);
  config.intermediate_size = reader.integer("intermediate_size");
  config.max_positions = reader.integer("max_position_embeddings");
  config.rope_theta = read_rope_theta(reader);
  config.rms_norm_eps = reader.number("rms_norm_eps", 1e-6f);
  config.tie_embeddings = reader.flag("tie_word_embeddings", false);
  config.bos_token = reader.token("bos_token_id");
  config.eos_token = reader.token("eos_token_id");
  config.pad_token = reader.token("pad_token_id");
  TRY_STATUS(reader.status());
  if (Status valid = config.validate(); !valid.ok()) return Err("{}: {}", file, valid.error());
  return config;
}

}  // namespace loquat
