#include "app/remote_address.h"

#include <curl/curl.h>

#include <memory>

#include "base/check.h"
#include "http/address.h"

namespace loquat::app {
namespace {

std::vector<http::Cidr> blocks(std::initializer_list<const char*> texts) {
  std::vector<http::Cidr> out;
  for (const char* text : texts) {
    auto block = http::Cidr::parse(text);
    CHECK(block.ok(), "{}", text);
    out.push_back(*std::move(block));
  }
  return out;
}

}  // namespace

bool may_call(const std::string& address, bool allow_private) {
  // This network, link-local, multicast, reserved; and IPv6 that leads to IPv4 by a gateway.
  static const auto kNever =
      blocks({"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "fe80::/10", "fec0::/10", "ff00::/8",
              "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/23", "fd00:ec2::254/128"});
  static const auto kPrivate =
      blocks({"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
              "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "::1/128", "fc00::/7"});
  static const auto kPublic = blocks({"0.0.0.0/0", "2000::/3"});
  if (http::plain_address(address).empty() || http::any_contains(kNever, address)) return false;
  if (http::any_contains(kPrivate, address)) return allow_private;
  return http::any_contains(kPublic, address);
}

Result<std::string> read_base_url(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  const Error wrong = Err("'url' must be like https://example.org/v1, without user, query or fragment.");
  const bool plain = url.size() <= 1000 && url.find_first_of(" \t\r\n\\") == std::string::npos;
  if (!plain || !parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return wrong;
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    const bool there = curl_url_get(parsed.get(), which, &text, 0) == CURLUE_OK;
    std::string out = there ? text : "";
    curl_free(text);
    return out;
  };
  const std::string scheme = part(CURLUPART_SCHEME);
  if ((scheme != "http" && scheme != "https") || part(CURLUPART_HOST).empty()) return wrong;
  for (const CURLUPart which : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    if (!part(which).empty()) return wrong;
  }
  if (url.find_first_of("?#@") != std::string::npos) return wrong;
  std::string out = part(CURLUPART_URL);
  while (out.ends_with('/')) out.pop_back();
  return out;
}

}  // namespace loquat::app
