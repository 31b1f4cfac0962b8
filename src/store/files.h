// Files as this project writes them: whole or not at all. A file is written to a temporary name beside it, synced,
// renamed, and its folder synced. Errors name the file and the system's reason (a full disk included); nothing
// half-written stays.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat {

Result<std::string> read_file(const std::string& path);
// kUnsynced: whole or not at all for whoever reads it, but a power cut may lose it; for what is written often and only
// looked at.
enum class Durability { kSynced, kUnsynced };
Status write_file(const std::string& path, std::string_view bytes, Durability durability = Durability::kSynced);
Status make_folders(const std::string& path);
bool file_exists(const std::string& path);

// Streams into the temporary; commit() makes it the file. Without commit the temporary is removed. Temporaries are
// named
// ".tmp-<name>": never model*.safetensors, and a later run removes what a killed one left.
class AtomicFile {
 public:
  static Result<AtomicFile> open(const std::string& path);
  AtomicFile(AtomicFile&&) noexcept;
  ~AtomicFile();
  Status write(const void* data, size_t bytes);
  Status commit(Durability durability = Durability::kSynced);

 private:
  AtomicFile() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A file mapped read-only.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;
  ~MappedFile();
  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Calls f(line number from 1, line without its end) for each line of a plain, .gz or .zst file; an error from f stops
// it.
Status for_each_line(const std::string& path, const std::function<Status(int64_t, std::string_view)>& f);

// True where the bytes are valid UTF-8; else `at` is the offset of the first bad byte.
bool is_utf8(std::string_view bytes, size_t* at = nullptr);

std::string sha256_hex(std::string_view bytes);  // own code, FIPS 180-4: for recipe and file hashes
Result<std::string> sha256_of_file(const std::string& path);

}  // namespace loquat
