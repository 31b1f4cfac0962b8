// What a path is, and the folder's side of it.
#include "formats/source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "model/adapter_folder.h"
#include "model/folder.h"
#include "model/param_places.h"
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
  if (is_adapter_folder(path))
    return Err("{}: an adapter's folder; `loquat merge {} --out FOLDER` makes a whole model of it and its base", path,
               path);
  return Err("{}: expected a folder with config.json and model.safetensors, or a .gguf or .bin file", path);
}

}  // namespace

Result<SourceFormat> detect_format(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return detect_folder(path);
  if (!std::filesystem::exists(path, error)) return Err("{}: there is no such file or folder", path);
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
  TRY_STATUS(check_tensors(*file, source.config, source.config, false, std::nullopt));
  const auto places = std::make_shared<ParamPlaces>(source.config);
  source.params = places->specs();
  for (const TensorEntry& t : file->tensors()) source.tensors.push_back({t.name, t.dtype, t.shape});
  source.dtype = main_dtype(source.tensors);
  source.read = [file, places](size_t i, std::span<float> out) {
    places->read_values(*file, places->specs()[i].name, out.data());
  };
  return source;
}

}  // namespace loquat
