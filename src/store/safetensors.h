// safetensors: 8 bytes little-endian header length, a JSON header, the tensors' bytes. Reading maps the file and checks
// every size against its length with checked arithmetic before anything is taken. Large models are cut into shards,
// NAME-00001-of-00002.safetensors, with an index, NAME.safetensors.index.json, that names each tensor's shard.
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
  // The shards that an index names, as if they were one file, whose path is the index's. Each tensor must be in the
  // shard that the index has it in, and a shard must lie in the index's folder.
  static Result<SafetensorsFile> open_index(const std::string& path);
  // What safetensors_path names.
  static Result<SafetensorsFile> open_folder(const std::string& folder);
  const std::vector<TensorEntry>& tensors() const { return tensors_; }
  const TensorEntry* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& path() const { return path_; }

 private:
  SafetensorsFile() = default;
  std::vector<MappedFile> files_;  // the file, or the shards
  std::string path_;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, size_t, std::less<>> index_;
};

// Deterministic bytes: tensors in the given order, the first at a multiple of 64 bytes, atomic.
Status write_safetensors(const std::string& path, std::span<const TensorEntry> tensors,
                         const std::map<std::string, std::string>& metadata);

// A tensor whose bytes are asked for when its turn comes, so that they need not all be in memory at once.
struct TensorInfo {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
};
using TensorBytes = std::function<Result<std::span<const uint8_t>>(size_t)>;  // of tensor i; valid until the next call
Status write_safetensors(const std::string& path, std::span<const TensorInfo> tensors,
                         const std::map<std::string, std::string>& metadata, const TensorBytes& bytes);

inline constexpr uint64_t kShardBytes = 5'000'000'000;  // Hugging Face's default

// model.safetensors in this folder, or where the tensors take more than max_bytes shards of at most that and their
// index, which is written last. A tensor is never cut. What another form of the weights had there is removed.
Status write_safetensors_folder(const std::string& folder, std::span<const TensorInfo> tensors,
                                const std::map<std::string, std::string>& metadata, const TensorBytes& bytes,
                                uint64_t max_bytes = kShardBytes);
Status write_safetensors_folder(const std::string& folder, std::span<const TensorEntry> tensors,
                                const std::map<std::string, std::string>& metadata, uint64_t max_bytes = kShardBytes);

// The weights' file of a folder: model.safetensors, or where there is none but an index model.safetensors.index.json.
std::string safetensors_path(const std::string& folder);
// That file, and where it is an index its shards too.
Result<std::vector<std::string>> safetensors_files(const std::string& folder);

// The bytes that a tensor takes, or why it cannot be one.
Result<uint64_t> tensor_byte_size(const std::string& dtype, const std::vector<int64_t>& shape);

}  // namespace loquat
