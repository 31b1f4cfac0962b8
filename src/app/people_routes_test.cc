// Signing in, joining, passwords, settings and the administration of people, and what those get who should not.
#include <array>
#include <atomic>
#include <future>
#include <thread>

#include "app/app_for_tests.h"
#include "people/secrets.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using people::Person;
using testing::HasSubstr;
using testing::Not;

class PeopleRoutesTest : public TeamApp {
 protected:
  http::Response login(const std::string& email, const std::string& password, const std::string& session = "") {
    return ask("POST", "/login", session, {{"email", email}, {"password", password}});
  }
  http::Response join(const std::string& invitation, const std::string& email, const std::string& name = "New",
                      const std::string& password = kPassword) {
    return ask("POST", "/join", "",
               {{"invitation", invitation}, {"email", email}, {"name", name}, {"password", password}});
  }
  static std::string session_in(const http::Response& response) {
    const std::string cookie = cookie_in(response);
    return cookie.starts_with("loquat=") ? cookie.substr(7) : "";
  }
  static std::string code_of(const http::Response& response) {
    const json error = json_of(response)["error"]["code"];
    return error.is_string() ? error.get<std::string>() : "";
  }
};

TEST_F(PeopleRoutesTest, SigningInAndOut) {
  const Person ada = person(people::kUser);
  json before = json_of(ask("GET", "/session"));
  EXPECT_EQ(before["mode"], "team");
  EXPECT_TRUE(before["person"].is_null());
  EXPECT_EQ(before["csrf"], "");
  const auto in = login("P1@Example.org", kPassword);
  ASSERT_EQ(in.status, 204) << in.body;
  const std::string session = session_in(in);
  EXPECT_THAT(header_in(in, "Set-Cookie"), HasSubstr("HttpOnly; SameSite=Lax"));
  const json after = json_of(ask("GET", "/session", session));
  EXPECT_EQ(after["person"]["id"], ada.id);
  EXPECT_EQ(after["person"]["roles"], json({"user"}));
  EXPECT_EQ(after["csrf"], people::csrf_token(session));
  EXPECT_EQ(after["settings"]["asked"], false);
  const auto out = ask("POST", "/logout", session);
  EXPECT_EQ(out.status, 204);
  EXPECT_THAT(header_in(out, "Set-Cookie"), HasSubstr("Max-Age=0"));
  EXPECT_TRUE(json_of(ask("GET", "/session", session))["person"].is_null());
}

TEST_F(PeopleRoutesTest, AllWrongSignInsLookTheSame) {
  const Person ada = person(people::kUser), disabled = person(people::kUser);
  person(people::kAdmin);
  ASSERT_TRUE(desk().accounts.change(disabled.id, {.disabled = true}).ok());
  const auto wrong = login(ada.email, "wrong wrong wrong");
  EXPECT_EQ(wrong.status, 401);
  for (const auto& [email, password] :
       std::vector<std::pair<std::string, std::string>>{{"nobody@example.org", kPassword},
                                                        {disabled.email, kPassword},
                                                        {"no address", kPassword},
                                                        {"", ""},
                                                        {ada.email, ""},
                                                        {ada.email, std::string(100'000, 'x')},
                                                        {"' OR 1=1 --", kPassword}}) {
    const auto answer = login(email, password);
    EXPECT_EQ(answer.status, 401) << email;
    EXPECT_EQ(answer.body, wrong.body) << email;
    EXPECT_EQ(header_in(answer, "Set-Cookie"), "");
  }
  EXPECT_EQ(ask("POST", "/login", "", {{"email", 7}, {"password", "x"}}).status, 400);
  EXPECT_EQ(ask("POST", "/login", "", {{"email", {"a"}}}).status, 400);
}

TEST_F(PeopleRoutesTest, GuessingIsSlowedDownForAccountsThatAreAndThatAreNot) {
  const Person ada = person(people::kUser);
  for (const std::string& email : {ada.email, std::string("nobody@example.org")}) {
    now_ += 3600;
    for (int i = 0; i < 10; ++i) EXPECT_EQ(login(email, "wrong wrong wrong").status, 401) << i;
    http::Request other = request("POST", "/login", "", {{"email", email}, {"password", kPassword}});
    other.peer = "192.0.2.77";  // the account is slowed down for all
    const auto slow = ask(other);
    EXPECT_EQ(slow.status, 429);
    EXPECT_EQ(header_in(slow, "Retry-After"), "30");
  }
  now_ += 30;
  EXPECT_EQ(login(ada.email, kPassword).status, 204) << "and waits no longer than that";
  now_ += 3600;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(login("n" + std::to_string(i) + "@example.org", "wrong wrong").status, 401);
  EXPECT_EQ(login("another@example.org", "wrong wrong wrong").status, 429) << "the peer is slowed down";
  EXPECT_EQ(join(people::random_token(), "x@example.org").status, 429);
}

TEST_F(PeopleRoutesTest, GoodSignInsAreNotSlowedDown) {
  const Person ada = person(people::kUser);
  for (int i = 0; i < 30; ++i) ASSERT_EQ(login(ada.email, kPassword).status, 204) << i;
}

TEST_F(PeopleRoutesTest, TooManyAtOnceGet429) {
  const Person ada = person(people::kUser);
  std::promise<void> open;
  const std::shared_future<void> opened = open.get_future().share();
  std::atomic<int> running{0};
  const auto wait = [&running, opened] {
    ++running;
    opened.wait();
  };
  for (int i = 0; i < people::Passwords::kAtOnce; ++i) ASSERT_TRUE(desk().passwords->add(wait));
  while (running < people::Passwords::kAtOnce) std::this_thread::yield();
  while (desk().passwords->add(wait)) {
  }
  for (int i = 0; i < 30; ++i) {
    const auto answer = login(ada.email, kPassword);
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(code_of(answer), "queue_full");
  }
  open.set_value();
  app_.reset();  // what waits uses what is above
}

TEST_F(PeopleRoutesTest, ASignInTakesNoSessionOver) {
  const Person ada = person(people::kUser), eve = person(people::kUser);
  const std::string planted = session_of(eve);
  const auto in = login(ada.email, kPassword, planted);
  ASSERT_EQ(in.status, 204);
  EXPECT_NE(session_in(in), planted);
  EXPECT_EQ(json_of(ask("GET", "/session", session_in(in)))["person"]["id"], ada.id);
  EXPECT_TRUE(json_of(ask("GET", "/session", planted))["person"].is_null());
}

TEST_F(PeopleRoutesTest, SignInsComeFromTheOwnPage) {
  const Person ada = person(people::kUser);
  const json body = {{"email", ada.email}, {"password", kPassword}};
  for (const char* origin : {"https://evil.example.org", "null", "http://loquat.example.org.evil.org",
                             "https://loquat.example.org", "http://loquat.example.org:81", ""}) {
    http::Request asked = request("POST", "/login", "", body);
    asked.headers["origin"] = origin;
    EXPECT_EQ(ask(asked).status, 403) << origin;
  }
  http::Request asked = request("POST", "/login", "", body);
  asked.headers.erase("origin");
  asked.headers["sec-fetch-site"] = "same-origin";
  EXPECT_EQ(ask(asked).status, 204);
  asked.headers["sec-fetch-site"] = "none";
  EXPECT_EQ(ask(asked).status, 403);
}

TEST_F(PeopleRoutesTest, JoiningByAnInvitation) {
  const std::string admin = session_of(person(people::kAdmin));
  const auto made = json_of(ask("POST", "/invitations", admin, {{"roles", {"labeler"}}, {"note", "for Bob"}}));
  const std::string link = made["link"];
  ASSERT_THAT(link, HasSubstr("http://loquat.example.org/join/"));
  const std::string token = link.substr(link.rfind('/') + 1);
  const auto listed = ask("GET", "/invitations", admin);
  EXPECT_THAT(listed.body, Not(HasSubstr(token))) << "it is shown once";
  for (const auto& [field, body] : std::vector<std::pair<std::string, std::array<std::string, 3>>>{
           {"email", {"Bob", "Bob", kPassword}},
           {"name",
            {"bob@example.org",
             "\xE2\x80\xAE"
             "boB",
             kPassword}},
           {"password", {"bob@example.org", "Bob", "short"}},
           {"password", {"bob@example.org", "Bob", "BOB@example.org"}}}) {
    const auto answer = join(token, body[0], body[1], body[2]);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(json_of(answer)["error"]["param"], field);
  }
  const auto joined = join(token, "Bob@Example.org", "Bob");
  ASSERT_EQ(joined.status, 204) << joined.body;
  const json session = json_of(ask("GET", "/session", session_in(joined)));
  EXPECT_EQ(session["person"]["email"], "bob@example.org");
  EXPECT_EQ(session["person"]["roles"], json({"labeler"}));
  const auto again = join(token, "cy@example.org"), unknown = join(people::random_token(), "cy@example.org");
  EXPECT_EQ(again.status, 400);
  EXPECT_EQ(again.body, unknown.body) << "a used one is as good as none";
  EXPECT_EQ(login("bob@example.org", kPassword).status, 204);
  const auto other = json_of(ask("POST", "/invitations", admin, {{"roles", {"user"}}, {"email", "Dee@example.org"}}));
  const std::string bound = other["link"].get<std::string>().substr(link.rfind('/') + 1);
  EXPECT_EQ(join(bound, "cy@example.org").body, unknown.body);
  EXPECT_EQ(ask("DELETE", "/invitations/" + other["id"].get<std::string>(), admin).status, 204);
  EXPECT_EQ(join(bound, "dee@example.org").body, unknown.body);
  for (const json& wrong : {json{{"roles", json::array()}}, json{{"roles", {"root"}}}, json{{"roles", "admin"}}, json{},
                            json{{"roles", {"user"}}, {"days", 0}}, json{{"roles", {"user"}}, {"days", 1e9}},
                            json{{"roles", {"user"}}, {"email", "x"}}, json{{"roles", {"user"}}, {"note", 7}},
                            json{{"roles", {"user"}}, {"note", std::string(201, 'x')}}})
    EXPECT_EQ(ask("POST", "/invitations", admin, wrong.is_null() ? json::object() : wrong).status, 400) << wrong;
}

TEST_F(PeopleRoutesTest, ANewPasswordEndsTheOtherSessions) {
  const Person ada = person(people::kUser);
  const std::string here = session_of(ada), elsewhere = session_of(ada);
  const auto change = [&](const std::string& old, const std::string& wanted) {
    return ask("POST", "/password", here, {{"old", old}, {"new", wanted}}).status;
  };
  EXPECT_EQ(change("wrong wrong wrong", "another good one"), 403);
  EXPECT_EQ(change(kPassword, "short"), 400);
  EXPECT_EQ(change(kPassword, ada.email), 400);
  EXPECT_EQ(change(kPassword, "another good one"), 204);
  EXPECT_FALSE(json_of(ask("GET", "/session", here))["person"].is_null());
  EXPECT_TRUE(json_of(ask("GET", "/session", elsewhere))["person"].is_null());
  EXPECT_EQ(login(ada.email, kPassword).status, 401);
  EXPECT_EQ(login(ada.email, "another good one").status, 204);
  now_ += 3600;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(change("wrong wrong wrong", "another good two"), 403);
  EXPECT_EQ(change("another good one", "another good two"), 429);
}

TEST_F(PeopleRoutesTest, SettingsAndConsent) {
  const std::string ada = session_of(person(people::kUser)), bob = session_of(person(people::kUser));
  const auto set = [&](const json& body) { return ask("PATCH", "/settings", ada, body); };
  EXPECT_EQ(json_of(set({{"language", "zh"}, {"theme", "dark"}}))["theme"], "dark");
  EXPECT_EQ(set({{"may_train", true}}).status, 400) << "nobody has asked";
  const json chosen = json_of(set({{"may_train", true}, {"asked", true}}));
  EXPECT_EQ(chosen,
            (json{{"language", "zh"}, {"theme", "dark"}, {"may_review", false}, {"may_train", true}, {"asked", true}}));
  EXPECT_EQ(json_of(ask("GET", "/session", ada))["settings"], chosen);
  EXPECT_EQ(json_of(ask("GET", "/session", bob))["settings"]["may_train"], false);
  for (const json& wrong :
       {json{{"language", "de"}}, json{{"theme", 7}}, json{{"asked", "yes"}}, json{{"roles", {"admin"}}}})
    EXPECT_EQ(set(wrong).status, 400) << wrong;
}

TEST_F(PeopleRoutesTest, AdminsChangePeople) {
  const Person boss = person(people::kAdmin, "Boss"), bob = person(people::kUser, "Bob");
  const std::string admin = session_of(boss), bobs = session_of(bob);
  EXPECT_EQ(json_of(ask("GET", "/people", admin))["people"].size(), 2u);
  EXPECT_EQ(ask("GET", "/people", bobs).status, 403);
  const auto changed = json_of(ask("PATCH", "/people/" + bob.id, admin, {{"roles", {"admin"}}, {"name", "Robert"}}));
  EXPECT_EQ(changed["roles"], json({"admin"}));
  EXPECT_EQ(ask("GET", "/people", bobs).status, 200) << "roles are read anew";
  ASSERT_EQ(ask("PATCH", "/people/" + bob.id, admin, {{"disabled", true}}).status, 200);
  EXPECT_EQ(ask("GET", "/people", bobs).status, 401);
  const auto last = ask("PATCH", "/people/" + boss.id, admin, {{"disabled", true}});
  EXPECT_EQ(last.status, 409);
  EXPECT_EQ(code_of(last), "last_admin");
  EXPECT_EQ(ask("PATCH", "/people/" + boss.id, admin, {{"roles", {"user"}}}).status, 409);
  EXPECT_EQ(ask("POST", "/people/" + boss.id + "/erase", admin).status, 409);
  EXPECT_EQ(ask("PATCH", "/people/nobody", admin, {{"disabled", true}}).status, 404);
  EXPECT_EQ(ask("PATCH", "/people/" + std::string("\0x", 2), admin, {{"disabled", true}}).status, 404);
  for (const json& wrong :
       {json{{"roles", json::array()}}, json{{"roles", {"x"}}}, json{{"disabled", 1}}, json{{"name", ""}}})
    EXPECT_EQ(ask("PATCH", "/people/" + bob.id, admin, wrong).status, 400) << wrong;
  const json log = json_of(ask("GET", "/audit?action=person_changed", admin));
  EXPECT_EQ(log["entries"].size(), 2u);
  EXPECT_EQ(log["entries"][0]["name"], "Boss");
  EXPECT_EQ(log["entries"][0]["object"], bob.id);
  EXPECT_THAT(log.dump(), Not(HasSubstr("Robert")));
  EXPECT_EQ(ask("GET", "/audit", bobs).status, 401);
}

TEST_F(PeopleRoutesTest, ErasingAsksWhateverKeepsSomething) {
  const std::string admin = session_of(person(people::kAdmin));
  const Person bob = person(people::kUser);
  bool works = false;
  std::vector<std::string> asked;
  desk().erasers.add([&](const std::string& id) -> Result<Erased> {
    asked.push_back(id);
    return Erased{3, 0, {{"abc", "first"}}, {"town-2"}};
  });
  desk().erasers.add([&](const std::string&) -> Result<Erased> {
    if (!works) return Err("the disk is full");
    return Erased{0, 2, {}, {}};
  });
  const std::string path = "/people/" + bob.id + "/erase";
  const auto failed = ask("POST", path, admin);
  EXPECT_EQ(failed.status, 503);
  EXPECT_THAT(failed.body, Not(HasSubstr("disk")));
  EXPECT_EQ(login(bob.email, kPassword).status, 401) << "meanwhile they are out";
  works = true;
  const auto erased = ask("POST", path, admin);
  ASSERT_EQ(erased.status, 200) << erased.body;
  EXPECT_EQ(json_of(erased), (json{{"conversations", 3},
                                   {"labels", 2},
                                   {"datasets", {{{"hash", "abc"}, {"name", "first"}}}},
                                   {"models", {"town-2"}}}));
  EXPECT_EQ(asked, (std::vector<std::string>{bob.id, bob.id}));
  EXPECT_EQ(ask("POST", path, admin).status, 404);
}

TEST_F(PeopleRoutesTest, BodiesThatNoDatabaseTakes) {
  const std::string admin = session_of(person(people::kAdmin));
  http::Request nul = request("POST", "/invitations", admin, {{"roles", {"user"}}});
  nul.body = R"({"roles":["user"],"note":"a\u0000b"})";
  EXPECT_EQ(ask(nul).status, 400);
  nul.body = R"({"roles":["user"],"note":"a\\u0000b"})";  // a backslash and letters
  EXPECT_EQ(ask(nul).status, 200);
  nul.body = "{\"note\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_EQ(ask(nul).status, 400);
  nul.body = "{\"note\":\"\xFF\"}";
  EXPECT_EQ(ask(nul).status, 400);
  http::Request query = request("GET", "/audit", admin);
  query.query["before"] = std::string("\0", 1);
  EXPECT_EQ(ask(query).status, 400);
}

TEST_F(PeopleRoutesTest, LocalModeHasOnePersonAndNoAccounts) {
  options_.accounts = false;
  start();
  const json session = json_of(ask("GET", "/session"));
  EXPECT_EQ(session["mode"], "local");
  EXPECT_EQ(session["person"]["id"], "local");
  EXPECT_EQ(session["person"]["roles"].size(), 5u);
  EXPECT_EQ(json_of(ask("PATCH", "/settings", "", {{"theme", "dark"}}))["theme"], "dark");
  EXPECT_EQ(json_of(ask("GET", "/session"))["settings"]["theme"], "dark");
  EXPECT_EQ(ask("GET", "/audit").status, 200);
  EXPECT_EQ(ask("POST", "/login", "", {{"email", "a@b.org"}, {"password", "x"}}).status, 404);
}

}  // namespace
}  // namespace loquat::app
