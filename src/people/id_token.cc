#include "people/id_token.h"

#include <cjose/cjose.h>

#include <algorithm>
#include <memory>

#include "people/secrets.h"

namespace loquat::people {
namespace {

using nlohmann::json;

constexpr int64_t kClockSkew = 60;
constexpr size_t kLongestToken = 64 << 10;

struct Ends {
  void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
  void operator()(cjose_jws_t* token) const { cjose_jws_release(token); }
};
using Key = std::unique_ptr<cjose_jwk_t, Ends>;
using Token = std::unique_ptr<cjose_jws_t, Ends>;

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<json> header_of(const std::string& token) {
  const std::string head = token.substr(0, std::min(token.find('.'), token.size()));
  std::string bytes;
  if (token.size() > kLongestToken || std::count(token.begin(), token.end(), '.') != 2 ||
      !from_base64url(head, &bytes)) {
    return Err("the ID token is no signed token");
  }
  json header = json::parse(bytes, nullptr, false);
  if (!header.is_object()) return Err("the ID token's header is no JSON object");
  return header;
}

bool fits(const json& key, const std::string& algorithm, const std::string& id) {
  if (!key.is_object() || (!id.empty() && text_of(key, "kid") != id)) return false;
  if (key.contains("use") && text_of(key, "use") != "sig") return false;
  if (key.contains("alg") && text_of(key, "alg") != algorithm) return false;
  const std::string type = text_of(key, "kty");
  return algorithm == "RS256" ? type == "RSA" : type == "EC" && text_of(key, "crv") == "P-256";
}

// Only the public part goes to libcjose, whatever else the provider publishes.
Key import(const json& key) {
  json public_part;
  for (const char* name : {"kty", "kid", "n", "e", "crv", "x", "y"}) {
    if (key.contains(name)) public_part[name] = key[name];
  }
  const std::string text = public_part.dump(-1, ' ', false, json::error_handler_t::replace);
  cjose_err error;
  return Key(cjose_jwk_import(text.data(), text.size(), &error));
}

// What the token says, where one of the keys has signed it.
Result<json> verified(const std::string& token, const json& keys) {
  TRY(const json header, header_of(token));
  const std::string algorithm = text_of(header, "alg"), id = text_of(header, "kid");
  if (algorithm != "RS256" && algorithm != "ES256")
    return Err("the ID token is signed with '{}'; expected RS256 or ES256", algorithm.substr(0, 20));
  if (header.contains("crit")) return Err("the ID token's header asks for what is not known here (crit)");
  const auto found = keys.find("keys");
  if (found == keys.end() || !found->is_array()) return Err("the provider's key set has no keys");
  for (const json& key : *found) {
    if (!fits(key, algorithm, id)) continue;
    const Key imported = import(key);
    cjose_err error;
    const Token parsed(cjose_jws_import(token.data(), token.size(), &error));
    uint8_t* bytes = nullptr;
    size_t count = 0;
    if (!imported || !parsed || !cjose_jws_verify(parsed.get(), imported.get(), &error) ||
        !cjose_jws_get_plaintext(parsed.get(), &bytes, &count, &error)) {
      continue;
    }
    json claims = json::parse(bytes, bytes + count, nullptr, false);
    if (!claims.is_object()) return Err("the ID token's claims are no JSON object");
    return claims;
  }
  return Err("the ID token's signature is not that of a key of the provider");
}

Status check_audience(const json& claims, const std::string& client_id) {
  const json audience = claims.value("aud", json());
  const bool many = audience.is_array();
  const bool named = many ? std::find(audience.begin(), audience.end(), json(client_id)) != audience.end()
                          : audience == json(client_id);
  if (!named) return Err("the ID token is for another client (aud)");
  const bool has_party = claims.contains("azp");
  if ((many && audience.size() > 1 && !has_party) || (has_party && claims["azp"] != json(client_id)))
    return Err("the ID token was made for another client (azp)");
  return {};
}

Status check_times(const json& claims, int64_t now) {
  const auto time = [&](const char* name) -> std::optional<double> {
    const auto found = claims.find(name);
    if (found == claims.end() || !found->is_number()) return std::nullopt;
    return found->get<double>();
  };
  const auto expires = time("exp"), issued = time("iat"), begins = time("nbf");
  const double early = static_cast<double>(now - kClockSkew), late = static_cast<double>(now + kClockSkew);
  if (!expires || !(*expires > early)) return Err("the ID token has expired (exp)");
  if (!issued || !(*issued < late)) return Err("the ID token is of the future (iat)");
  if (begins && !(*begins < late)) return Err("the ID token is of the future (nbf)");
  return {};
}

}  // namespace

Result<std::string> key_of_token(const std::string& token) {
  TRY(const json header, header_of(token));
  return text_of(header, "kid");
}

bool has_key(const json& keys, const std::string& id) {
  const auto found = keys.find("keys");
  if (found == keys.end() || !found->is_array()) return false;
  return std::any_of(found->begin(), found->end(),
                     [&](const json& key) { return key.is_object() && (id.empty() || text_of(key, "kid") == id); });
}

Result<json> check_id_token(const std::string& token, const json& keys, const IdTokenWanted& wanted) {
  TRY(json claims, verified(token, keys));
  if (claims.value("iss", json()) != json(wanted.issuer)) return Err("the ID token is another provider's (iss)");
  TRY_STATUS(check_audience(claims, wanted.client_id));
  TRY_STATUS(check_times(claims, wanted.now));
  if (wanted.nonce.empty() || !same_text(text_of(claims, "nonce"), wanted.nonce))
    return Err("the ID token is of another sign-in (nonce)");
  const std::string subject = text_of(claims, "sub");
  if (subject.empty() || subject.size() > 255) return Err("the ID token names nobody (sub)");
  return claims;
}

}  // namespace loquat::people
