// For tests of OpenID Connect: a provider's keys, and tokens that they sign.
#pragma once

#include <cjose/cjose.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "people/secrets.h"

namespace loquat::people {

class TestKey {
 public:
  // "RS256" or "ES256".
  explicit TestKey(std::string algorithm, std::string id) : algorithm_(std::move(algorithm)), id_(std::move(id)) {
    cjose_err error;
    static constexpr uint8_t kExponent[] = {1, 0, 1};
    key_ = algorithm_ == "RS256" ? cjose_jwk_create_RSA_random(2048, kExponent, sizeof(kExponent), &error)
                                 : cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &error);
    EXPECT_NE(key_, nullptr);
    EXPECT_TRUE(cjose_jwk_set_kid(key_, id_.data(), id_.size(), &error));
  }
  // A secret that both sides know (HS256).
  static std::string sign_with_secret(const std::string& secret, const nlohmann::json& claims, const std::string& id) {
    cjose_err error;
    cjose_jwk_t* key =
        cjose_jwk_create_oct_spec(reinterpret_cast<const uint8_t*>(secret.data()), secret.size(), &error);
    const std::string token = sign(key, "HS256", id, claims);
    cjose_jwk_release(key);
    return token;
  }
  static std::string unsigned_token(const nlohmann::json& header, const nlohmann::json& claims) {
    return base64url(header.dump()) + "." + base64url(claims.dump()) + ".";
  }
  TestKey(const TestKey&) = delete;
  TestKey& operator=(const TestKey&) = delete;
  ~TestKey() { cjose_jwk_release(key_); }

  std::string sign(const nlohmann::json& claims) const { return sign(key_, algorithm_, id_, claims); }
  nlohmann::json public_part() const {
    cjose_err error;
    char* text = cjose_jwk_to_json(key_, false, &error);
    nlohmann::json out = nlohmann::json::parse(text);
    cjose_get_dealloc()(text);
    out["use"] = "sig";
    out["alg"] = algorithm_;
    return out;
  }

 private:
  static std::string sign(cjose_jwk_t* key, const std::string& algorithm, const std::string& id,
                          const nlohmann::json& claims) {
    cjose_err error;
    cjose_header_t* header = cjose_header_new(&error);
    cjose_header_set(header, CJOSE_HDR_ALG, algorithm.c_str(), &error);
    cjose_header_set(header, CJOSE_HDR_KID, id.c_str(), &error);
    const std::string text = claims.dump();
    cjose_jws_t* token =
        cjose_jws_sign(key, header, reinterpret_cast<const uint8_t*>(text.data()), text.size(), &error);
    const char* out = nullptr;
    EXPECT_TRUE(token != nullptr && cjose_jws_export(token, &out, &error)) << error.message;
    const std::string result = out == nullptr ? "" : out;
    cjose_jws_release(token);
    cjose_header_release(header);
    return result;
  }

  std::string algorithm_, id_;
  cjose_jwk_t* key_ = nullptr;
};

}  // namespace loquat::people
