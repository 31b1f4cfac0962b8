// Where a model's parameters are in the tensors of its file: by name, some joined, some transposed (architectures.h).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/architectures.h"
#include "store/safetensors.h"

namespace loquat {

class ParamPlaces {
 public:
  explicit ParamPlaces(const ModelConfig& config);

  const std::vector<FileTensor>& tensors() const { return tensors_; }
  const std::vector<ParamSpec>& specs() const { return specs_; }
  const ParamSpec& spec(const std::string& param) const;
  const FileTensor& tensor_of(const std::string& param) const;
  int64_t first_row(const std::string& param) const;  // of it among the tensor's joined rows
  // The file may leave out the model's stem ("transformer.") in all names. Null: not there.
  const TensorEntry* find(const SafetensorsFile& file, const FileTensor& tensor) const;
  // The parameter's values, from a tensor that was checked.
  void read_values(const SafetensorsFile& file, const std::string& param, float* out) const;
  // A tensor that others write and that says nothing: a buffer of the architecture.
  bool is_buffer(const std::string& tensor) const;

 private:
  struct Place {
    size_t spec = 0, tensor = 0;
    int64_t first_row = 0;
  };
  const Place& place(const std::string& param) const;

  const Architecture& architecture_;
  std::vector<ParamSpec> specs_;
  std::vector<FileTensor> tensors_;
  std::unordered_map<std::string, Place> places_;
};

// W [rows, cols] turned around, into `out` [cols, rows].
void transpose_values(const float* w, int64_t rows, int64_t cols, float* out);

}  // namespace loquat
