// Cookies and where a request comes from.
#include "app/session_door.h"

#include <gtest/gtest.h>

#include "people/secrets.h"

namespace loquat::app {
namespace {

http::Request with(const std::string& name, const std::string& value, bool secure = false) {
  http::Request request;
  request.headers = {{"host", "loquat.example.org"}};
  request.headers[name] = value;
  request.secure = secure;
  return request;
}

TEST(SessionDoor, FindsItsCookieAlone) {
  const std::string token = people::random_token(), other = people::random_token();
  EXPECT_EQ(session_token(with("cookie", "loquat=" + token)), token);
  EXPECT_EQ(session_token(with("cookie", "a=b; loquat=" + token + "; c=d")), token);
  EXPECT_EQ(session_token(with("cookie", "xloquat=" + token)), "");
  EXPECT_EQ(session_token(with("cookie", "loquat-oidc=" + token)), "");
  EXPECT_EQ(session_token(with("cookie", "loquat=" + token + "x")), "");
  EXPECT_EQ(session_token(with("cookie", ";;; =;loquat")), "");
  EXPECT_EQ(session_token(with("cookie", "")), "");
  // Over TLS only the cookie that nobody else can have set.
  EXPECT_EQ(session_token(with("cookie", "loquat=" + token, true)), "");
  EXPECT_EQ(session_token(with("cookie", "loquat=" + token + "; __Host-loquat=" + other, true)), other);
  EXPECT_EQ(session_token(with("cookie", "__Host-loquat=" + token, false)), "");
}

TEST(SessionDoor, SetsCookiesThatScriptsAndOtherSitesDoNotGet) {
  EXPECT_EQ(session_cookie(with("a", "b"), "T").second, "loquat=T; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
  EXPECT_EQ(session_cookie(with("a", "b", true), "T").second,
            "__Host-loquat=T; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure");
  EXPECT_EQ(no_session_cookie(with("a", "b")).second, "loquat=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
}

TEST(SessionDoor, KnowsItsSite) {
  EXPECT_EQ(site_of(with("a", "b", true)), "https://loquat.example.org");
  EXPECT_EQ(site_of(with("host", "[::1]:8080")), "http://[::1]:8080");
  EXPECT_EQ(site_of(with("host", "LOCALHOST:80")), "http://localhost:80");
  for (const char* wrong : {"", "a/b", "a b", "a\"b", "a@b", "a\r\nX: y", "a?b", "a#b", "a<b"})
    EXPECT_EQ(site_of(with("host", wrong)), "") << wrong;
}

}  // namespace
}  // namespace loquat::app
