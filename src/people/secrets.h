// Random text that cannot be guessed, and what is kept of it.
#pragma once

#include <string>
#include <string_view>

namespace loquat::people {

std::string random_token();  // 256 bits, 43 characters of base64url
// 128 bits but for a fraction, 22 characters of base64url; no hyphen first, which a command line takes for an option.
std::string random_id();
std::string token_hash(std::string_view token);          // 64 hex digits; tokens are random, so that no key is needed
bool looks_like_token(std::string_view text);            // of random_token's form
bool same_text(std::string_view a, std::string_view b);  // in a time that does not tell where they differ
// Text of 256 bits that belongs to `token` and `purpose`, and tells neither.
std::string derived_token(std::string_view token, std::string_view purpose);
std::string pkce_challenge(std::string_view verifier);  // RFC 7636's S256
std::string base64url(std::string_view bytes);
// False: it is not base64url without padding.
bool from_base64url(std::string_view text, std::string* bytes);

}  // namespace loquat::people
