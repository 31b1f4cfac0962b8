// GGUF, version 2 and 3, little-endian. Reading maps the file; every count, length, size and offset is checked against
// the file's length, with arithmetic that cannot overflow, before memory is taken for it. Metadata is copied, tensors
// stay in the file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/files.h"
#include "store/gguf_types.h"

namespace loquat {

struct GgufTensor {
  std::string name;
  GgufType type = GgufType::kF32;
  std::vector<int64_t> shape;      // rows first, as everywhere here: [out, in]; the file has them the other way round
  std::span<const uint8_t> bytes;  // into the mapped file

  int64_t size() const;  // values
  // out has size() values.
  void read(std::span<float> out) const { gguf_dequantize(type, bytes, out); }
};

class GgufFile {
 public:
  static Result<GgufFile> open(const std::string& path);

  const std::string& path() const { return path_; }
  uint32_t version() const { return version_; }
  const std::vector<std::pair<std::string, GgufValue>>& metadata() const { return metadata_; }  // in the file's order
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufValue* find(std::string_view key) const;
  const GgufTensor* find_tensor(std::string_view name) const;

  // A key's value. Missing, of another type or out of range: an error that names file and key, what was found and what
  // is expected. Integers of any width are read as integers, integers and floats as numbers.
  Result<int64_t> integer(std::string_view key) const;
  Result<double> number(std::string_view key) const;
  Result<bool> boolean(std::string_view key) const;
  Result<std::string> text(std::string_view key) const;
  Result<std::vector<std::string>> texts(std::string_view key) const;
  Result<std::vector<int64_t>> integers(std::string_view key) const;
  Result<std::vector<double>> numbers(std::string_view key) const;

 private:
  explicit GgufFile(MappedFile file) : file_(std::move(file)) {}
  Status read();
  Error wrong(std::string_view key, const char* expected) const;

  MappedFile file_;
  std::string path_;
  uint32_t version_ = 0;
  std::vector<std::pair<std::string, GgufValue>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t, std::less<>> keys_, names_;
};

// What a GGUF that is written holds. bytes(i) gives tensor i's bytes when its turn comes, so that they need not all be
// in memory at once; they are valid until the next call.
struct GgufContent {
  struct Tensor {
    std::string name;  // at most 63 bytes
    GgufType type = GgufType::kF32;
    std::vector<int64_t> shape;  // rows first
  };
  std::vector<std::pair<std::string, GgufValue>> metadata;  // general.alignment is the alignment, 32 where it is absent
  std::vector<Tensor> tensors;
  std::function<Result<std::span<const uint8_t>>(size_t)> bytes;
};

// Version 3; the same content gives the same bytes. Atomic.
Status write_gguf(const std::string& path, const GgufContent& content);

}  // namespace loquat
