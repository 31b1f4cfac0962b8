#include "people/passwords.h"

#include <sodium.h>

#include <semaphore>

#include "base/check.h"
#include "people/secrets.h"
#include "people/words.h"

namespace loquat::people {
namespace {

constexpr size_t kLeast = 10, kMost = 256;

// Of the process, however many servers it has.
std::counting_semaphore<Passwords::kAtOnce>& computing() {
  static std::counting_semaphore<Passwords::kAtOnce> semaphore(Passwords::kAtOnce);
  return semaphore;
}

class Turn {
 public:
  Turn() { computing().acquire(); }
  ~Turn() { computing().release(); }
};

std::string random_base64(size_t bytes) {  // the standard alphabet without padding, as hashes have it
  std::string random(bytes, '\0');
  randombytes_buf(random.data(), bytes);
  std::string out(sodium_base64_encoded_len(bytes, sodium_base64_VARIANT_ORIGINAL_NO_PADDING), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(random.data()), bytes,
                    sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
  out.pop_back();
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

}  // namespace

Status check_password(std::string_view password, std::string_view email) {
  if (!is_utf8(password)) return Err("A password is text.");
  const size_t length = characters(password);
  if (length < kLeast) return Err("A password has at least {} characters.", kLeast);
  if (length > kMost) return Err("A password has at most {} characters.", kMost);
  if (lower_case(password) == lower_case(email)) return Err("The password may not be the e-mail address.");
  return {};
}

Passwords::Passwords(PasswordCost cost, size_t waiting) : cost_(cost), jobs_(kAtOnce, waiting) {
  CHECK(sodium_init() >= 0, "the system gives no random numbers");
  nobodys_ = fmt::format("$argon2id$v=19$m={},t={},p=1${}${}", cost.bytes / 1024, cost.passes, random_base64(16),
                         random_base64(32));
}

Result<std::string> Passwords::hash(const std::string& password) const {
  const Turn turn;
  char out[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str_alg(out, password.data(), password.size(), cost_.passes, cost_.bytes,
                            crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return Err("there is not enough memory for a password");
  }
  return std::string(out);
}

bool Passwords::verify(const std::string& stored, const std::string& password) const {
  const Turn turn;
  const std::string& hash = stored.empty() ? nobodys_ : stored;
  char text[crypto_pwhash_STRBYTES] = {};  // libsodium reads all of it
  hash.copy(text, sizeof(text) - 1);
  return crypto_pwhash_str_verify(text, password.data(), password.size()) == 0 && !stored.empty();
}

}  // namespace loquat::people
