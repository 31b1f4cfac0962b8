// Whole files: reading, mapping, and writing through a temporary that becomes the file in one rename.
#include "store/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace loquat {
namespace {

constexpr size_t kBufferSize = 256 << 10;

Error system_error(const std::string& path, const char* doing, int error) {
  const char* remedy = "";
  if (error == ENOSPC || error == EDQUOT) remedy = " (free some space and run the same command again)";
  if (error == EFBIG) remedy = " (the limit of the file system or of `ulimit -f`)";
  return Err("{}: cannot {}: {}{}", path, doing, std::strerror(error), remedy);
}

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".tmp-" + path;
  return path.substr(0, slash + 1) + ".tmp-" + path.substr(slash + 1);
}

Status write_all(int fd, const std::string& path, const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = ::write(fd, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(path, "write", errno);
    data += n;
    bytes -= static_cast<size_t>(n);
  }
  return {};
}

// The temporary, locked and empty. One name per target, so that what a killed run left is used again; the lock keeps
// two writers of one target apart, and the comparison of inodes sees that the temporary was not renamed away while
// waiting.
Result<Descriptor> open_temporary(const std::string& path, const std::string& temporary) {
  while (true) {
    Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (fd.get() < 0) return system_error(path, "create", errno);
    while (::flock(fd.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
    struct stat held, named;
    if (::fstat(fd.get(), &held) != 0) return system_error(path, "create", errno);
    if (::stat(temporary.c_str(), &named) != 0 || held.st_ino != named.st_ino || held.st_dev != named.st_dev) continue;
    if (::ftruncate(fd.get(), 0) != 0) return system_error(path, "create", errno);
    return fd;
  }
}

Status sync_folder(const std::string& path) {
  Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems refuse to sync a folder (EINVAL); the rename itself has succeeded then.
  if (folder.get() >= 0 && ::fsync(folder.get()) != 0 && errno != EINVAL && errno != ENOTSUP)
    return system_error(path, "sync the folder of", errno);
  return {};
}

}  // namespace

struct AtomicFile::Impl {
  std::string path;
  std::string temporary;  // empty: written straight to a device or pipe
  Descriptor fd;
  std::string buffer;
  bool committed = false;

  Status flush() {
    TRY_STATUS(write_all(fd.get(), path, buffer.data(), buffer.size()));
    buffer.clear();
    return {};
  }
};

Result<AtomicFile> AtomicFile::open(const std::string& path) {
  AtomicFile file;
  file.impl_ = std::make_unique<Impl>();
  Impl& impl = *file.impl_;
  impl.path = path;
  impl.buffer.reserve(kBufferSize);
  if (path.empty() || path.back() == '/') return Err("'{}': cannot create: the file has no name", path);
  struct stat info;
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) return Err("{}: cannot create: it is a folder", path);
  if (exists && !S_ISREG(info.st_mode)) {
    impl.fd = Descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (impl.fd.get() < 0) return system_error(path, "open", errno);
    return file;
  }
  const std::string temporary = temporary_of(path);
  TRY(impl.fd, open_temporary(path, temporary));
  impl.temporary = temporary;
  return file;
}

AtomicFile::AtomicFile(AtomicFile&&) noexcept = default;

AtomicFile::~AtomicFile() {
  if (impl_ && !impl_->committed && !impl_->temporary.empty()) ::unlink(impl_->temporary.c_str());
}

Status AtomicFile::write(const void* data, size_t bytes) {
  CHECK(!impl_->committed, "write to {} after its commit", impl_->path);
  if (impl_->buffer.size() + bytes > kBufferSize) TRY_STATUS(impl_->flush());
  const char* p = static_cast<const char*>(data);
  if (bytes >= kBufferSize) return write_all(impl_->fd.get(), impl_->path, p, bytes);
  impl_->buffer.append(p, bytes);
  return {};
}

Status AtomicFile::commit(Durability durability) {
  Impl& impl = *impl_;
  CHECK(!impl.committed, "second commit of {}", impl.path);
  TRY_STATUS(impl.flush());
  if (impl.temporary.empty()) {
    impl.committed = true;
    return {};
  }
  const bool synced = durability == Durability::kSynced;
  if (synced && ::fsync(impl.fd.get()) != 0) return system_error(impl.path, "sync", errno);
  if (::rename(impl.temporary.c_str(), impl.path.c_str()) != 0) return system_error(impl.path, "rename to", errno);
  impl.committed = true;
  impl.fd.reset();
  return synced ? sync_folder(impl.path) : Status();
}

Result<std::string> read_file(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return system_error(path, "read", errno);
  struct stat info;
  std::string bytes;
  if (::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode)) bytes.reserve(static_cast<size_t>(info.st_size) + 1);
  while (true) {
    const size_t have = bytes.size();
    bytes.resize(std::max(bytes.capacity(), have + kBufferSize));
    const ssize_t n = ::read(fd.get(), bytes.data() + have, bytes.size() - have);
    bytes.resize(have + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(path, "read", errno);
    if (n == 0) return bytes;
  }
}

Status write_file(const std::string& path, std::string_view bytes, Durability durability) {
  TRY(AtomicFile file, AtomicFile::open(path));
  TRY_STATUS(file.write(bytes.data(), bytes.size()));
  return file.commit(durability);
}

Status make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Err("{}: cannot create the folder: {}", path, error.message());
  if (!std::filesystem::is_directory(path, error))
    return Err("{}: cannot create the folder: a file has this name", path);
  return {};
}

bool file_exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return system_error(path, "read", errno);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return system_error(path, "read", errno);
  if (!S_ISREG(info.st_mode)) return Err("{}: cannot read: it is not a file", path);
  MappedFile file;
  file.size_ = static_cast<size_t>(info.st_size);
  if (file.size_ == 0) return file;
  void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) {
    file.size_ = 0;
    return system_error(path, "map", errno);
  }
  file.data_ = static_cast<const uint8_t*>(data);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    if (data_) ::munmap(const_cast<uint8_t*>(data_), size_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<uint8_t*>(data_), size_);
}

bool is_utf8(std::string_view bytes, size_t* at) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const size_t n = bytes.size();
  const auto tail = [&](size_t i) { return i < n && (p[i] & 0xc0) == 0x80; };
  for (size_t i = 0; i < n;) {
    size_t length = 0;
    const unsigned char c = p[i];
    if (c < 0x80) {
      length = 1;
    } else if (c >= 0xc2 && c <= 0xdf && tail(i + 1)) {
      length = 2;
    } else if (c >= 0xe0 && c <= 0xef && tail(i + 1) && tail(i + 2)) {
      const bool overlong = c == 0xe0 && p[i + 1] < 0xa0;
      const bool surrogate = c == 0xed && p[i + 1] > 0x9f;
      length = overlong || surrogate ? 0 : 3;
    } else if (c >= 0xf0 && c <= 0xf4 && tail(i + 1) && tail(i + 2) && tail(i + 3)) {
      const bool overlong = c == 0xf0 && p[i + 1] < 0x90;
      const bool beyond = c == 0xf4 && p[i + 1] > 0x8f;
      length = overlong || beyond ? 0 : 4;
    }
    if (length == 0) {
      if (at) *at = i;
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace loquat
