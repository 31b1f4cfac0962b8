#include "http/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace loquat::http {
namespace {

using Bytes = std::array<uint8_t, 16>;
constexpr Bytes kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct Parsed {
  Bytes bytes;
  bool four;
};

std::optional<Parsed> parse_bytes(const std::string& text) {
  Parsed out{kMapped, true};
  if (::inet_pton(AF_INET, text.c_str(), out.bytes.data() + 12) == 1) return out;
  if (::inet_pton(AF_INET6, text.c_str(), out.bytes.data()) != 1) return std::nullopt;
  out.four = std::memcmp(out.bytes.data(), kMapped.data(), 12) == 0;
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string plain_address(std::string_view text) {
  text = trim(text);
  if (text.starts_with('[')) {
    text = text.substr(1, text.find(']') == std::string_view::npos ? 0 : text.find(']') - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  if (const size_t zone = text.find('%'); zone != std::string_view::npos) text = text.substr(0, zone);
  const auto parsed = parse_bytes(std::string(text));
  if (!parsed) return "";
  char out[INET6_ADDRSTRLEN];
  const void* bytes = parsed->four ? parsed->bytes.data() + 12 : parsed->bytes.data();
  return ::inet_ntop(parsed->four ? AF_INET : AF_INET6, bytes, out, sizeof(out)) ? out : "";
}

Result<Cidr> Cidr::parse(const std::string& text) {
  const size_t slash = text.find('/');
  const auto parsed = parse_bytes(text.substr(0, slash));
  const auto wrong = [&] {
    return Err("'{}' is no block of addresses; expected one like 10.0.0.0/8, 192.0.2.7 or fd00::/8", text);
  };
  if (!parsed) return wrong();
  Cidr out;
  out.prefix_ = parsed->bytes;
  const bool four = parsed->four && text.find(':') == std::string::npos;
  if (slash != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data() + slash + 1, end, out.bits_);
    if (error != std::errc() || last != end || out.bits_ < 0 || out.bits_ > (four ? 32 : 128)) return wrong();
    if (four) out.bits_ += 96;
  }
  return out;
}

bool Cidr::contains(const std::string& address) const {
  const auto parsed = parse_bytes(address);
  if (!parsed) return false;
  const auto whole = static_cast<size_t>(bits_ / 8);
  if (std::memcmp(parsed->bytes.data(), prefix_.data(), whole) != 0) return false;
  const int rest = bits_ % 8;
  return rest == 0 || ((parsed->bytes[whole] ^ prefix_[whole]) >> (8 - rest)) == 0;
}

bool any_contains(const std::vector<Cidr>& blocks, const std::string& address) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Cidr& block) { return block.contains(address); });
}

std::string forwarded_peer(const std::vector<Cidr>& trusted, const std::string& peer, std::string_view forwarded_for) {
  std::string found = peer;
  while (any_contains(trusted, found) && !forwarded_for.empty()) {
    const size_t comma = forwarded_for.rfind(',');
    const size_t begin = comma == std::string_view::npos ? 0 : comma + 1;
    const std::string address = plain_address(forwarded_for.substr(begin));
    if (address.empty()) break;
    found = address;
    forwarded_for = forwarded_for.substr(0, comma == std::string_view::npos ? 0 : comma);
  }
  return found;
}

}  // namespace loquat::http
