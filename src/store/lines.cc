// Files as bytes and as lines, plain or packed by gzip or Zstandard. What a file is, its first bytes say; the name
// is only used to say what is wrong.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "store/bytes.h"
#include "store/files.h"

namespace loquat {
namespace {

constexpr size_t kChunk = 256 << 10;
constexpr size_t kLongestLine = size_t{256} << 20;
// Text packs to a tenth, rows of a machine to a hundredth. What grows far beyond that is made to fill memory or disks.
constexpr uint64_t kMostGrowth = 500;
constexpr uint64_t kGrowthAllowed = uint64_t{256} << 20;

class PlainSource : public ByteSource {
 public:
  PlainSource(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PlainSource() override { ::close(fd_); }
  Result<size_t> read(char* out, size_t size) override {
    while (true) {
      const ssize_t n = ::read(fd_, out, size);
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR) return Err("{}: cannot read: {}", path_, std::strerror(errno));
    }
  }

 private:
  std::string path_;
  int fd_;
};

class GzipSource : public ByteSource {
 public:
  GzipSource(std::string path, int fd) : path_(std::move(path)), file_(::gzdopen(fd, "rb")) {
    if (file_) {
      ::gzbuffer(file_, kChunk);
    } else {
      ::close(fd);
    }
  }
  ~GzipSource() override {
    if (file_) ::gzclose(file_);
  }
  Result<size_t> read(char* out, size_t size) override {
    if (!file_) return Err("{}: no memory for gzip", path_);
    const int n = ::gzread(file_, out, static_cast<unsigned>(size));
    int error = Z_OK;
    const char* message = ::gzerror(file_, &error);
    if (n < 0 || (n == 0 && error == Z_BUF_ERROR))
      return Err("{}: damaged or cut gzip data: {}", path_, error == Z_ERRNO ? std::strerror(errno) : message);
    return static_cast<size_t>(n);
  }

 private:
  std::string path_;
  gzFile file_;
};

class ZstdSource : public ByteSource {
 public:
  ZstdSource(std::string path, int fd) : path_(path), plain_(std::move(path), fd), stream_(::ZSTD_createDStream()) {
    ::ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, 27);  // 128 MiB: no file may ask for more memory than that
  }
  ~ZstdSource() override { ::ZSTD_freeDStream(stream_); }
  Result<size_t> read(char* out, size_t size) override {
    ZSTD_outBuffer to{out, size, 0};
    while (to.pos == 0) {
      if (in_.pos == in_.size) {
        TRY(const size_t n, plain_.read(packed_.get(), kChunk));
        if (n == 0) {
          if (!at_frame_end_) return Err("{}: cut Zstandard data: the file ends within a frame", path_);
          return size_t{0};
        }
        in_ = {packed_.get(), n, 0};
      }
      const size_t left = ::ZSTD_decompressStream(stream_, &to, &in_);
      if (::ZSTD_isError(left)) return Err("{}: damaged Zstandard data: {}", path_, ::ZSTD_getErrorName(left));
      at_frame_end_ = left == 0;
    }
    return to.pos;
  }

 private:
  std::string path_;
  PlainSource plain_;
  ZSTD_DStream* stream_;
  std::unique_ptr<char[]> packed_ = std::make_unique<char[]>(kChunk);
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool at_frame_end_ = false;
};

// A packed file, as far as it does not grow without measure.
class BoundedSource : public ByteSource {
 public:
  BoundedSource(std::string path, std::unique_ptr<ByteSource> source, uint64_t packed)
      : path_(std::move(path)), source_(std::move(source)), packed_(packed) {}
  Result<size_t> read(char* out, size_t size) override {
    TRY(const size_t n, source_->read(out, size));
    unpacked_ += n;
    if (unpacked_ > kGrowthAllowed && unpacked_ / kMostGrowth > packed_) {
      return Err("{}: unpacks to more than {} times its {} bytes: not taken for data; unpack it by hand if it is",
                 path_, kMostGrowth, packed_);
    }
    return n;
  }

 private:
  std::string path_;
  std::unique_ptr<ByteSource> source_;
  uint64_t packed_, unpacked_ = 0;
};

}  // namespace

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
  std::unique_ptr<ByteSource> source;
  const auto bounded = [&](std::unique_ptr<ByteSource> packed) {
    return std::make_unique<BoundedSource>(path, std::move(packed), static_cast<uint64_t>(about.st_size));
  };
  if (n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
    source = bounded(std::make_unique<GzipSource>(path, fd));
  } else if (n == 4 && std::memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0) {
    source = bounded(std::make_unique<ZstdSource>(path, fd));
  } else if (path.ends_with(".gz") || path.ends_with(".zst")) {
    ::close(fd);
    return Err("{}: the name says {}, the first bytes do not: damaged, empty or misnamed", path,
               path.ends_with(".gz") ? "gzip" : "Zstandard");
  } else {
    source = std::make_unique<PlainSource>(path, fd);
  }
  return source;
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
