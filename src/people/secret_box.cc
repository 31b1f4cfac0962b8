#include "people/secret_box.h"

#include <sodium.h>

#include "base/check.h"
#include "people/secrets.h"

namespace loquat::people {
namespace {

constexpr std::string_view kMark = "sealed1.";
constexpr size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

// A key of its own: the secret does other work too.
SecretBox::SecretBox(std::span<const unsigned char, 32> secret)
    : key_(crypto_aead_xchacha20poly1305_ietf_KEYBYTES, '\0') {
  CHECK(sodium_init() >= 0, "the system gives no random numbers");
  constexpr std::string_view kUse = "loquat: sealed texts";
  crypto_generichash(bytes_of(key_), key_.size(), bytes_of(kUse), kUse.size(), secret.data(), secret.size());
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

}  // namespace loquat::people
