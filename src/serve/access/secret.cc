#include "serve/access/secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace loquat::serve {
namespace {

constexpr size_t kHexDigits = 64;

std::optional<KeySecret> parse_secret(std::string_view text) {
  KeySecret secret;
  size_t length = 0;
  const char* end = nullptr;
  const bool good =
      text.size() == kHexDigits &&
      sodium_hex2bin(secret.data(), secret.size(), text.data(), text.size(), nullptr, &length, &end) == 0 &&
      length == secret.size() && end == text.data() + text.size();
  return good ? std::optional(secret) : std::nullopt;
}

// nullopt: there is no such file.
Result<std::optional<KeySecret>> read_secret(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0 && errno == ENOENT) return std::optional<KeySecret>();
  if (file < 0) return Err("{}: cannot read the server's secret: {}", path, std::strerror(errno));
  struct stat info {};
  char text[kHexDigits + 2];
  const bool known = ::fstat(file, &info) == 0;
  const ssize_t length = ::read(file, text, sizeof(text));
  ::close(file);
  if (known && (info.st_mode & 077) != 0)
    return Err("{}: others may read the server's secret; set its mode to 0600", path);
  const auto secret =
      length == kHexDigits + 1 && text[kHexDigits] == '\n' ? parse_secret({text, kHexDigits}) : std::nullopt;
  sodium_memzero(text, sizeof(text));
  if (!known || !secret)
    return Err("{}: not a server's secret; expected {} hex digits and a line's end", path, kHexDigits);
  return secret;
}

// Whole or not there; of two programs that make it at once one wins, and both read that one's.
Status make_secret(const std::string& path) {
  KeySecret secret;
  randombytes_buf(secret.data(), secret.size());
  char text[kHexDigits + 1];
  sodium_bin2hex(text, sizeof(text), secret.data(), secret.size());
  text[kHexDigits] = '\n';
  const std::string temporary =
      path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(randombytes_random());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return Err("{}: cannot write the server's secret: {}", path, std::strerror(errno));
  errno = 0;
  const bool written = ::write(file, text, sizeof(text)) == static_cast<ssize_t>(sizeof(text)) && ::fsync(file) == 0;
  bool made = ::close(file) == 0 && written && (::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int reason = errno;
  ::unlink(temporary.c_str());
  sodium_memzero(text, sizeof(text));
  if (!made) return Err("{}: cannot write the server's secret: {}", path, std::strerror(reason));
  return {};
}

}  // namespace

Result<std::optional<KeySecret>> find_key_secret(const database::Database& database, bool make) {
  if (sodium_init() < 0) return Err("the system gives no random numbers");
  if (const char* given = std::getenv("LOQUAT_KEY_SECRET"); given != nullptr && *given != '\0') {
    const auto secret = parse_secret(given);
    if (!secret) return Err("$LOQUAT_KEY_SECRET: expected {} hex digits (openssl rand -hex 32)", kHexDigits);
    return secret;
  }
  if (!database.is_file()) return std::optional<KeySecret>();
  const std::string path = database.name() + ".secret";
  TRY(auto secret, read_secret(path));
  for (int tries = 0; tries < 2 && !secret && make; ++tries) {
    TRY_STATUS(make_secret(path));
    TRY(secret, read_secret(path));
  }
  if (!secret && make) return Err("{}: the server's secret vanished", path);
  return secret;
}

Result<KeySecret> load_key_secret(const database::Database& database) {
  TRY(const auto secret, find_key_secret(database, true));
  if (secret) return *secret;
  return Err(
      "{}: set $LOQUAT_KEY_SECRET to {} hex digits (openssl rand -hex 32), the same on every server that shares "
      "this database",
      database.name(), kHexDigits);
}

}  // namespace loquat::serve
