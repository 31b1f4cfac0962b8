// A model's folder: Hugging Face's config.json, generation_config.json and model.safetensors.
#include "model/folder.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>

#include "base/half.h"
#include "base/threads.h"
#include "kernels/quantize.h"
#include "model/adapter_folder.h"
#include "model/model.h"
#include "model/param_places.h"
#include "store/files.h"
#include "store/safetensors.h"

namespace loquat {
namespace {

constexpr int64_t kGrain = 1 << 16;

std::vector<BF16> as_bf16(std::span<const float> values) {
  std::vector<BF16> out(values.size());
  parallel_blocks(static_cast<int64_t>(values.size()), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = to_bf16(values[i]);
  });
  return out;
}

std::string generation_config(const ModelConfig& config) {
  nlohmann::ordered_json j;
  const auto put = [&](const char* key, int32_t token) {
    if (token >= 0) j[key] = token;
  };
  put("bos_token_id", config.bos_token);
  put("eos_token_id", config.eos_token);
  put("pad_token_id", config.pad_token);
  j["do_sample"] = true;
  return j.dump(2) + "\n";
}

}  // namespace

void read_tensor_values(const TensorEntry& tensor, float* out, int64_t n) {
  const uint8_t* bytes = tensor.bytes.data();
  parallel_blocks(n, kGrain, [&](int64_t begin, int64_t end) {
    if (tensor.dtype == "F32") {
      std::memcpy(out + begin, bytes + begin * 4, (end - begin) * 4);
      return;
    }
    for (int64_t i = begin; i < end; ++i) {
      uint16_t half;
      std::memcpy(&half, bytes + i * 2, 2);
      out[i] = tensor.dtype == "BF16" ? to_float(BF16{half}) : f16_to_float(half);
    }
  });
}

namespace {

// Tensors that other programs write and that say nothing new.
bool is_ignored(const std::string& name, const ParamPlaces& places, const ModelConfig& in_file,
                const ModelConfig& wanted) {
  if (name.ends_with("rotary_emb.inv_freq") || places.is_buffer(name)) return true;
  if (name != "lm_head.weight") return false;
  return in_file.tie_embeddings || (in_file.head == HeadKind::kLanguage && wanted.head == HeadKind::kScore);
}

// Neighbours that are one product come in one type.
Status check_fused(const SafetensorsFile& file, const ParamPlaces& places) {
  const auto& specs = places.specs();
  const auto quantized = [&](const ParamSpec& spec) { return is_quantized(file, places.tensor_of(spec.name).name); };
  for (size_t i = 1; i < specs.size(); ++i) {
    const std::string& name = specs[i].name;
    const bool fused =
        name.ends_with("k_proj.weight") || name.ends_with("v_proj.weight") || name.ends_with("up_proj.weight");
    if (!fused || quantized(specs[i]) == quantized(specs[i - 1])) continue;
    return Err("{}: of \"{}\" and \"{}\" one is quantised; expected both or neither", file.path(), specs[i - 1].name,
               name);
  }
  return {};
}

}  // namespace

Status check_tensors(const SafetensorsFile& file, const ModelConfig& in_file, const ModelConfig& wanted, bool new_head,
                     const std::optional<Quantization>& quantization) {
  const ParamPlaces places(wanted);
  std::vector<std::string> names;
  for (const FileTensor& spec : places.tensors()) {
    const ParamSpec& param = places.specs()[spec.first];
    if (new_head && param.init == ParamInit::kScore) continue;
    if (quantization && is_projection(param) && !spec.transposed && is_quantized(file, spec.name)) {
      TRY_STATUS(check_quantized(file, spec.name, spec.shape, *quantization));
      for (const char* part : {"packed", "scale", "shape"}) names.push_back(quantized_name(spec.name, part));
      continue;
    }
    const TensorEntry* tensor = places.find(file, spec);
    names.push_back(tensor != nullptr ? tensor->name : spec.name);
    if (tensor == nullptr) {
      return Err("{}: tensor \"{}\" {} is missing (config.json asks for it)", file.path(), spec.name,
                 shape_text(spec.shape));
    }
    if (tensor->shape != spec.shape) {
      return Err("{}: tensor \"{}\": found shape {}, config.json asks for {}", file.path(), spec.name,
                 shape_text(tensor->shape), shape_text(spec.shape));
    }
    if (tensor->dtype != "F32" && tensor->dtype != "BF16" && tensor->dtype != "F16") {
      return Err("{}: tensor \"{}\": found dtype {}, expected F32, BF16 or F16", file.path(), spec.name, tensor->dtype);
    }
    size_t bytes = tensor->dtype == "F32" ? 4 : 2;
    for (const int64_t d : spec.shape) bytes *= static_cast<size_t>(d);
    if (tensor->bytes.size() != bytes) {
      return Err("{}: tensor \"{}\": found {} bytes, expected {}", file.path(), spec.name, tensor->bytes.size(), bytes);
    }
  }
  const std::unordered_set<std::string> known_names(names.begin(), names.end());
  for (const TensorEntry& tensor : file.tensors()) {
    const bool known = known_names.contains(tensor.name);
    if (!known && !is_ignored(tensor.name, places, in_file, wanted)) {
      return Err("{}: tensor \"{}\" {} does not belong to the model that config.json describes", file.path(),
                 tensor.name, shape_text(tensor.shape));
    }
  }
  return quantization ? check_fused(file, places) : Status();
}

namespace {

const char* head_name(HeadKind head) {
  return head == HeadKind::kScore ? "a score model (...ForSequenceClassification)"
                                  : "a language model (...ForCausalLM)";
}

}  // namespace

Result<SafetensorsFile> open_weights(const std::string& folder) {
  return SafetensorsFile::open_folder(folder);
}

Result<ModelConfig> read_model_config(const std::string& folder) {
  if (is_adapter_folder(folder)) {
    TRY(const AdapterFolder adapter, read_adapter_folder(folder));
    TRY(ModelConfig config, read_model_config(adapter.base));
    config.head = adapter.head;
    return config;
  }
  const std::string path = folder + "/config.json";
  TRY(const std::string text, read_file(path));
  return ModelConfig::from_json(text, path);
}

Status save_model(const Model& model, const std::string& folder, DType dtype) {
  if (model.base() != nullptr) return save_adapter(model, folder, dtype);
  TRY_STATUS(make_folders(folder));
  const bool f32 = dtype == DType::kF32;
  std::vector<TensorEntry> tensors;
  const std::vector<float> values = model.host_values();
  const std::vector<BF16> narrow = f32 ? std::vector<BF16>() : as_bf16(values);
  const ParamPlaces places(model.config());
  std::vector<int64_t> offsets, sizes;  // of the parameters, in the flat buffer
  model.for_each_param([&](const Param& p) {
    offsets.push_back(p.value - model.values().data());
    sizes.push_back(p.size);
  });
  std::vector<std::vector<float>> turned;  // transposed tensors
  std::vector<std::vector<BF16>> turned_narrow;
  for (const FileTensor& t : places.tensors()) {
    const int64_t offset = offsets[t.first];
    const size_t bytes =
        static_cast<size_t>(std::accumulate(&sizes[t.first], &sizes[t.first] + t.count, int64_t{0}) * bytes_of(dtype));
    const void* data =
        f32 ? static_cast<const void*>(values.data() + offset) : static_cast<const void*>(narrow.data() + offset);
    if (t.transposed) {
      turned.emplace_back(static_cast<size_t>(t.shape[0] * t.shape[1]));
      transpose_values(values.data() + offset, t.shape[1], t.shape[0], turned.back().data());
      if (!f32) turned_narrow.push_back(as_bf16(turned.back()));
      data =
          f32 ? static_cast<const void*>(turned.back().data()) : static_cast<const void*>(turned_narrow.back().data());
      if (!f32) turned.clear();
    }
    tensors.push_back({t.name, f32 ? "F32" : "BF16", t.shape, {static_cast<const uint8_t*>(data), bytes}});
  }
  // The weights come last: a folder that has them is whole.
  TRY_STATUS(write_file(folder + "/config.json", model.config().to_json(f32 ? "float32" : "bfloat16")));
  if (model.config().head == HeadKind::kLanguage) {
    TRY_STATUS(write_file(folder + "/generation_config.json", generation_config(model.config())));
  }
  return write_safetensors_folder(folder, tensors, {{"format", "pt"}});
}

namespace {

Status check_weight_type(const std::string& folder, const Kernels& kernels, const LoadOptions& options,
                         const std::optional<Quantization>& quantization) {
  CHECK(options.serving_only ? !options.with_gradients : options.weights == WeightType::kCompute,
        "quantised weights are for serving only, and serving needs no gradients");
  if (quantization && !options.serving_only) {
    return Err(
        "{}: the weights are quantised to {} bits: they can be served and measured, not trained on; expected the "
        "folder that was quantised",
        folder, bits_of(quantization->type));
  }
  if (quantization && options.weights != WeightType::kCompute && options.weights != quantization->type) {
    return Err("{}: the weights are quantised to {} bits already; {} were asked for", folder,
               bits_of(quantization->type), bits_of(options.weights));
  }
  if ((quantization || options.weights != WeightType::kCompute) && !kernels.quantized_weights) {
    return Err(
        "{}: weights of {} bits are asked for, and the {} kernels have none: expected bf16, or a processor's "
        "kernels (LOQUAT_DEVICE=cpu)",
        folder, bits_of(quantization ? quantization->type : options.weights), kernels.name);
  }
  return {};
}

// Small models lose most by their last matrix: with 4 bits elsewhere it has 8.
std::unique_ptr<Model> load_serving(const SafetensorsFile& file, const ModelConfig& config, const Kernels& kernels,
                                    const LoadOptions& options, const std::optional<Quantization>& quantization) {
  const ParamPlaces places(config);
  const bool quantized = quantization || options.weights != WeightType::kCompute;
  ServingTensors tensors;
  tensors.projections = options.weights;
  tensors.head = quantized && !options.adapters_trained ? WeightType::kInt8 : WeightType::kCompute;
  tensors.under_adapters = options.under_adapters;
  tensors.adapters_trained = options.adapters_trained;
  tensors.folder = file.path().substr(0, file.path().rfind('/'));
  if (quantization) tensors.projections = WeightType::kCompute;  // those that the folder leaves as they are
  tensors.type = [&](const std::string& name) {
    return quantization && is_quantized(file, places.tensor_of(name).name) ? quantization->type : WeightType::kCompute;
  };
  tensors.values = [&](const std::string& name, float* out) { places.read_values(file, name, out); };
  tensors.codes = [&](const std::string& name, uint8_t* codes, BF16* scales) {
    const FileTensor& tensor = places.tensor_of(name);
    const int64_t first = places.first_row(name);
    read_quantized(file, tensor.name, tensor.shape, {first, first + places.spec(name).shape[0]}, *quantization, codes,
                   scales);
  };
  return std::make_unique<Model>(config, kernels, options.compute, tensors);
}

// A folder whose config and weights' header fit each other and what is asked for.
struct ModelFiles {
  ModelConfig wanted;
  std::optional<Quantization> quantization;
  SafetensorsFile weights;
  bool new_head;  // the file has none of the wanted kind
};

Result<ModelFiles> open_model(const std::string& folder, const Kernels& kernels, const LoadOptions& options) {
  const std::string config_path = folder + "/config.json";
  TRY(const std::string config_text, read_file(config_path));
  TRY(const ModelConfig in_file, ModelConfig::from_json(config_text, config_path));
  TRY(const auto quantization, read_quantization(config_text, config_path));
  TRY_STATUS(check_weight_type(folder, kernels, options, quantization));
  ModelConfig wanted = in_file;
  wanted.head = options.head;
  if (Status supported = check_kernels(wanted, kernels); !supported.ok())
    return Err("{}: {}", folder, supported.error());
  const bool new_head = in_file.head != options.head;
  if (new_head && !(options.head == HeadKind::kScore && options.allow_new_head)) {
    return Err("{}/config.json: found {}, expected {}", folder, head_name(in_file.head), head_name(options.head));
  }
  TRY(SafetensorsFile file, open_weights(folder));
  TRY_STATUS(check_tensors(file, in_file, wanted, new_head, quantization));
  if (options.adapters_trained && is_quantized(file, kHeadName)) {
    return Err("{}: tensor \"{}\" is quantised: adapters can be served over it, not trained; expected F32, BF16 or F16",
               file.path(), kHeadName);
  }
  return ModelFiles{std::move(wanted), quantization, std::move(file), new_head};
}

}  // namespace

Status check_model_folder(const std::string& folder, const Kernels& kernels, const LoadOptions& options) {
  CHECK(options.serving_only, "only what is served is checked ahead");
  if (is_adapter_folder(folder)) return check_adapter_folder(folder, kernels, options);
  const auto opened = open_model(folder, kernels, options);
  return opened.ok() ? Status() : Err("{}", opened.error());
}

Result<std::unique_ptr<Model>> load_model(const std::string& folder, const Kernels& kernels,
                                          const LoadOptions& options) {
  if (options.bases != nullptr || is_adapter_folder(folder)) return load_over_base(folder, kernels, options);
  TRY(const ModelFiles files, open_model(folder, kernels, options));
  const auto& [wanted, quantization, file, new_head] = files;
  if (options.serving_only) {
    CHECK(!new_head, "a model that only serves has no new head");
    return load_serving(file, wanted, kernels, options, quantization);
  }

  auto model = std::make_unique<Model>(wanted, kernels, options.compute, options.with_gradients);
  if (new_head) model->init_head(Rng(options.head_seed, "score head"));
  const ParamPlaces places(wanted);
  std::vector<float> values;  // of one parameter
  model->for_each_param([&](const Param& p) {
    if (places.find(file, places.tensor_of(p.name)) == nullptr) return;  // a new head's
    values.resize(static_cast<size_t>(p.size));
    places.read_values(file, p.name, values.data());
    kernels.upload(p.value, values.data(), p.size * 4);
  });
  model->refresh();
  return model;
}

}  // namespace loquat
