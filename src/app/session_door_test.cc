// Cookies, where a request comes from, and what stays open no longer than its session.
#include "app/session_door.h"

#include <gtest/gtest.h>

#include "app/streams.h"
#include "people/secrets.h"
#include "people/tables_for_tests.h"

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

struct OpenReply final : http::Reply {
  void send(http::Response) override {}
  void begin(int, http::Headers) override {}
  bool write(std::string) override { return true; }
  void end() override { ended = true; }
  size_t waiting() const override { return 0; }
  bool gone() const override { return false; }
  void on_gone(std::function<void()>) override {}
  std::atomic<bool> ended{false};
};

class StayingTest : public people::OnBoth {
 protected:
  void SetUp() override {
    OnBoth::SetUp();
    if (IsSkipped()) return;
    door_ = std::make_shared<SessionDoor>(std::make_shared<people::Sessions>(database_, clock_.clock()));
    ada_ = join(people::kUser, "ada@example.org");
  }
  // A tab's stream, opened in a session.
  std::shared_ptr<OpenReply> open(const std::string& tab, const std::string& session) {
    auto reply = std::make_shared<OpenReply>();
    streams_.open(ada_.id, tab, reply, [door = door_, request = with("cookie", "loquat=" + session), id = ada_.id] {
      return door->still(request, id);
    });
    return reply;
  }

  std::shared_ptr<SessionDoor> door_;
  people::Person ada_;
  Streams streams_;
};

TEST_P(StayingTest, EndsWithTheSessionItWasOpenedIn) {
  const std::string here = *sessions_->start(ada_.id), there = *sessions_->start(ada_.id);
  const auto first = open("tab1", here), second = open("tab2", there);
  streams_.ask_who_may_stay();
  EXPECT_FALSE(first->ended || second->ended);
  ASSERT_TRUE(sessions_->end(here).ok());
  streams_.ask_who_may_stay();
  EXPECT_TRUE(first->ended);
  EXPECT_FALSE(second->ended);
  EXPECT_EQ(streams_.tabs(), 1u);
}

TEST_P(StayingTest, EndsWhenThePersonIsDisabled) {
  const auto stream = open("tab1", *sessions_->start(ada_.id));
  ASSERT_TRUE(accounts_->change(ada_.id, {.disabled = true}).ok());
  streams_.ask_who_may_stay();
  EXPECT_TRUE(stream->ended);
}

TEST_P(StayingTest, AnOpenStreamDoesNotKeepASessionAlive) {
  const auto stream = open("tab1", *sessions_->start(ada_.id));
  for (int day = 0; day < 6; ++day) {
    clock_.pass(people::kDay);
    streams_.ask_who_may_stay();
  }
  EXPECT_FALSE(stream->ended);
  clock_.pass(people::kDay);
  streams_.ask_who_may_stay();
  EXPECT_TRUE(stream->ended);
}

INSTANTIATE_TEST_SUITE_P(Both, StayingTest, testing::Values("sqlite", "postgres"));

}  // namespace
}  // namespace loquat::app
