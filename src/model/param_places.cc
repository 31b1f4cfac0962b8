#include "model/param_places.h"

#include <algorithm>

#include "base/check.h"
#include "base/threads.h"
#include "model/folder.h"

namespace loquat {

ParamPlaces::ParamPlaces(const ModelConfig& config)
    : architecture_(architecture_of(config)), specs_(param_specs(config)), tensors_(file_tensors(config)) {
  for (size_t t = 0; t < tensors_.size(); ++t) {
    int64_t row = 0;
    for (size_t i = tensors_[t].first; i < tensors_[t].first + tensors_[t].count; ++i) {
      places_[specs_[i].name] = {i, t, row};
      row += specs_[i].shape[0];
    }
  }
}

const ParamPlaces::Place& ParamPlaces::place(const std::string& param) const {
  const auto found = places_.find(param);
  CHECK(found != places_.end(), "no parameter is called {}", param);
  return found->second;
}

const ParamSpec& ParamPlaces::spec(const std::string& param) const {
  return specs_[place(param).spec];
}

const FileTensor& ParamPlaces::tensor_of(const std::string& param) const {
  return tensors_[place(param).tensor];
}

int64_t ParamPlaces::first_row(const std::string& param) const {
  return place(param).first_row;
}

const TensorEntry* ParamPlaces::find(const SafetensorsFile& file, const FileTensor& tensor) const {
  const TensorEntry* entry = file.find(tensor.name);
  if (entry != nullptr || !tensor.name.starts_with(architecture_.stem)) return entry;
  return file.find(tensor.name.substr(std::string(architecture_.stem).size()));
}

void ParamPlaces::read_values(const SafetensorsFile& file, const std::string& param, float* out) const {
  const FileTensor& tensor = tensor_of(param);
  const ParamSpec& spec = this->spec(param);
  TensorEntry entry = *find(file, tensor);
  const int64_t rows = spec.shape[0], cols = spec.size() / rows, first = first_row(param);
  if (!tensor.transposed) {
    const size_t row_bytes = static_cast<size_t>(cols * (entry.dtype == "F32" ? 4 : 2));
    entry.bytes = entry.bytes.subspan(static_cast<size_t>(first) * row_bytes, static_cast<size_t>(rows) * row_bytes);
    return read_tensor_values(entry, out, rows * cols);
  }
  const int64_t all = tensor.shape[1];
  std::vector<float> values(static_cast<size_t>(all * cols)), turned(values.size());
  read_tensor_values(entry, values.data(), all * cols);
  transpose_values(values.data(), cols, all, turned.data());
  std::copy_n(turned.data() + first * cols, rows * cols, out);
}

bool ParamPlaces::is_buffer(const std::string& tensor) const {
  return std::any_of(architecture_.buffers.begin(), architecture_.buffers.end(),
                     [&](const char* ending) { return tensor.ends_with(ending); });
}

void transpose_values(const float* w, int64_t rows, int64_t cols, float* out) {
  parallel_blocks(cols, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = begin; j < end; ++j) out[j * rows + i] = w[i * cols + j];
    }
  });
}

}  // namespace loquat
