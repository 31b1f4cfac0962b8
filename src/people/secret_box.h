// Texts that a database keeps but must not tell: sealed (libsodium's XChaCha20-Poly1305) with a secret that lies beside
// the database or is given, never in it. What is sealed belongs to a purpose, so that it cannot be moved to another
// row.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat::people {

class SecretBox {
 public:
  // Of a secret of at least 32 characters.
  static Result<SecretBox> of_secret(std::string_view secret);
  std::string seal(std::string_view text, std::string_view purpose) const;  // "sealed1.…"
  // Nothing: another secret or another purpose, or it was changed.
  std::optional<std::string> open(std::string_view sealed, std::string_view purpose) const;

 private:
  explicit SecretBox(std::string key) : key_(std::move(key)) {}
  std::string key_;
};

bool is_sealed(std::string_view text);

// The first line of a file that its owner alone can read. Error: there is none, others can read it, it is too short.
Result<std::string> read_secret_file(const std::string& path);
// The same; where there is no such file it is made, of mode 0600, with a random secret.
Result<std::string> read_or_make_secret_file(const std::string& path);

}  // namespace loquat::people
