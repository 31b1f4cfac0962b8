// Weights out.
#include "formats/write.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/threads.h"
#include "formats/gguf_config.h"
#include "formats/gguf_names.h"
#include "model/architectures.h"
#include "model/param_places.h"

namespace loquat {
namespace {

constexpr int64_t kGrain = 1 << 16;   // values, whole blocks of every type
constexpr float kMaxHalf = 65520.0f;  // from here on half precision rounds to infinity
constexpr uint32_t kQuantizationVersion = 2;

// Largest finite value that the type can hold.
float limit_of(GgufType type) {
  if (type == GgufType::kF16) return kMaxHalf;
  if (type == GgufType::kQ8_0) return kMaxHalf * 127;
  if (type == GgufType::kQ4_0) return kMaxHalf * 8;
  return INFINITY;
}

Status encode(GgufType type, const std::string& name, std::span<const float> values, std::vector<uint8_t>& bytes) {
  const GgufTypeInfo& info = gguf_type_info(type);
  const float limit = limit_of(type);
  for (const float x : values)
    if (std::fabs(x) >= limit && std::isfinite(x))
      return Err("tensor \"{}\": the value {} is beyond {}; expected bf16 or f32", name, x, info.name);
  bytes.resize(values.size() / info.block * info.block_bytes);
  parallel_blocks(static_cast<int64_t>(values.size()), kGrain, [&](int64_t begin, int64_t end) {
    gguf_quantize(
        type, values.subspan(begin, end - begin),
        std::span(bytes).subspan(begin / info.block * info.block_bytes, (end - begin) / info.block * info.block_bytes));
  });
  return {};
}

// The parameters [first, first + count) behind one another.
std::vector<float> joined(const ModelSource& source, size_t first, size_t count) {
  int64_t size = 0;
  for (size_t k = first; k < first + count; ++k) size += source.params[k].size();
  std::vector<float> values(static_cast<size_t>(size));
  size_t at = 0;
  for (size_t k = first; k < first + count; ++k) {
    const auto n = static_cast<size_t>(source.params[k].size());
    source.read(k, std::span(values).subspan(at, n));
    at += n;
  }
  return values;
}

}  // namespace

Result<GgufType> parse_dtype(const std::string& name) {
  for (const auto& [text, type] :
       {std::pair{"f32", GgufType::kF32}, std::pair{"f16", GgufType::kF16}, std::pair{"bf16", GgufType::kBF16},
        std::pair{"q8_0", GgufType::kQ8_0}, std::pair{"q4_0", GgufType::kQ4_0}})
    if (name == text) return type;
  return Err("dtype: found '{}', expected f32, f16, bf16, q8_0 or q4_0", name);
}

const char* torch_dtype(GgufType type) {
  return type == GgufType::kF32 ? "float32" : type == GgufType::kF16 ? "float16" : "bfloat16";
}

Status write_folder_weights(const ModelSource& source, const std::string& folder, GgufType type,
                            uint64_t max_shard_bytes) {
  CHECK(type == GgufType::kF32 || type == GgufType::kF16 || type == GgufType::kBF16, "a folder has no {}",
        gguf_type_info(type).name);
  const std::vector<FileTensor> tensors = file_tensors(source.config);
  std::vector<TensorInfo> infos;
  for (const FileTensor& t : tensors) infos.push_back({t.name, gguf_type_info(type).name, t.shape});
  std::vector<uint8_t> bytes;
  const auto make = [&](size_t i) -> Result<std::span<const uint8_t>> {
    const FileTensor& t = tensors[i];
    std::vector<float> values = joined(source, t.first, t.count);
    if (t.transposed) {
      const std::vector<float> rows = values;
      transpose_values(rows.data(), t.shape[1], t.shape[0], values.data());
    }
    TRY_STATUS(encode(type, t.name, values, bytes));
    return std::span<const uint8_t>(bytes);
  };
  return write_safetensors_folder(folder, infos, {{"format", "pt"}}, make, max_shard_bytes);
}

namespace {

// Norms, biases and positions stay as they are.
GgufType type_in_gguf(const GgufParam& param, GgufType wanted) {
  if (param.shape.size() < 2 || param.name == "position_embd.weight") return GgufType::kF32;
  const bool vocabulary = param.name == "token_embd.weight" || param.name == "output.weight";
  const GgufType type = vocabulary && wanted == GgufType::kQ4_0 ? GgufType::kQ8_0 : wanted;
  return param.shape.back() % gguf_type_info(type).block == 0 ? type : GgufType::kF16;
}

// llama.cpp's numbers for what most of a file's tensors are.
uint32_t file_type(GgufType type) {
  switch (type) {
    case GgufType::kF16:
      return 1;
    case GgufType::kQ4_0:
      return 2;
    case GgufType::kQ8_0:
      return 7;
    case GgufType::kBF16:
      return 32;
    default:
      return 0;
  }
}

// A GGUF tensor's values from those of its parameters.
std::vector<float> values_for_gguf(const ModelSource& source, const GgufParam& param) {
  std::vector<float> values = joined(source, param.first, param.count);
  if (param.count > 1) return values;  // of the architectures that fuse, none interleaves
  const ParamSpec& spec = source.params[param.first];
  if (gguf_adds_one(source.config, spec))
    for (float& x : values) x += 1.0f;
  const int64_t heads = gguf_interleaved_heads(source.config, spec);
  if (heads == 0) return values;
  std::vector<float> out(values.size());
  interleave_heads(values, heads, spec.size() / spec.shape[0], out);
  return out;
}

}  // namespace

Status write_gguf_model(const ModelSource& source, const std::string& path, GgufType type,
                        std::vector<std::pair<std::string, GgufValue>> metadata) {
  auto config = config_to_gguf(source.config);
  if (!config) return Err("{}: {}", source.path, config.error());
  GgufContent content;
  content.metadata = std::move(config->metadata);
  content.metadata.emplace_back("general.file_type", GgufValue::uint32(file_type(type)));
  content.metadata.emplace_back("general.quantization_version", GgufValue::uint32(kQuantizationVersion));
  std::move(metadata.begin(), metadata.end(), std::back_inserter(content.metadata));
  const std::vector<GgufParam> params = gguf_params(source.config);
  for (const auto& [name, factors] : config->tensors)
    content.tensors.push_back({name, GgufType::kF32, {static_cast<int64_t>(factors.size())}});
  for (const GgufParam& p : params) content.tensors.push_back({p.name, type_in_gguf(p, type), p.shape});
  std::vector<uint8_t> bytes;
  content.bytes = [&](size_t i) -> Result<std::span<const uint8_t>> {
    const size_t own = config->tensors.size();
    const std::vector<float> values = i < own ? config->tensors[i].second : values_for_gguf(source, params[i - own]);
    TRY_STATUS(encode(content.tensors[i].type, content.tensors[i].name, values, bytes));
    return std::span<const uint8_t>(bytes);
  };
  return write_gguf(path, content);
}

}  // namespace loquat
