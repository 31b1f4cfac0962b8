// A GGUF file as a source of parameters: names, fused tensors, the order of q's and k's rows, norms that have their one
// added.
#include <memory>
#include <set>

#include "formats/gguf_config.h"
#include "formats/gguf_names.h"
#include "formats/source.h"

namespace loquat {
namespace {

struct Place {
  const GgufTensor* tensor = nullptr;
  int64_t row = 0;    // the first of its rows there
  int64_t heads = 0;  // whose rows are interleaved
  bool adds_one = false;
};

Result<std::vector<Place>> find_places(const GgufFile& file, const ModelSource& source) {
  std::vector<Place> places(source.params.size());
  std::set<std::string> known;
  for (const GgufParam& expected : gguf_params(source.config)) {
    const GgufTensor* tensor = file.find_tensor(expected.name);
    if (!tensor)
      return Err("{}: tensor '{}' {} is missing (its keys ask for it)", file.path(), expected.name,
                 shape_text(expected.shape));
    if (tensor->shape != expected.shape)
      return Err("{}: tensor '{}': found shape {}, its keys ask for {}", file.path(), expected.name,
                 shape_text(tensor->shape), shape_text(expected.shape));
    known.insert(expected.name);
    int64_t at = 0;
    for (size_t k = expected.first; k < expected.first + expected.count; ++k) {
      const ParamSpec& spec = source.params[k];
      places[k] = {tensor, at, gguf_interleaved_heads(source.config, spec), gguf_adds_one(source.config, spec)};
      at += spec.shape[0];
    }
  }
  for (const GgufTensor& tensor : file.tensors())
    if (!known.contains(tensor.name) && !is_gguf_config_tensor(tensor.name))
      return Err("{}: tensor '{}' {} does not belong to the model that its keys describe", file.path(), tensor.name,
                 shape_text(tensor.shape));
  return places;
}

void read_place(const Place& place, const ParamSpec& spec, std::span<float> out) {
  GgufTensor part = *place.tensor;
  const int64_t width = spec.size() / spec.shape[0];
  const GgufTypeInfo& info = gguf_type_info(part.type);
  // A fused tensor's rows are whole blocks; one that is not fused begins at its first byte.
  const auto bytes_of = [&](int64_t values) { return static_cast<size_t>(values / info.block * info.block_bytes); };
  part.bytes = part.bytes.subspan(bytes_of(place.row * width), bytes_of(spec.size()));
  if (place.heads > 0) {
    std::vector<float> values(out.size());
    part.read(values);
    deinterleave_heads(values, place.heads, width, out);
  } else {
    part.read(out);
  }
  if (place.adds_one)
    for (float& x : out) x -= 1.0f;
}

std::string main_dtype(const GgufFile& file) {
  std::string name;
  int64_t most = 0;
  std::map<std::string, int64_t> values;
  for (const GgufTensor& tensor : file.tensors()) {
    int64_t& n = values[gguf_type_info(tensor.type).name];
    n += tensor.size();
    if (n > most) most = n, name = gguf_type_info(tensor.type).name;
  }
  return name;
}

}  // namespace

Result<ModelSource> open_gguf_source(const std::string& path) {
  TRY(GgufFile opened, GgufFile::open(path));
  const auto file = std::make_shared<GgufFile>(std::move(opened));
  ModelSource source;
  source.format = SourceFormat::kGguf;
  source.path = path;
  source.files = {path};
  if (file->tensors().empty()) return Err("{}: a vocabulary alone: it has no tensors", path);
  TRY(source.config, config_from_gguf(*file));
  source.params = param_specs(source.config);
  TRY(const std::vector<Place> places, find_places(*file, source));
  for (const GgufTensor& t : file->tensors()) source.tensors.push_back({t.name, gguf_type_info(t.type).name, t.shape});
  source.dtype = main_dtype(*file);
  source.read = [file, places, params = source.params](size_t i, std::span<float> out) {
    read_place(places[i], params[i], out);
  };
  return source;
}

}  // namespace loquat
