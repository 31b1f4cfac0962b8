// A file's bytes as a stream, unpacked where it is gzip or Zstandard (its first bytes say so, whatever its name).
// Errors name the file: damaged, cut, or growing without measure when unpacked.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"

namespace loquat {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual Result<size_t> read(char* out, size_t size) = 0;  // how many bytes came; 0 at the end
};

// An open file as it is; closes it.
class PlainSource : public ByteSource {
 public:
  PlainSource(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PlainSource() override;
  Result<size_t> read(char* out, size_t size) override;

 private:
  std::string path_;
  int fd_;
};

Result<std::unique_ptr<ByteSource>> open_bytes(const std::string& path);

}  // namespace loquat
