// A program without zlib and libzstd (packed.h).
#include <unistd.h>

#include "store/packed.h"

namespace loquat {

Result<std::unique_ptr<ByteSource>> unpacked(const std::string& path, int fd, Packing, uint64_t) {
  ::close(fd);
  return Err("{}: is packed, and this program was built without zlib and libzstd: unpack it first", path);
}

}  // namespace loquat
