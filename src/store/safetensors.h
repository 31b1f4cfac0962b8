// safetensors: 8 bytes little-endian header length, a JSON header, the tensors' bytes. Reading maps the file and checks every
// size against its length with checked arithmetic before anything is taken.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/files.h"

namespace loquat {

struct TensorEntry {
  std::string name;
  std::string dtype;  // "F32", "BF16", "F16", "I64", "I32", "U8", ...
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;  // into the mapped file (perhaps not aligned), or the caller's memory when writing
};

class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(const std::string& path);
  const std::vector<TensorEntry>& tensors() const { return tensors_; }
  const TensorEntry* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& path() const { return path_; }

 private:
  explicit SafetensorsFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  std::string path_;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, size_t, std::less<>> index_;
};

// Deterministic bytes: tensors in the given order, each aligned to 64 bytes from the file's start where possible, atomic.
Status write_safetensors(const std::string& path, std::span<const TensorEntry> tensors,
                         const std::map<std::string, std::string>& metadata);

}  // namespace loquat
