// The ID token: what is let in, and each way in which one can be wrong.
#include "people/id_token.h"

#include <gmock/gmock.h>

#include "people/tokens_for_tests.h"

namespace loquat::people {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr int64_t kNow = 1'700'000'000;

class IdTokenTest : public testing::Test {
 protected:
  static const TestKey& rsa() {
    static const TestKey key("RS256", "r1");
    return key;
  }
  static const TestKey& ec() {
    static const TestKey key("ES256", "e1");
    return key;
  }
  static json keys() { return {{"keys", {rsa().public_part(), ec().public_part()}}}; }
  static json claims() {
    return {{"iss", "https://id.example.org"},
            {"sub", "1234"},
            {"aud", "loquat"},
            {"exp", kNow + 300},
            {"iat", kNow},
            {"nonce", "n"},
            {"email", "a@b.org"}};
  }
  static Result<json> check(const std::string& token) {
    return check_id_token(token, keys(), {"https://id.example.org", "loquat", "n", kNow});
  }
  static std::string why(const std::string& token) {
    const auto checked = check(token);
    return checked.ok() ? "it was let in" : checked.error();
  }
  static std::string why_with(const json& changes) {
    json changed = claims();
    changed.merge_patch(changes);
    return why(rsa().sign(changed));
  }
};

TEST_F(IdTokenTest, BothKindsOfKeys) {
  for (const TestKey* key : {&rsa(), &ec()}) {
    const auto checked = check(key->sign(claims()));
    ASSERT_TRUE(checked.ok()) << checked.error();
    EXPECT_EQ((*checked)["sub"], "1234");
  }
  json many = claims();
  many["aud"] = {"loquat", "other"};
  many["azp"] = "loquat";
  EXPECT_TRUE(check(rsa().sign(many)).ok());
  EXPECT_EQ(*key_of_token(ec().sign(claims())), "e1");
}

TEST_F(IdTokenTest, WrongClaims) {
  EXPECT_THAT(why_with({{"iss", "https://evil.example.org"}}), HasSubstr("(iss)"));
  EXPECT_THAT(why_with({{"iss", "https://id.example.org/"}}), HasSubstr("(iss)"));
  EXPECT_THAT(why_with({{"aud", "other"}}), HasSubstr("(aud)"));
  EXPECT_THAT(why_with({{"aud", {"other", "third"}}}), HasSubstr("(aud)"));
  EXPECT_THAT(why_with({{"aud", nullptr}}), HasSubstr("(aud)"));
  EXPECT_THAT(why_with({{"aud", {"loquat", "other"}}}), HasSubstr("(azp)"));
  EXPECT_THAT(why_with({{"azp", "other"}}), HasSubstr("(azp)"));
  EXPECT_THAT(why_with({{"exp", kNow - 61}}), HasSubstr("(exp)"));
  EXPECT_THAT(why_with({{"exp", nullptr}}), HasSubstr("(exp)"));
  EXPECT_THAT(why_with({{"exp", "9999999999"}}), HasSubstr("(exp)"));
  EXPECT_THAT(why_with({{"iat", kNow + 61}}), HasSubstr("(iat)"));
  EXPECT_THAT(why_with({{"nbf", kNow + 61}}), HasSubstr("(nbf)"));
  EXPECT_THAT(why_with({{"nonce", "m"}}), HasSubstr("(nonce)"));
  EXPECT_THAT(why_with({{"nonce", nullptr}}), HasSubstr("(nonce)"));
  EXPECT_THAT(why_with({{"nonce", 7}}), HasSubstr("(nonce)"));
  EXPECT_THAT(why_with({{"sub", ""}}), HasSubstr("(sub)"));
  EXPECT_THAT(why_with({{"sub", std::string(256, 'x')}}), HasSubstr("(sub)"));
}

TEST_F(IdTokenTest, WrongSignatures) {
  for (const char* none : {"none", "None", "NONE", ""})
    EXPECT_THAT(why(TestKey::unsigned_token({{"alg", none}, {"kid", "r1"}}, claims())), HasSubstr("RS256 or ES256"));
  // The public key is known to all, so that as a secret it proves nothing.
  for (const std::string& secret : {rsa().public_part().dump(), rsa().public_part()["n"].get<std::string>()})
    EXPECT_THAT(why(TestKey::sign_with_secret(secret, claims(), "r1")), HasSubstr("RS256 or ES256"));
  const TestKey stranger("RS256", "r1"), unknown("ES256", "e9");
  EXPECT_THAT(why(stranger.sign(claims())), HasSubstr("signature"));
  EXPECT_THAT(why(unknown.sign(claims())), HasSubstr("signature"));
  std::string changed = rsa().sign(claims());
  const std::string signature = changed.substr(changed.rfind('.'));
  json admin = claims();
  admin["sub"] = "1";
  EXPECT_THAT(why(changed.substr(0, changed.find('.') + 1) + base64url(admin.dump()) + signature),
              HasSubstr("signature"));
  EXPECT_THAT(why(changed.substr(0, changed.rfind('.') + 1)), HasSubstr("signature"));
  // A header that names the other kind of algorithm.
  EXPECT_THAT(why(base64url(R"({"alg":"ES256","kid":"r1"})") + changed.substr(changed.find('.'))),
              HasSubstr("signature"));
  EXPECT_THAT(why(base64url(R"({"alg":"RS256","kid":"r1","crit":["x"]})") + changed.substr(changed.find('.'))),
              HasSubstr("crit"));
}

TEST_F(IdTokenTest, WhatIsNoToken) {
  const std::string good = rsa().sign(claims());
  for (const std::string& wrong :
       {std::string(), std::string("."), std::string(".."), std::string("a.b"), good + ".x", "x" + good,
        std::string(100'000, 'a') + "..", base64url("[]") + ".e30.x", base64url("{") + ".e30.x"}) {
    EXPECT_FALSE(check(wrong).ok()) << wrong.substr(0, 40);
  }
  for (size_t at = 0; at < good.size(); at += 7) {
    std::string broken = good;
    broken[at] = broken[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(check(broken).ok()) << at;
  }
  for (const json& keys : {json(), json::object(), json{{"keys", 7}}, json{{"keys", {7, nullptr, json::object()}}},
                           json{{"keys", {{{"kty", "RSA"}, {"kid", "r1"}}}}},
                           json{{"keys", {{{"kty", "RSA"}, {"kid", "r1"}, {"n", "AQAB"}, {"e", 7}}}}}})
    EXPECT_FALSE(check_id_token(good, keys, {"https://id.example.org", "loquat", "n", kNow}).ok()) << keys;
}

}  // namespace
}  // namespace loquat::people
