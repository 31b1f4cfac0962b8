// The page's own API: who is let in where, and what wrong requests get.
#include "app/router.h"

#include <gtest/gtest.h>

namespace loquat::app {
namespace {

using nlohmann::json;

struct Sent : http::Reply {
  http::Response response;
  void send(http::Response r) override { response = std::move(r); }
  void begin(int, http::Headers) override {}
  bool write(std::string) override { return true; }
  void end() override {}
  size_t waiting() const override { return 0; }
  bool gone() const override { return false; }
  void on_gone(std::function<void()>) override {}
};

struct SomeDoor : Door {
  people::Person person;
  std::variant<people::Person, serve::ApiError> who(const http::Request&) override { return person; }
};

class RouterTest : public testing::Test {
 protected:
  RouterTest() : door_(std::make_shared<SomeDoor>()), router_(door_) {
    const auto echo = [](Call& call) -> Answer {
      return json{{"path", call.path}, {"body", call.body}, {"person", call.person.id}};
    };
    router_.add({"GET", "/api/app/things/{id}", Rule::anyone(), echo});
    router_.add({"POST", "/api/app/things/{id}/parts/{part}", Rule::signed_in(), echo});
    router_.add({"GET", "/api/app/reviews", Rule::roles(people::kReviewer), echo});
  }
  http::Response ask(const std::string& method, const std::string& path, const std::string& body = "") {
    http::Request request;
    request.method = method;
    request.path = path;
    request.body = body;
    const auto sent = std::make_shared<Sent>();
    router_.handle(std::move(request), sent);
    return sent->response;
  }
  std::shared_ptr<SomeDoor> door_;
  Router router_;
};

TEST_F(RouterTest, FindsARouteAndItsNames) {
  const auto answer = ask("GET", "/api/app/things/7");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(json::parse(answer.body)["path"], (json{{"id", "7"}}));
  EXPECT_EQ(ask("GET", "/api/app/things/").status, 404);
  EXPECT_EQ(ask("GET", "/api/app/things/7/parts").status, 404);
  EXPECT_EQ(ask("GET", "/api/app/thing/7").status, 404);
}

TEST_F(RouterTest, SaysWhichMethodsThereAre) {
  const auto answer = ask("DELETE", "/api/app/things/7");
  EXPECT_EQ(answer.status, 405);
  const http::Headers expected = {{"Allow", "GET"}};
  EXPECT_NE(std::find(answer.headers.begin(), answer.headers.end(), expected[0]), answer.headers.end());
}

TEST_F(RouterTest, ASignInAndARoleAreAskedFor) {
  const std::string path = "/api/app/things/7/parts/x";
  EXPECT_EQ(ask("POST", path, "{}").status, 401);
  door_->person = {"p1", "Ada", "", people::kUser};
  EXPECT_EQ(ask("POST", path, "{\"a\": 1}").status, 200);
  EXPECT_EQ(ask("GET", "/api/app/reviews").status, 403);
  door_->person.roles = people::kReviewer;
  EXPECT_EQ(ask("GET", "/api/app/reviews").status, 200);
  door_->person.roles = people::kAdmin;
  EXPECT_EQ(ask("GET", "/api/app/reviews").status, 200);
}

TEST_F(RouterTest, BodiesAreObjects) {
  door_->person = {"p1", "Ada", "", people::kUser};
  for (const char* body : {"[1]", "{", "7", "\"text\""})
    EXPECT_EQ(ask("POST", "/api/app/things/7/parts/x", body).status, 400) << body;
}

}  // namespace
}  // namespace loquat::app
