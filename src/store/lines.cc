// Files as bytes and as lines, plain or packed by gzip or Zstandard. What a file is, its first bytes say; the name
// is only used to say what is wrong.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "store/bytes.h"
#include "store/files.h"
#include "store/packed.h"

namespace loquat {
namespace {

constexpr size_t kChunk = 256 << 10;
constexpr size_t kLongestLine = size_t{256} << 20;
}  // namespace

PlainSource::~PlainSource() {
  ::close(fd_);
}

Result<size_t> PlainSource::read(char* out, size_t size) {
  while (true) {
    const ssize_t n = ::read(fd_, out, size);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) return Err("{}: cannot read: {}", path_, std::strerror(errno));
  }
}

Result<std::unique_ptr<ByteSource>> open_bytes(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Err("{}: cannot read: {}", path, std::strerror(errno));
  struct stat about {};
  if (::fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
    ::close(fd);
    return Err("{}: is a folder, expected a file", path);
  }
  unsigned char magic[4] = {};
  // A pipe cannot be looked at twice: it is taken as plain text.
  const ssize_t n = ::pread(fd, magic, sizeof(magic), 0);
  const auto size = static_cast<uint64_t>(about.st_size);
  if (n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b) return unpacked(path, fd, Packing::kGzip, size);
  if (n == 4 && std::memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0) return unpacked(path, fd, Packing::kZstd, size);
  if (path.ends_with(".gz") || path.ends_with(".zst")) {
    ::close(fd);
    return Err("{}: the name says {}, the first bytes do not: damaged, empty or misnamed", path,
               path.ends_with(".gz") ? "gzip" : "Zstandard");
  }
  return std::unique_ptr<ByteSource>(std::make_unique<PlainSource>(path, fd));
}

Status for_each_line(const std::string& path, const std::function<Status(int64_t, std::string_view)>& f) {
  TRY(auto source, open_bytes(path));
  int64_t number = 0;
  const auto give = [&](std::string_view line) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (++number == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);  // a byte order mark
    return f(number, line);
  };
  auto chunk = std::make_unique<char[]>(kChunk);
  std::string begun;  // the part of a line that earlier chunks brought
  while (true) {
    TRY(const size_t n, source->read(chunk.get(), kChunk));
    if (n == 0) break;
    std::string_view rest(chunk.get(), n);
    for (size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
      if (begun.empty()) {
        TRY_STATUS(give(rest.substr(0, end)));
      } else {
        begun.append(rest.substr(0, end));
        TRY_STATUS(give(begun));
        begun.clear();
      }
    }
    begun.append(rest);
    if (begun.size() > kLongestLine)
      return Err("{}: line {}: longer than {} MiB: is this a text file?", path, number + 1, kLongestLine >> 20);
  }
  return begun.empty() ? Status() : give(begun);
}

}  // namespace loquat
