// What a path is, and the folder's side of it.
#include "formats/source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "model/architectures.h"
#include "model/folder.h"
#include "model/model.h"
#include "store/files.h"
#include "store/safetensors.h"

namespace loquat {

const char* source_format_name(SourceFormat format) {
  switch (format) {
    case SourceFormat::kFolder:
      return "Hugging Face folder";
    case SourceFormat::kGguf:
      return "GGUF";
    case SourceFormat::kLlama2c:
      break;
  }
  return "llama2.c";
}

namespace {

constexpr const char* kPickle =
    "a PyTorch pickle: opening one runs whatever code it holds, so that it is not done here; expected safetensors, "
    "GGUF "
    "or llama2.c's .bin";

// The first bytes of torch.save's two forms: a zip archive, and a pickle of protocol 2 or later.
bool looks_pickled(std::string_view begin) {
  const bool zip = begin.starts_with("PK\x03\x04");
  return zip || (begin.size() >= 2 && begin[0] == '\x80' && begin[1] >= 2 && begin[1] <= 5);
}

bool named_as_pickle(const std::string& name) {
  for (const char* ending : {".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
    if (name.ends_with(ending)) return true;
  return name.starts_with("pytorch_model") && name.ends_with(".bin");
}

Result<SourceFormat> detect_folder(const std::string& path) {
  if (file_exists(path + "/config.json") && file_exists(safetensors_path(path))) return SourceFormat::kFolder;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    if (named_as_pickle(name)) return Err("{}/{}: {}", path, name, kPickle);
  }
  return Err("{}: expected a folder with config.json and model.safetensors, or a .gguf or .bin file", path);
}

}  // namespace

Result<SourceFormat> detect_format(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return detect_folder(path);
  std::ifstream in(path, std::ios::binary);
  if (!in) return Err("{}: cannot be read: expected a model's folder, or a .gguf or .bin file", path);
  std::string begin(28, '\0');
  in.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  begin.resize(static_cast<size_t>(in.gcount()));
  const std::string name = std::filesystem::path(path).filename().string();
  if (begin.starts_with("GGUF")) return SourceFormat::kGguf;
  if (looks_pickled(begin) || named_as_pickle(name)) return Err("{}: {}", path, kPickle);
  if (path.ends_with(".safetensors"))
    return Err("{}: weights alone: expected the folder that has config.json beside them", path);
  uint32_t first = 0;
  if (begin.size() >= 4) std::memcpy(&first, begin.data(), 4);
  if (first == 0x616b3432)
    return Err("{}: a newer form of llama2.c's export (magic ak42); expected the legacy form (export.py --version 0)",
               path);
  if (path.ends_with(".bin") && begin.size() == 28) return SourceFormat::kLlama2c;
  return Err("{}: neither GGUF nor llama2.c's .bin", path);
}

Result<ModelSource> open_source(const std::string& path) {
  TRY(const SourceFormat format, detect_format(path));
  switch (format) {
    case SourceFormat::kFolder:
      return open_folder_source(path);
    case SourceFormat::kGguf:
      return open_gguf_source(path);
    case SourceFormat::kLlama2c:
      break;
  }
  return open_llama2c_source(path);
}

namespace {

// Where one parameter is in the folder's tensors.
struct Place {
  const TensorEntry* tensor = nullptr;
  int64_t row = 0;  // the first of its rows there (of its columns, where it is transposed)
  bool transposed = false;
};

// A folder's names may lack the model's stem ("model.", "transformer.").
const TensorEntry* find_tensor(const SafetensorsFile& file, const std::string& name, const std::string& stem) {
  if (const TensorEntry* found = file.find(name)) return found;
  return name.starts_with(stem) ? file.find(name.substr(stem.size())) : nullptr;
}

Status check_tensor(const SafetensorsFile& file, const FileTensor& expected, const TensorEntry* tensor) {
  if (!tensor)
    return Err("{}: tensor \"{}\" {} is missing (config.json asks for it)", file.path(), expected.name,
               shape_text(expected.shape));
  if (tensor->shape != expected.shape)
    return Err("{}: tensor \"{}\": found shape {}, config.json asks for {}", file.path(), expected.name,
               shape_text(tensor->shape), shape_text(expected.shape));
  if (tensor->dtype != "F32" && tensor->dtype != "BF16" && tensor->dtype != "F16")
    return Err("{}: tensor \"{}\": found dtype {}, expected F32, BF16 or F16", file.path(), expected.name,
               tensor->dtype);
  return {};
}

// Tensors that other programs write and that say nothing new.
bool is_ignored(const std::string& name, const Architecture& row, const ModelConfig& config) {
  if (name.ends_with("rotary_emb.inv_freq")) return true;
  for (const char* ending : row.buffers)
    if (name.ends_with(ending)) return true;
  return name == kHeadName && config.tie_embeddings;
}

Result<std::vector<Place>> find_places(const SafetensorsFile& file, const ModelSource& source) {
  const Architecture& row = architecture_of(source.config);
  std::vector<Place> places(source.params.size());
  std::vector<const TensorEntry*> known;
  for (const FileTensor& expected : file_tensors(source.config)) {
    const TensorEntry* tensor = find_tensor(file, expected.name, row.stem);
    TRY_STATUS(check_tensor(file, expected, tensor));
    known.push_back(tensor);
    int64_t at = 0;
    for (size_t k = expected.first; k < expected.first + expected.count; ++k) {
      places[k] = {tensor, at, expected.transposed};
      at += source.params[k].shape[0];
    }
  }
  std::sort(known.begin(), known.end());
  for (const TensorEntry& tensor : file.tensors())
    if (!std::binary_search(known.begin(), known.end(), &tensor) && !is_ignored(tensor.name, row, source.config))
      return Err("{}: tensor \"{}\" {} does not belong to the model that config.json describes", file.path(),
                 tensor.name, shape_text(tensor.shape));
  return places;
}

void read_place(const Place& place, const ParamSpec& spec, std::span<float> out) {
  const TensorEntry& tensor = *place.tensor;
  const int64_t width = spec.size() / spec.shape[0];
  if (!place.transposed) {
    TensorEntry part = tensor;
    const size_t item = tensor.dtype == "F32" ? 4 : 2;
    part.bytes = tensor.bytes.subspan(static_cast<size_t>(place.row * width) * item, out.size() * item);
    return read_tensor_values(part, out.data(), spec.size());
  }
  const int64_t all = tensor.shape[1];  // [in, out of all that share the tensor]
  std::vector<float> values(static_cast<size_t>(width * all));
  read_tensor_values(tensor, values.data(), width * all);
  for (int64_t r = 0; r < spec.shape[0]; ++r)
    for (int64_t c = 0; c < width; ++c) out[r * width + c] = values[c * all + place.row + r];
}

// The type that most values have.
std::string main_dtype(const std::vector<SourceTensor>& tensors) {
  std::map<std::string, double> values;
  for (const SourceTensor& t : tensors) {
    double n = 1;
    for (const int64_t d : t.shape) n *= static_cast<double>(d);
    values[t.dtype] += n;
  }
  const auto most =
      std::max_element(values.begin(), values.end(), [](auto& a, auto& b) { return a.second < b.second; });
  return most == values.end() ? "" : most->first;
}

}  // namespace

Result<ModelSource> open_folder_source(const std::string& folder) {
  ModelSource source;
  source.path = folder;
  TRY(const std::string text, read_file(folder + "/config.json"));
  TRY(source.config, ModelConfig::from_json(text, folder + "/config.json"));
  TRY(const auto quantization, read_quantization(text, folder + "/config.json"));
  if (quantization)
    return Err("{}: the weights are quantised in compressed-tensors' form; expected the folder that was quantised",
               folder);
  TRY(source.files, safetensors_files(folder));
  TRY(SafetensorsFile opened, open_weights(folder));
  const auto file = std::make_shared<SafetensorsFile>(std::move(opened));
  if (source.config.num_layers > static_cast<int64_t>(file->tensors().size()))
    return Err("{}: {} tensors, config.json asks for {} layers", file->path(), file->tensors().size(),
               source.config.num_layers);
  source.params = param_specs(source.config);
  TRY(const std::vector<Place> places, find_places(*file, source));
  for (const TensorEntry& t : file->tensors()) source.tensors.push_back({t.name, t.dtype, t.shape});
  source.dtype = main_dtype(source.tensors);
  source.read = [file, places, params = source.params](size_t i, std::span<float> out) {
    read_place(places[i], params[i], out);
  };
  return source;
}

}  // namespace loquat
