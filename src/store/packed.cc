// Unpacking by zlib and libzstd (packed.h).
#include "store/packed.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>

namespace loquat {
namespace {

constexpr size_t kChunk = 256 << 10;
// Text packs to a tenth, rows of a machine to a hundredth. What grows far beyond that is made to fill memory or disks.
constexpr uint64_t kMostGrowth = 500;
constexpr uint64_t kGrowthAllowed = uint64_t{256} << 20;

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

Result<std::unique_ptr<ByteSource>> unpacked(const std::string& path, int fd, Packing packing, uint64_t size) {
  std::unique_ptr<ByteSource> source;
  if (packing == Packing::kGzip) {
    source = std::make_unique<GzipSource>(path, fd);
  } else {
    source = std::make_unique<ZstdSource>(path, fd);
  }
  return std::unique_ptr<ByteSource>(std::make_unique<BoundedSource>(path, std::move(source), size));
}

}  // namespace loquat
