// Files packed by gzip or Zstandard: packed.cc where CMake finds zlib and libzstd, else packed_absent.cc.
#pragma once

#include <cstdint>
#include <string>

#include "store/bytes.h"

namespace loquat {

enum class Packing { kGzip, kZstd };

// The unpacked bytes of an open file of `size` bytes, which is closed in the end. An error where they grow without
// measure.
Result<std::unique_ptr<ByteSource>> unpacked(const std::string& path, int fd, Packing packing, uint64_t size);

}  // namespace loquat
