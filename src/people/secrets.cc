#include "people/secrets.h"

#include <sodium.h>

#include "base/check.h"

namespace loquat::people {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string random_bytes(size_t count) {
  CHECK(sodium_init() >= 0, "the system gives no random numbers");
  std::string bytes(count, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

std::string blake2b(std::string_view text, std::string_view key) {
  std::string out(32, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(out.data()), out.size(), bytes_of(text), text.size(),
                     key.empty() ? nullptr : bytes_of(key), key.size());
  return out;
}

}  // namespace

std::string base64url(std::string_view bytes) {
  std::string out(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING), '\0');
  sodium_bin2base64(out.data(), out.size(), bytes_of(bytes), bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  out.pop_back();  // its NUL
  return out;
}

bool from_base64url(std::string_view text, std::string* bytes) {
  bytes->resize(text.size());
  size_t used = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes->data()), bytes->size(), text.data(), text.size(),
                        nullptr, &used, &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
      end != text.data() + text.size()) {
    return false;
  }
  bytes->resize(used);
  return true;
}

std::string random_token() {
  return base64url(random_bytes(32));
}

std::string random_id() {
  std::string id;
  do {
    id = base64url(random_bytes(16));
  } while (id.front() == '-');
  return id;
}

std::string token_hash(std::string_view token) {
  const std::string hash = blake2b(token, "");
  std::string out(2 * hash.size() + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), bytes_of(hash), hash.size());
  out.pop_back();
  return out;
}

bool looks_like_token(std::string_view text) {
  return text.size() == 43 &&
         text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
             std::string_view::npos;
}

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string derived_token(std::string_view token, std::string_view purpose) {
  return base64url(blake2b(purpose, token.substr(0, crypto_generichash_KEYBYTES_MAX)));
}

std::string pkce_challenge(std::string_view verifier) {
  std::string hash(crypto_hash_sha256_BYTES, '\0');
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(hash.data()), bytes_of(verifier), verifier.size());
  return base64url(hash);
}

}  // namespace loquat::people
