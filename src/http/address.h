// Addresses of the other end, as text without a port, and blocks of them ("10.0.0.0/8", "fd00::/8") for proxies that
// are trusted to say whom they speak for.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::http {

// "::ffff:10.0.0.1", "[::1]:80", "10.0.0.1:80" -> "10.0.0.1", "::1", "10.0.0.1"; "" for what is no address.
std::string plain_address(std::string_view text);

class Cidr {
 public:
  static Result<Cidr> parse(const std::string& text);  // a block, or one address
  bool contains(const std::string& address) const;

 private:
  std::array<uint8_t, 16> prefix_{};  // IPv4 as ::ffff:a.b.c.d
  int bits_ = 128;
};

bool any_contains(const std::vector<Cidr>& blocks, const std::string& address);

// Whom a trusted proxy at `peer` speaks for: the last address of X-Forwarded-For that is not a trusted proxy's. An
// entry that is no address ends the search: nothing before it can be believed.
std::string forwarded_peer(const std::vector<Cidr>& trusted, const std::string& peer, std::string_view forwarded_for);

}  // namespace loquat::http
