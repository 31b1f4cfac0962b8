#include "model/quantized_folder.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/ints.h"
#include "base/threads.h"
#include "kernels/quantize.h"
#include "model/folder.h"
#include "model/model.h"
#include "model/param_places.h"
#include "store/files.h"

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int64_t kRowGrain = 64;
constexpr const char* kCopied[] = {"generation_config.json", "tokenizer.json", "tokenizer_config.json",
                                   "special_tokens_map.json", "chat_template.jinja"};

int64_t groups_in_file(int64_t k, const Quantization& q) {
  return q.group == 0 ? 1 : ceil_div(k, q.group);
}

int64_t values_of_word(WeightType type) {
  return 32 / bits_of(type);
}

// A JSON value's text, for messages.
std::string found(const json& object, const char* key) {
  return object.contains(key) ? object.at(key).dump() : "nothing";
}

Status expect(const json& object, const char* key, const json& wanted, const std::string& where) {
  if (object.contains(key) && object.at(key) == wanted) return {};
  return Err("{}: \"{}\": found {}, expected {}", where, key, found(object, key), wanted.dump());
}

Result<Quantization> read_weights(const json& weights, const std::string& where) {
  TRY_STATUS(expect(weights, "type", "int", where));
  TRY_STATUS(expect(weights, "symmetric", true, where));
  Quantization q;
  if (weights.value("num_bits", json()) == 4) {
    q.type = WeightType::kInt4;
  } else if (weights.value("num_bits", json()) != 8) {
    return Err("{}: \"num_bits\": found {}, expected 4 or 8", where, found(weights, "num_bits"));
  }
  if (weights.value("strategy", json()) == "channel") return q;
  TRY_STATUS(expect(weights, "strategy", "group", where));
  const json size = weights.value("group_size", json());
  const int64_t unit = group_length(q.type);
  if (!size.is_number_integer() || size.get<double>() < 1 || size.get<double>() > 1e9 ||
      size.get<int64_t>() % unit != 0) {
    return Err("{}: \"group_size\": found {}, expected a multiple of {} (with {} bits)", where,
               found(weights, "group_size"), unit, bits_of(q.type));
  }
  q.group = size.get<int64_t>();
  return q;
}

Status check_tensor(const SafetensorsFile& file, const std::string& name, const std::vector<std::string>& dtypes,
                    const std::vector<int64_t>& shape, const TensorEntry** out) {
  const TensorEntry* tensor = file.find(name);
  if (tensor == nullptr) return Err("{}: tensor \"{}\" {} is missing", file.path(), name, shape_text(shape));
  if (std::find(dtypes.begin(), dtypes.end(), tensor->dtype) == dtypes.end()) {
    return Err("{}: tensor \"{}\": found dtype {}, expected {}", file.path(), name, tensor->dtype, dtypes.front());
  }
  if (tensor->shape != shape) {
    return Err("{}: tensor \"{}\": found shape {}, expected {}", file.path(), name, shape_text(tensor->shape),
               shape_text(shape));
  }
  int64_t bytes = tensor->dtype == "I64" ? 8 : tensor->dtype == "BF16" || tensor->dtype == "F16" ? 2 : 4;
  for (const int64_t d : shape) bytes *= d;
  if (static_cast<int64_t>(tensor->bytes.size()) != bytes) {
    return Err("{}: tensor \"{}\": found {} bytes, expected {}", file.path(), name, tensor->bytes.size(), bytes);
  }
  *out = tensor;
  return {};
}

// Element i of a tensor of 32 or 64-bit integers.
int64_t integer_at(const TensorEntry& tensor, int64_t i) {
  int32_t narrow;
  int64_t wide;
  if (tensor.dtype == "I64") {
    std::memcpy(&wide, tensor.bytes.data() + i * 8, 8);
    return wide;
  }
  std::memcpy(&narrow, tensor.bytes.data() + i * 4, 4);
  return narrow;
}

}  // namespace

Result<std::optional<Quantization>> read_quantization(const std::string& config_json, const std::string& file) {
  const json config = json::parse(config_json, nullptr, false);
  if (!config.is_object() || !config.contains("quantization_config")) return std::optional<Quantization>();
  const json& all = config.at("quantization_config");
  const std::string where = file + ": quantization_config";
  if (!all.is_object()) return Err("{}: found {}, expected an object", where, all.dump());
  TRY_STATUS(expect(all, "quant_method", "compressed-tensors", where));
  TRY_STATUS(expect(all, "format", "pack-quantized", where));
  const json groups = all.value("config_groups", json());
  if (!groups.is_object() || groups.size() != 1 || !groups.front().is_object() ||
      !groups.front().value("weights", json()).is_object()) {
    return Err("{}: \"config_groups\": found {}, expected one group with its \"weights\"", where,
               found(all, "config_groups"));
  }
  const json& group = groups.front();
  TRY_STATUS(expect(group, "targets", json::array({"Linear"}), where));
  for (const char* key : {"input_activations", "output_activations"}) {
    if (!group.value(key, json()).is_null()) TRY_STATUS(expect(group, key, nullptr, where));
  }
  TRY(const Quantization quantization, read_weights(group.at("weights"), where));
  return std::optional(quantization);
}

std::string quantized_name(const std::string& weight_name, const char* part) {
  return weight_name + "_" + part;
}

bool is_quantized(const SafetensorsFile& file, const std::string& weight_name) {
  return file.find(quantized_name(weight_name, "packed")) != nullptr;
}

Status check_quantized(const SafetensorsFile& file, const std::string& name, const std::vector<int64_t>& wanted,
                       const Quantization& q) {
  const int64_t n = wanted[0], k = wanted[1];
  const TensorEntry *packed, *scales, *shape;
  TRY_STATUS(
      check_tensor(file, quantized_name(name, "packed"), {"I32"}, {n, ceil_div(k, values_of_word(q.type))}, &packed));
  TRY_STATUS(
      check_tensor(file, quantized_name(name, "scale"), {"BF16", "F16", "F32"}, {n, groups_in_file(k, q)}, &scales));
  TRY_STATUS(check_tensor(file, quantized_name(name, "shape"), {"I64", "I32"}, {2}, &shape));
  if (integer_at(*shape, 0) != n || integer_at(*shape, 1) != k) {
    return Err("{}: tensor \"{}\": found [{}, {}], config.json asks for {}", file.path(), shape->name,
               integer_at(*shape, 0), integer_at(*shape, 1), shape_text(wanted));
  }
  std::vector<float> values(static_cast<size_t>(n * groups_in_file(k, q)));
  read_tensor_values(*scales, values.data(), static_cast<int64_t>(values.size()));
  for (const float value : values) {
    if (!std::isfinite(value)) return Err("{}: tensor \"{}\" has a scale of {}", file.path(), scales->name, value);
  }
  return {};
}

void read_quantized(const SafetensorsFile& file, const std::string& name, const std::vector<int64_t>& shape,
                    RowRange rows, const Quantization& q, uint8_t* codes, BF16* scales) {
  const int64_t n = shape[0], k = shape[1], from_groups = groups_in_file(k, q);
  const int64_t groups = group_count(k, q.type), length = group_length(q.type), bits = bits_of(q.type);
  const int64_t of_word = values_of_word(q.type), words = ceil_div(k, of_word);
  std::vector<float> values(static_cast<size_t>(n * from_groups));
  read_tensor_values(*file.find(quantized_name(name, "scale")), values.data(), n * from_groups);
  const uint8_t* packed = file.find(quantized_name(name, "packed"))->bytes.data();
  parallel_blocks(rows.end - rows.begin, kRowGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t from = rows.begin + i;
      for (int64_t j = 0; j < k; ++j) {
        uint32_t word;
        std::memcpy(&word, packed + (from * words + j / of_word) * 4, 4);
        codes[i * k + j] = static_cast<uint8_t>((word >> (j % of_word * bits)) & ((1u << bits) - 1));
      }
      for (int64_t g = 0; g < groups; ++g) {
        scales[i * groups + g] = to_bf16(values[from * from_groups + (q.group == 0 ? 0 : g * length / q.group)]);
      }
    }
  });
}

// --- writing -------------------------------------------------------------------------------------

namespace {

ordered_json quantization_json(WeightType type, const std::vector<std::string>& ignored) {
  ordered_json weights = {{"num_bits", bits_of(type)},
                          {"type", "int"},
                          {"symmetric", true},
                          {"strategy", "group"},
                          {"group_size", group_length(type)},
                          {"dynamic", false},
                          {"actorder", nullptr},
                          {"block_structure", nullptr},
                          {"observer", "mse"},
                          {"observer_kwargs", ordered_json::object()}};
  ordered_json group = {{"targets", ordered_json::array({"Linear"})},
                        {"weights", weights},
                        {"input_activations", nullptr},
                        {"output_activations", nullptr}};
  return {{"quant_method", "compressed-tensors"},  {"format", "pack-quantized"}, {"quantization_status", "compressed"},
          {"config_groups", {{"group_0", group}}}, {"ignore", ignored},          {"kv_cache_scheme", nullptr}};
}

// The three tensors of a quantised weight, with their memory.
struct PackedTensors {
  std::vector<uint32_t> words;
  std::vector<BF16> scales;
  int64_t shape[2];
};

PackedTensors pack_tensors(const TensorEntry& tensor, WeightType type) {
  const int64_t n = tensor.shape[0], k = tensor.shape[1];
  const int64_t of_word = values_of_word(type), words = ceil_div(k, of_word), bits = bits_of(type);
  std::vector<float> values(static_cast<size_t>(n * k));
  std::vector<uint8_t> codes(values.size());
  PackedTensors out{std::vector<uint32_t>(static_cast<size_t>(n * words)),
                    std::vector<BF16>(static_cast<size_t>(n * group_count(k, type))),
                    {n, k}};
  read_tensor_values(tensor, values.data(), n * k);
  quantize_weight(values.data(), n, k, type, codes.data(), out.scales.data());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j)
      out.words[i * words + j / of_word] |= static_cast<uint32_t>(codes[i * k + j]) << (j % of_word * bits);
  }
  return out;
}

template <typename T>
std::span<const uint8_t> bytes_of_values(const T* data, size_t count) {
  return {reinterpret_cast<const uint8_t*>(data), count * sizeof(T)};
}

Status copy_other_files(const std::string& from, const std::string& to) {
  for (const char* name : kCopied) {
    const std::string path = from + "/" + name;
    if (!file_exists(path)) continue;
    TRY(const std::string text, read_file(path));
    TRY_STATUS(write_file(to + "/" + name, text));
  }
  return {};
}

}  // namespace

Status quantize_model_folder(const std::string& from, const std::string& to, WeightType type) {
  CHECK(type != WeightType::kCompute, "quantising to no type");
  const std::string config_path = from + "/config.json";
  TRY(const std::string text, read_file(config_path));
  TRY(const ModelConfig config, ModelConfig::from_json(text, config_path));
  TRY(const auto quantization, read_quantization(text, config_path));
  if (quantization) return Err("{}: the folder is quantised already, to {} bits", from, bits_of(quantization->type));
  std::error_code error;
  if (std::filesystem::equivalent(from, to, error)) return Err("{}: expected another folder to write to", to);
  TRY(const SafetensorsFile file, open_weights(from));
  TRY_STATUS(check_tensors(file, config, config, false, std::nullopt));

  // A weight whose rows end within a group stays as it is, since others read whole groups alone; so do rows too short
  // for 4 bits, since the form has one number of bits for all, and the head.
  std::vector<std::string> ignored = {config.head == HeadKind::kScore ? "score" : "lm_head"};
  std::vector<TensorEntry> tensors;
  std::vector<std::unique_ptr<PackedTensors>> memory;
  const ParamPlaces places(config);
  for (const FileTensor& spec : places.tensors()) {
    const TensorEntry& tensor = *places.find(file, spec);
    const bool is_matrix = places.specs()[spec.first].is_matrix;
    if (is_matrix && spec.transposed) {
      return Err("{}: {} models have their projections transposed, which the form of quantised folders does not know",
                 from, config.architecture);
    }
    const bool fits =
        is_matrix && spec.shape[1] % group_length(type) == 0 && type_for_rows(spec.shape[1], type) == type;
    if (!fits) {
      if (is_matrix) ignored.push_back(spec.name.substr(0, spec.name.size() - std::strlen(".weight")));
      tensors.push_back(tensor);
      continue;
    }
    memory.push_back(std::make_unique<PackedTensors>(pack_tensors(tensor, type)));
    const PackedTensors& p = *memory.back();
    const int64_t n = spec.shape[0], k = spec.shape[1];
    tensors.push_back({quantized_name(spec.name, "packed"),
                       "I32",
                       {n, ceil_div(k, values_of_word(type))},
                       bytes_of_values(p.words.data(), p.words.size())});
    tensors.push_back({quantized_name(spec.name, "scale"),
                       "BF16",
                       {n, group_count(k, type)},
                       bytes_of_values(p.scales.data(), p.scales.size())});
    tensors.push_back({quantized_name(spec.name, "shape"), "I64", {2}, bytes_of_values(p.shape, 2)});
  }
  if (memory.empty()) {
    return Err("{}: no projection has rows of a multiple of {} values, at least {}, which {} bits need", from,
               group_length(type), type == WeightType::kInt4 ? kFewestInt4 : 1, bits_of(type));
  }
  ordered_json written = ordered_json::parse(text);
  written["quantization_config"] = quantization_json(type, ignored);
  TRY_STATUS(make_folders(to));
  TRY_STATUS(copy_other_files(from, to));
  TRY_STATUS(write_file(to + "/config.json", written.dump(2) + "\n"));
  // The weights come last: a folder that has them is whole.
  return write_safetensors(to + "/model.safetensors", tensors, {{"format", "pt"}});
}

}  // namespace loquat
