// The ID token of OpenID Connect: a JSON Web Token that the provider signed for this client and this sign-in (OpenID
// Connect Core 1.0, 3.1.3.7). RS256 and ES256 alone; "none" and keys of another kind are refused before any check of a
// signature.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace loquat::people {

struct IdTokenWanted {
  std::string issuer, client_id, nonce;
  int64_t now = 0;  // seconds since 1970
};

// The token's claims, all of which have been checked. `keys`: the provider's key set (JWKS).
Result<nlohmann::json> check_id_token(const std::string& token, const nlohmann::json& keys,
                                      const IdTokenWanted& wanted);
// The id of the key that the token names; "": none. An error where it is no token.
Result<std::string> key_of_token(const std::string& token);
// Whether the set has a key of that id ("": any key).
bool has_key(const nlohmann::json& keys, const std::string& id);

}  // namespace loquat::people
