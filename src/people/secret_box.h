// Texts that a database keeps but must not tell: sealed (libsodium's XChaCha20-Poly1305) with the server's secret,
// which is never in it. What is sealed belongs to a purpose, so that it cannot be moved to another row.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace loquat::people {

class SecretBox {
 public:
  explicit SecretBox(std::span<const unsigned char, 32> secret);
  std::string seal(std::string_view text, std::string_view purpose) const;  // "sealed1.…"
  // Nothing: another secret or another purpose, or it was changed.
  std::optional<std::string> open(std::string_view sealed, std::string_view purpose) const;

 private:
  std::string key_;
};

bool is_sealed(std::string_view text);

}  // namespace loquat::people
