#include "people/secret_box.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/check.h"
#include "people/secrets.h"

namespace loquat::people {
namespace {

constexpr std::string_view kMark = "sealed1.";
constexpr size_t kShortest = 32;
constexpr size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Result<SecretBox> SecretBox::of_secret(std::string_view secret) {
  CHECK(sodium_init() >= 0, "the system gives no random numbers");
  if (secret.size() < kShortest)
    return Err("the server's secret has {} characters; at least {} are needed", secret.size(), kShortest);
  std::string key(crypto_aead_xchacha20poly1305_ietf_KEYBYTES, '\0');
  crypto_generichash(bytes_of(key), key.size(), bytes_of(secret), secret.size(), nullptr, 0);
  return SecretBox(std::move(key));
}

std::string SecretBox::seal(std::string_view text, std::string_view purpose) const {
  std::string sealed(kNonce + text.size() + kTag, '\0');
  randombytes_buf(sealed.data(), kNonce);
  crypto_aead_xchacha20poly1305_ietf_encrypt(bytes_of(sealed) + kNonce, nullptr, bytes_of(text), text.size(),
                                             bytes_of(purpose), purpose.size(), nullptr, bytes_of(sealed),
                                             bytes_of(std::string_view(key_)));
  return std::string(kMark) + base64url(sealed);
}

std::optional<std::string> SecretBox::open(std::string_view sealed, std::string_view purpose) const {
  std::string bytes;
  if (!is_sealed(sealed) || !from_base64url(sealed.substr(kMark.size()), &bytes) || bytes.size() < kNonce + kTag)
    return std::nullopt;
  std::string text(bytes.size() - kNonce - kTag, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(bytes_of(text), nullptr, nullptr, bytes_of(bytes) + kNonce,
                                                 bytes.size() - kNonce, bytes_of(purpose), purpose.size(),
                                                 bytes_of(bytes), bytes_of(std::string_view(key_))) != 0)
    return std::nullopt;
  return text;
}

bool is_sealed(std::string_view text) {
  return text.starts_with(kMark);
}

Result<std::string> read_secret_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Err("{}: {}", path, std::strerror(errno));
  if ((info.st_mode & 077) != 0) return Err("{}: others than its owner can read this secret: chmod 600 {}", path, path);
  std::ifstream in(path);
  std::string secret;
  std::getline(in, secret);
  if (!secret.empty() && secret.back() == '\r') secret.pop_back();
  if (secret.size() < kShortest)
    return Err("{}: expected a secret of at least {} characters in its first line", path, kShortest);
  return secret;
}

Result<std::string> read_or_make_secret_file(const std::string& path) {
  // Made under another name and then linked: who finds it finds it whole, also where two servers start at once.
  const std::string temporary = path + "." + random_id();
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    if (::access(path.c_str(), F_OK) == 0) return read_secret_file(path);
    return Err("{}: {}", path, std::strerror(errno));
  }
  const std::string line = random_token() + "\n";
  const bool written =
      ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(file) == 0;
  ::close(file);
  const bool linked = written && (::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const std::string why = std::strerror(errno);
  ::unlink(temporary.c_str());
  if (!linked) return Err("{}: it cannot be written: {}", path, why);
  return read_secret_file(path);
}

}  // namespace loquat::people
