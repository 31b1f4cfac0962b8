// Any bytes as a safetensors file: opening must refuse or give tensors that lie in the file, of the size that dtype and
// shape say, none over another.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "store/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = ::memfd_create("safetensors", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) return 0;
  auto file = loquat::SafetensorsFile::open(path);
  if (!file) {
    CHECK(!file.error().empty());
    return 0;
  }
  uint64_t total = 0;
  volatile uint64_t sum = 0;  // every byte is read, so that a sanitizer sees a place outside the file
  for (const loquat::TensorEntry& tensor : file->tensors()) {
    CHECK(file->find(tensor.name) == &tensor);
    total += tensor.bytes.size();
    for (const uint8_t byte : tensor.bytes) sum = sum + byte;
  }
  CHECK(total <= size, "{} bytes of tensors in {} bytes", total, size);
  return 0;
}
