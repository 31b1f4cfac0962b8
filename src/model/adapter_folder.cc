// PEFT's adapter folders (adapter_folder.h), and models over shared bases.
#include "model/adapter_folder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/half.h"
#include "base/log.h"
#include "model/base_pool.h"
#include "model/folder.h"
#include "model/param_places.h"
#include "model/params.h"
#include "store/files.h"
#include "store/safetensors.h"

namespace loquat {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kConfigName = "/adapter_config.json";
constexpr const char* kWeightsName = "/adapter_model.safetensors";
constexpr const char* kOtherFiles[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                       "chat_template.jinja", "reward.json"};
constexpr int64_t kMaxRank = 65536;
// Of adapter_model.safetensors's metadata, which other programs pass over: sample_of_weights of the base that the
// adapter was trained over.
constexpr const char* kBaseKey = "loquat_base";
constexpr int64_t kSampled = 32;  // values at each place

// What other settings of PEFT's would make of an adapter, we do not have: each of these keys must be absent or one of
// its harmless values.
Status refuse_what_is_missing(const json& config, const std::string& path) {
  const std::pair<const char*, std::vector<json>> harmless[] = {
      {"bias", {"none"}},
      {"fan_in_fan_out", {false}},
      {"lora_bias", {false}},
      {"rank_pattern", {json::object()}},
      {"alpha_pattern", {json::object()}},
      {"layers_to_transform", {}},
      {"exclude_modules", {json::array()}},
      {"target_parameters", {json::array()}},
      {"trainable_token_indices", {json::array()}},
      {"megatron_config", {}},
      {"modules_to_save", {json::array(), json::array({"score"}), json::array({"classifier", "score"})}},
  };
  for (const auto& [key, values] : harmless) {
    if (!config.contains(key) || config.at(key).is_null()) continue;
    if (std::find(values.begin(), values.end(), config.at(key)) != values.end()) continue;
    return Err("{}: \"{}\": found {}, expected {}", path, key, config.at(key).dump(),
               values.empty() ? "null" : values.back().dump());
  }
  return {};
}

Result<std::vector<std::string>> read_targets(const json& config, const std::string& path) {
  const json targets = config.value("target_modules", json());
  std::vector<std::string> names;
  if (targets.is_string()) names.push_back(targets);
  bool readable = targets.is_string() || targets.is_array();
  for (size_t i = 0; targets.is_array() && i < targets.size(); ++i) {
    readable = readable && targets[i].is_string();
    if (readable) names.push_back(targets[i]);
  }
  if (!readable) return Err("{}: \"target_modules\": found {}, expected a list of names", path, targets.dump());
  auto sorted = lora_targets(names);
  if (!sorted.ok()) return Err("{}: \"target_modules\": {}", path, sorted.error());
  return sorted;
}

Result<bool> read_flag(const json& config, const char* key, const std::string& path) {
  const json value = config.value(key, json(false));
  if (!value.is_boolean()) return Err("{}: \"{}\": found {}, expected true or false", path, key, value.dump());
  return value.get<bool>();
}

Result<LoraConfig> read_lora(const json& config, const std::string& path) {
  LoraConfig lora;
  const json rank = config.value("r", json()), alpha = config.value("lora_alpha", json());
  if (!rank.is_number_integer() || rank.get<double>() < 1 || rank.get<double>() > kMaxRank)
    return Err("{}: \"r\": found {}, expected 1 to {}", path, rank.dump(), kMaxRank);
  if (!alpha.is_number() || !std::isfinite(alpha.get<double>()))
    return Err("{}: \"lora_alpha\": found {}, expected a number", path, alpha.dump());
  lora.rank = rank;
  lora.alpha = alpha;
  const json dropout = config.value("lora_dropout", json(0.0));
  if (dropout.is_number()) lora.dropout = dropout;
  TRY(lora.rslora, read_flag(config, "use_rslora", path));
  TRY(lora.dora, read_flag(config, "use_dora", path));
  TRY(lora.targets, read_targets(config, path));
  return lora;
}

// An absolute name, one from the adapter's folder, or from where the program runs, as other programs write it.
Result<std::string> find_base(const json& config, const std::string& folder, const std::string& path) {
  const json name = config.value("base_model_name_or_path", json());
  if (name.is_string() && !name.get<std::string>().empty()) {
    const fs::path given = name.get<std::string>();
    std::error_code error;
    for (const fs::path& place : {fs::path(folder) / given, given}) {
      if (fs::exists(place, error)) return place.lexically_normal().string();
    }
  }
  return Err("{}: \"base_model_name_or_path\": found {}, expected the base's folder, absolute or from {}", path,
             name.dump(), folder);
}

std::string as_name_from(const std::string& folder, const std::string& base) {
  std::error_code error;
  const fs::path from = fs::weakly_canonical(folder, error), to = fs::weakly_canonical(base, error);
  return to.lexically_relative(from).string();
}

ordered_json config_json(const Model& model, const std::string& folder) {
  const LoraConfig& lora = model.lora();
  const bool score = model.config().head == HeadKind::kScore;
  ordered_json j;
  j["peft_type"] = "LORA";
  j["task_type"] = score ? "SEQ_CLS" : "CAUSAL_LM";
  j["base_model_name_or_path"] = as_name_from(folder, model.base()->folder());
  j["r"] = lora.rank;
  const auto whole = static_cast<int64_t>(lora.alpha);
  j["lora_alpha"] = static_cast<double>(whole) == lora.alpha ? ordered_json(whole) : ordered_json(lora.alpha);
  j["lora_dropout"] = lora.dropout;
  j["target_modules"] = lora.targets;
  j["use_rslora"] = lora.rslora;
  j["use_dora"] = lora.dora;
  j["modules_to_save"] = score ? ordered_json::array({"score"}) : ordered_json(nullptr);
  j["bias"] = "none";
  j["fan_in_fan_out"] = false;
  j["inference_mode"] = true;
  j["init_lora_weights"] = true;
  return j;
}

// The tensor of a parameter, checked; `asked` says what asks for this shape.
Result<const TensorEntry*> find_adapter_tensor(const SafetensorsFile& file, const std::string& name,
                                               const std::vector<int64_t>& shape, const std::string& asked) {
  const TensorEntry* tensor = file.find(name);
  if (tensor == nullptr) return Err("{}: tensor \"{}\" {} is missing", file.path(), name, shape_text(shape));
  if (tensor->shape != shape) {
    return Err("{}: tensor \"{}\": found shape {}, {} ask for {}", file.path(), name, shape_text(tensor->shape), asked,
               shape_text(shape));
  }
  if (tensor->dtype != "F32" && tensor->dtype != "BF16" && tensor->dtype != "F16")
    return Err("{}: tensor \"{}\": found dtype {}, expected F32, BF16 or F16", file.path(), name, tensor->dtype);
  int64_t bytes = tensor->dtype == "F32" ? 4 : 2;
  for (const int64_t d : shape) bytes *= d;
  if (static_cast<int64_t>(tensor->bytes.size()) != bytes)
    return Err("{}: tensor \"{}\": found {} bytes, expected {}", file.path(), name, tensor->bytes.size(), bytes);
  return tensor;
}

// Tells a base's weights from others of the same shapes, and reads a few pages of them: a hash of each tensor's first,
// middle and last values as BF16, so that a copy in another dtype or cut into shards has the same. "": the base is
// quantised, or cannot be read.
std::string sample_of_weights(const std::string& folder) {
  const auto config = read_model_config(folder);
  if (!config.ok()) return "";
  const auto file = open_weights(folder);
  if (!file.ok()) return "";
  const ParamPlaces places(*config);
  std::string sample;
  for (const FileTensor& spec : places.tensors()) {
    const TensorEntry* tensor = places.find(*file, spec);
    if (tensor == nullptr || (tensor->dtype != "F32" && tensor->dtype != "BF16" && tensor->dtype != "F16")) return "";
    const size_t width = tensor->dtype == "F32" ? 4 : 2;
    const auto size = static_cast<int64_t>(tensor->bytes.size() / width);
    const int64_t n = std::min(size, kSampled);
    for (const int64_t at : {int64_t{0}, (size - n) / 2, size - n}) {
      TensorEntry piece = *tensor;
      piece.bytes = tensor->bytes.subspan(static_cast<size_t>(at) * width, static_cast<size_t>(n) * width);
      std::vector<float> values(static_cast<size_t>(n));
      read_tensor_values(piece, values.data(), n);
      for (const float value : values) {
        const BF16 narrow = to_bf16(value);
        sample.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
      }
    }
  }
  return sha256_hex(sample);
}

// Shapes fit, so it opens; but what it writes may be nonsense. Adapters that others made say nothing of their base.
void warn_of_another_base(const AdapterFolder& adapter, const SafetensorsFile& file) {
  const auto trained = file.metadata().find(kBaseKey);
  if (trained == file.metadata().end()) return;
  const std::string here = sample_of_weights(adapter.base);
  if (here.empty() || here == trained->second) return;
  log_warning(
      "{}: the adapter was trained over another base: the weights of {} are not those, so its replies may make no "
      "sense; expected its own base as \"base_model_name_or_path\" in adapter_config.json",
      adapter.folder, adapter.base);
}

std::string what_asks(const AdapterFolder& adapter) {
  return fmt::format("the base {} and \"r\": {}", adapter.base, adapter.lora.rank);
}

Status refuse_unknown(const SafetensorsFile& file, const std::vector<std::string>& known) {
  for (const TensorEntry& tensor : file.tensors()) {
    if (std::find(known.begin(), known.end(), tensor.name) != known.end()) continue;
    return Err("{}: tensor \"{}\" {} does not belong to what adapter_config.json describes", file.path(), tensor.name,
               shape_text(tensor.shape));
  }
  return {};
}

// new_head: the file has none.
Status load_values(const AdapterFolder& adapter, bool new_head, Model& model) {
  TRY(const SafetensorsFile file, SafetensorsFile::open(adapter.folder + kWeightsName));
  warn_of_another_base(adapter, file);
  std::vector<float> values = model.host_values();
  std::vector<std::string> known;
  Status status;
  size_t offset = 0;
  model.for_each_param([&](const Param& p) {
    float* to = values.data() + offset;
    offset += static_cast<size_t>(p.size);
    if (!status.ok() || (new_head && p.name.ends_with("score.weight"))) return;
    const auto tensor = find_adapter_tensor(file, p.name, p.shape, what_asks(adapter));
    if (!tensor.ok()) {
      status = Err("{}", tensor.error());
      return;
    }
    known.push_back(p.name);
    read_tensor_values(**tensor, to, p.size);
  });
  TRY_STATUS(status);
  // An adapter of a score model may stand under a language model's head; then its score is not used.
  if (adapter.head == HeadKind::kScore) known.push_back(std::string(kPeftPrefix) + "score.weight");
  TRY_STATUS(refuse_unknown(file, known));
  model.set_values(values);
  return {};
}

const char* head_name(HeadKind head) {
  return head == HeadKind::kScore ? "a score model" : "a language model";
}

// Whether the wanted head is a new one.
Result<bool> check_head(const std::string& folder, HeadKind in_file, const LoadOptions& options) {
  if (in_file == options.head) return false;
  if (options.head == HeadKind::kScore && options.allow_new_head) return true;
  return Err("{}: found {}, expected {}", folder, head_name(in_file), head_name(options.head));
}

// A projection's bias is not.
bool is_adapted(const LoraConfig& lora, const std::string& param) {
  return param.ends_with(".weight") &&
         std::find(lora.targets.begin(), lora.targets.end(), module_of(param)) != lora.targets.end();
}

Status check_same(const AdapterFolder& adapter, const LoraConfig& wanted) {
  if (wanted.rank == 0 || adapter.lora.same_shape(wanted)) return {};
  const auto text = [](const LoraConfig& lora) {
    return fmt::format("rank {}, alpha {}, {} modules{}{}", lora.rank, lora.alpha, lora.targets.size(),
                       lora.rslora ? ", rsLoRA" : "", lora.dora ? ", DoRA" : "");
  };
  return Err(
      "{}: the adapter has {}; asked for is one of {}: an adapter that is trained on keeps its shape (or merge it "
      "into its base first: loquat merge)",
      adapter.folder, text(adapter.lora), text(wanted));
}

}  // namespace

bool is_adapter_folder(const std::string& folder) {
  return file_exists(folder + kConfigName);
}

Result<AdapterFolder> read_adapter_folder(const std::string& folder) {
  const std::string path = folder + kConfigName;
  TRY(const std::string text, read_file(path));
  const json config = json::parse(text, nullptr, false);
  if (!config.is_object()) return Err("{}: not a JSON object; expected an adapter's configuration", path);
  if (config.value("peft_type", json()) != "LORA")
    return Err("{}: \"peft_type\": found {}, expected \"LORA\"", path, config.value("peft_type", json()).dump());
  const json task = config.value("task_type", json());
  if (!task.is_null() && task != "CAUSAL_LM" && task != "SEQ_CLS")
    return Err("{}: \"task_type\": found {}, expected \"CAUSAL_LM\" or \"SEQ_CLS\"", path, task.dump());
  AdapterFolder adapter;
  adapter.folder = folder;
  adapter.head = task == "SEQ_CLS" ? HeadKind::kScore : HeadKind::kLanguage;
  TRY_STATUS(refuse_what_is_missing(config, path));
  TRY(adapter.lora, read_lora(config, path));
  TRY(adapter.base, find_base(config, folder, path));
  if (is_adapter_folder(adapter.base))
    return Err("{}: \"base_model_name_or_path\": {} is an adapter's folder itself; expected a whole model's", path,
               adapter.base);
  return adapter;
}

Result<std::string> base_folder_of(const std::string& folder) {
  if (!is_adapter_folder(folder)) return folder;
  TRY(AdapterFolder adapter, read_adapter_folder(folder));
  return adapter.base;
}

namespace {

// Another after a change of its files.
std::string identity_of(const std::string& folder) {
  std::error_code error;
  std::string identity = fs::weakly_canonical(folder, error).string();
  for (const char* name : {"/config.json", "/model.safetensors"}) {
    const auto time = fs::last_write_time(folder + name, error);
    if (!error) identity += fmt::format(" {}", time.time_since_epoch().count());
  }
  return identity;
}

}  // namespace

Result<std::shared_ptr<const Model>> BasePool::open(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  std::erase_if(bases_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<const Model>& known = bases_[identity_of(folder)];
  if (auto base = known.lock(); base != nullptr) return base;
  TRY(const ModelConfig config, read_model_config(folder));
  LoadOptions load;
  load.compute = compute_;
  load.serving_only = true;
  load.weights = weights_;
  load.head = config.head;
  load.under_adapters = true;
  load.adapters_trained = trained_;
  TRY(std::unique_ptr<Model> model, load_model(folder, kernels_, load));
  std::shared_ptr<const Model> base = std::move(model);
  known = base;
  return base;
}

Status check_adapter_folder(const std::string& folder, const Kernels& kernels, const LoadOptions& options) {
  TRY(const AdapterFolder adapter, read_adapter_folder(folder));
  TRY(const bool new_head, check_head(folder, adapter.head, options));
  TRY(ModelConfig config, read_model_config(adapter.base));
  LoadOptions of_base = options;
  of_base.head = config.head;
  TRY_STATUS(check_model_folder(adapter.base, kernels, of_base));
  TRY(const SafetensorsFile file, SafetensorsFile::open(adapter.folder + kWeightsName));
  warn_of_another_base(adapter, file);
  std::vector<std::string> known;
  const auto look_for = [&](const std::string& name, const std::vector<int64_t>& shape) -> Status {
    known.push_back(name);
    const auto found = find_adapter_tensor(file, name, shape, what_asks(adapter));
    return found.ok() ? Status() : Err("{}", found.error());
  };
  config.head = adapter.head;
  const int64_t rank = adapter.lora.rank;
  for (const ParamSpec& spec : param_specs(config)) {
    if (spec.name == "score.weight") {
      if (!new_head) TRY_STATUS(look_for(kPeftPrefix + spec.name, spec.shape));
    } else if (is_adapted(adapter.lora, spec.name)) {
      TRY_STATUS(look_for(peft_name(spec.name, "lora_A.weight"), {rank, spec.shape[1]}));
      TRY_STATUS(look_for(peft_name(spec.name, "lora_B.weight"), {spec.shape[0], rank}));
      if (adapter.lora.dora) TRY_STATUS(look_for(peft_name(spec.name, "lora_magnitude_vector"), {spec.shape[0]}));
    }
  }
  return refuse_unknown(file, known);
}

Result<std::unique_ptr<Model>> load_over_base(const std::string& folder, const Kernels& kernels,
                                              const LoadOptions& options) {
  std::optional<AdapterFolder> adapter;
  if (is_adapter_folder(folder)) {
    TRY(adapter, read_adapter_folder(folder));
    if (options.with_gradients && options.bases == nullptr) return load_merged(*adapter, kernels, options);
    if (options.with_gradients) TRY_STATUS(check_same(*adapter, options.lora));
  }
  const LoraConfig lora = adapter ? adapter->lora : options.with_gradients ? options.lora : LoraConfig();
  CHECK(!options.with_gradients || lora.rank > 0, "a frozen base and no adapter: nothing to train");
  if (lora.dora && !kernels.host_reads)
    return Err("{}: DoRA needs memory that the processor reads, which the {} kernels' is not: LOQUAT_DEVICE=cpu",
               folder, kernels.name);
  BasePool own(kernels, options.compute, options.weights, false);
  BasePool& pool = options.bases != nullptr ? *options.bases : own;
  TRY(std::shared_ptr<const Model> base, pool.open(adapter ? adapter->base : folder));
  TRY(const bool new_head, check_head(folder, adapter ? adapter->head : base->config().head, options));
  auto model = std::make_unique<Model>(std::move(base), lora, options.head, options.with_gradients);
  if (adapter) {
    TRY_STATUS(load_values(*adapter, new_head, *model));
  } else if (lora.rank > 0) {
    Rng rng(options.lora_seed, "lora");
    model->init(rng);
  }
  if (new_head) model->init_head(Rng(options.head_seed, "score head"));
  return model;
}

Result<std::unique_ptr<Model>> load_merged(const AdapterFolder& adapter, const Kernels& kernels,
                                           const LoadOptions& options) {
  TRY(const bool new_head, check_head(adapter.folder, adapter.head, options));
  LoadOptions load = options;
  load.allow_new_head = true;
  TRY(std::unique_ptr<Model> model, load_model(adapter.base, kernels, load));
  TRY(const SafetensorsFile file, SafetensorsFile::open(adapter.folder + kWeightsName));
  warn_of_another_base(adapter, file);
  std::vector<float> values = model->host_values();
  std::vector<std::string> known;
  const auto read = [&](const std::string& name, const std::vector<int64_t>& shape) -> Result<std::vector<float>> {
    TRY(const TensorEntry* tensor, find_adapter_tensor(file, name, shape, what_asks(adapter)));
    std::vector<float> out(tensor->bytes.size() / (tensor->dtype == "F32" ? 4 : 2));
    read_tensor_values(*tensor, out.data(), static_cast<int64_t>(out.size()));
    known.push_back(name);
    return out;
  };
  const auto merge_one = [&](const Param& p, std::span<float> w) -> Status {
    if (p.name == "score.weight" && !new_head) {
      TRY(const std::vector<float> score, read(kPeftPrefix + p.name, p.shape));
      std::copy(score.begin(), score.end(), w.begin());
    }
    if (!is_adapted(adapter.lora, p.name)) return {};
    const int64_t n = p.shape[0], k = p.shape[1], r = adapter.lora.rank;
    TRY(const std::vector<float> a, read(peft_name(p.name, "lora_A.weight"), {r, k}));
    TRY(const std::vector<float> b, read(peft_name(p.name, "lora_B.weight"), {n, r}));
    std::vector<float> magnitude;
    if (adapter.lora.dora) {
      TRY(magnitude, read(peft_name(p.name, "lora_magnitude_vector"), {n}));
    }
    merge_lora(w, a, b, magnitude, n, k, r, adapter.lora.scaling());
    return {};
  };
  Status status;
  size_t offset = 0;
  model->for_each_param([&](const Param& p) {
    if (status.ok()) status = merge_one(p, std::span(values).subspan(offset, static_cast<size_t>(p.size)));
    offset += static_cast<size_t>(p.size);
  });
  TRY_STATUS(status);
  if (adapter.head == HeadKind::kScore) known.push_back(std::string(kPeftPrefix) + "score.weight");
  TRY_STATUS(refuse_unknown(file, known));
  model->set_values(values);
  return model;
}

Status merge_adapter_folder(const std::string& from, const std::string& to, const Kernels& kernels, DType dtype) {
  std::error_code error;
  if (!fs::exists(from, error)) return Err("{}: there is no such folder", from);
  if (!is_adapter_folder(from)) return Err("{}: expected an adapter's folder, with adapter_config.json", from);
  TRY(const AdapterFolder adapter, read_adapter_folder(from));
  if (fs::equivalent(from, to, error) || fs::equivalent(adapter.base, to, error))
    return Err("{}: expected another folder to write to", to);
  LoadOptions load;
  load.head = adapter.head;
  TRY(const std::unique_ptr<Model> model, load_merged(adapter, kernels, load));
  TRY_STATUS(make_folders(to));
  for (const char* name : kOtherFiles) {
    // A base's reward.json would be of another score head.
    const bool of_base = !file_exists(from + "/" + name) && name != std::string_view("reward.json");
    const std::string path = (of_base ? adapter.base : from) + "/" + name;
    if (!file_exists(path)) continue;
    TRY(const std::string text, read_file(path));
    TRY_STATUS(write_file(to + "/" + name, text));
  }
  return save_model(*model, to, dtype);
}

Status copy_adapter_folder(const std::string& from, const std::string& to) {
  TRY(const AdapterFolder adapter, read_adapter_folder(from));
  TRY(const std::string text, read_file(from + kConfigName));
  ordered_json config = ordered_json::parse(text);
  config["base_model_name_or_path"] = as_name_from(to, adapter.base);
  TRY_STATUS(make_folders(to));
  for (const char* name : kOtherFiles) {
    if (!file_exists(from + "/" + name)) continue;
    TRY(const std::string bytes, read_file(from + "/" + name));
    TRY_STATUS(write_file(to + "/" + name, bytes));
  }
  TRY_STATUS(write_file(to + kConfigName, config.dump(2) + "\n"));
  TRY(const std::string weights, read_file(from + kWeightsName));
  return write_file(to + kWeightsName, weights);
}

Status save_adapter(const Model& model, const std::string& folder, DType dtype) {
  CHECK(model.base() != nullptr && model.lora().rank > 0, "the model has no adapter");
  TRY_STATUS(make_folders(folder));
  const std::vector<float> values = model.host_values();
  std::vector<BF16> narrow(dtype == DType::kBF16 ? values.size() : 0);
  std::transform(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(narrow.size()), narrow.begin(),
                 [](float x) { return to_bf16(x); });
  std::vector<TensorEntry> tensors;
  size_t offset = 0;
  model.for_each_param([&](const Param& p) {
    const auto* data = narrow.empty() ? reinterpret_cast<const uint8_t*>(values.data() + offset)
                                      : reinterpret_cast<const uint8_t*>(narrow.data() + offset);
    offset += static_cast<size_t>(p.size);
    tensors.push_back({p.name, narrow.empty() ? "F32" : "BF16", p.shape,
                       std::span(data, static_cast<size_t>(p.size * bytes_of(dtype)))});
  });
  // The weights come last: a folder that has them is whole.
  TRY_STATUS(write_file(folder + kConfigName, config_json(model, folder).dump(2) + "\n"));
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
  if (std::string sample = sample_of_weights(model.base()->folder()); !sample.empty())
    metadata[kBaseKey] = std::move(sample);
  return write_safetensors(folder + kWeightsName, tensors, metadata);
}

}  // namespace loquat
