// Addresses, names, passwords' rules, secrets and what slows down those who guess.
#include "people/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "people/fetch.h"
#include "people/passwords.h"
#include "people/secrets.h"
#include "people/throttle.h"

namespace loquat::people {
namespace {

TEST(Words, OneFormOfAnAddress) {
  EXPECT_EQ(*normal_email("Ada.Lovelace+x@Example.ORG"), "ada.lovelace+x@example.org");
  EXPECT_EQ(*normal_email("a@localhost"), "a@localhost");
  for (const std::string& wrong : {std::string(),
                                   std::string("ada"),
                                   std::string("@example.org"),
                                   std::string("ada@"),
                                   std::string("ada@example"),
                                   std::string("ada@example.org."),
                                   std::string("ada@.example.org"),
                                   std::string("ada@ex..org"),
                                   std::string("ada@-ex.org"),
                                   std::string("a b@example.org"),
                                   std::string(" ada@example.org"),
                                   std::string("ada@example.org "),
                                   std::string("ada@example.org\n"),
                                   std::string("ada@example.org\0", 16),
                                   std::string("ada@@example.org"),
                                   std::string("a@b@example.org"),
                                   std::string("\"ada\"@example.org"),
                                   std::string("ada@example.org,eve@example.org"),
                                   std::string("ada@\xE2\x84\xAAyoto.org"),  // the Kelvin sign, which lower-cases to k
                                   std::string("\xD0\xB0\x64\x61@example.org"),  // a Cyrillic a
                                   std::string("ada\xE2\x80\x8B@example.org"),   // with a zero-width space
                                   std::string(".ada@example.org"),
                                   std::string("ada..l@example.org"),
                                   std::string(65, 'a') + "@example.org",
                                   std::string("a@") + std::string(250, 'b') + ".org",
                                   std::string(1 << 20, 'a') + "@example.org"}) {
    EXPECT_FALSE(normal_email(wrong).ok()) << wrong.substr(0, 80);
  }
}

TEST(Words, NamesAreVisibleText) {
  for (const char* good : {"Ada", "\xE9\x98\xBF\xE8\xBE\xBE", "O'Neil-Smith <b>", "\xF0\x9F\x99\x82"})
    EXPECT_TRUE(check_name(good).ok()) << good;
  for (const std::string& wrong :
       {std::string(), std::string("  "), std::string("a\nb"), std::string("a\0b", 3), std::string("a\x7F"),
        std::string("\xE2\x80\xAE"
                    "adA"),  // written from right to left
        std::string("Ada\xE2\x80\x8B"),
        std::string("\xEF\xBB\xBF"
                    "Ada"),
        std::string("\xC0\x80"), std::string("\xED\xA0\x80"), std::string("\xF4\x90\x80\x80"), std::string("\xE2\x82"),
        std::string(101, 'a')})
    EXPECT_FALSE(check_name(wrong).ok()) << wrong.substr(0, 20);
}

TEST(Words, RolesByName) {
  EXPECT_EQ(*roles_of({"labeler", "reviewer"}), unsigned{kLabeler | kReviewer});
  EXPECT_EQ(role_names(kEveryRole).size(), 5u);
  for (const std::string& name : role_names(kEveryRole)) EXPECT_EQ(role_names(*roles_of({name})).at(0), name);
  EXPECT_FALSE(roles_of({}).ok());
  EXPECT_FALSE(roles_of({"Admin"}).ok());
  EXPECT_FALSE(roles_of({"user", "root"}).ok());
}

TEST(Words, PasswordsHaveALength) {
  EXPECT_TRUE(check_password("ten chars!", "ada@example.org").ok());
  EXPECT_TRUE(check_password(std::string(256, 'x'), "ada@example.org").ok());
  std::string chinese;
  for (int i = 0; i < 10; ++i) chinese += "\xE5\xAF\x86";
  EXPECT_TRUE(check_password(chinese, "ada@example.org").ok());
  EXPECT_FALSE(check_password(chinese.substr(3), "ada@example.org").ok());  // 27 bytes, 9 characters
  EXPECT_FALSE(check_password("nine char", "ada@example.org").ok());
  EXPECT_FALSE(check_password(std::string(257, 'x'), "ada@example.org").ok());
  EXPECT_FALSE(check_password("ADA@example.org", "ada@example.org").ok());
  EXPECT_FALSE(check_password("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "ada@example.org").ok());
}

TEST(Secrets, AreRandomAndOfOneForm) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string token = random_token();
    EXPECT_TRUE(looks_like_token(token)) << token;
    EXPECT_TRUE(seen.insert(token).second);
  }
  EXPECT_EQ(random_id().size(), 22u);
  for (int i = 0; i < 1000; ++i) EXPECT_NE(random_id().front(), '-');
  EXPECT_EQ(token_hash("a").size(), 64u);
  EXPECT_NE(token_hash("a"), token_hash("b"));
  const std::string token = random_token();
  EXPECT_EQ(derived_token(token, "x"), derived_token(token, "x"));
  EXPECT_NE(derived_token(token, "x"), derived_token(token, "y"));
  EXPECT_NE(derived_token(token, "x"), derived_token(random_token(), "x"));
  EXPECT_FALSE(same_text("a", "ab"));
  EXPECT_TRUE(same_text("", ""));
  // RFC 7636, appendix B.
  EXPECT_EQ(pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
  std::string bytes;
  EXPECT_TRUE(from_base64url("AP8", &bytes));
  EXPECT_EQ(bytes, std::string("\x00\xFF", 2));
  for (const char* wrong : {"AP8=", "A+8", "A", "AP8 ", "AP9"}) EXPECT_FALSE(from_base64url(wrong, &bytes)) << wrong;
}

TEST(Throttle, LetsSomeThroughAndThenSlowsDown) {
  Throttle throttle(3, 10);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(throttle.take("a", 100), 0);
  EXPECT_NEAR(throttle.take("a", 100), 10, 1e-9);
  EXPECT_NEAR(throttle.take("a", 104), 6, 1e-9);  // asking costs nothing
  EXPECT_EQ(throttle.take("b", 104), 0);
  EXPECT_EQ(throttle.take("a", 110), 0);
  EXPECT_GT(throttle.take("a", 110), 0);
  throttle.give_back("a");
  EXPECT_EQ(throttle.take("a", 110), 0);
  EXPECT_GT(throttle.take("a", 50), 0);  // the clock was set back: it waits no longer for that
  EXPECT_EQ(throttle.take("a", 60), 0);
}

TEST(Throttle, IsBoundedAndKeepsTheWorst) {
  Throttle throttle(3, 10, 64);
  for (int i = 0; i < 3; ++i) throttle.take("worst", 100);
  for (int i = 0; i < 1000; ++i) throttle.take(std::to_string(i), 100);
  EXPECT_LE(throttle.size(), 64u);
  EXPECT_GT(throttle.take("worst", 100), 0);
}

TEST(Throttle, CountsASlash64AsOne) {
  EXPECT_EQ(peer_name("2001:db8::1"), peer_name("2001:db8::ffff:1"));
  EXPECT_NE(peer_name("2001:db8::1"), peer_name("2001:db8:0:1::1"));
  EXPECT_EQ(peer_name("10.0.0.1"), "10.0.0.1");
}

TEST(Fetch, AsksHttpsOrThisMachineAlone) {
  for (const char* good : {"https://id.example.org/x", "http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]:1"})
    EXPECT_TRUE(may_fetch(good)) << good;
  for (const char* wrong :
       {"", "http://id.example.org", "http://127.0.0.1.example.org/", "http://localhost.example.org/",
        "http://127.0.0.1:x@example.org/", "http://127.0.0.1@example.org/", "file:///etc/passwd", "https://",
        "https://a b/", "https://a\nb/", "gopher://x", "HTTPS://x"})
    EXPECT_FALSE(may_fetch(wrong)) << wrong;
  EXPECT_EQ(form_encoded("a b&c=/\xC3\xA9~"), "a%20b%26c%3D%2F%C3%A9~");
}

}  // namespace
}  // namespace loquat::people
