// Every route of the page's API, asked as every kind of person: the expected status follows from its rule, and the
// routes from the table itself, so that a new one is in here when it is added. Where a route is about one person's own
// object (Rule::own with a name in its path), the test must know how to make one: see `fixtures()`.
#include <chrono>
#include <map>
#include <thread>

#include "app/app_for_tests.h"
#include "people/words.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using people::Person;

using Names = std::map<std::string, std::string>;  // what a path's names stand for

// How an object is made that a path's names point to.
struct Fixture {
  std::string prefix;  // of the patterns that it serves; the longest that fits is taken
  // Asks the API as `owner`; the names are then in all such patterns.
  std::function<Names(const Person& owner)> make;
};

class MatrixTest : public TeamChats {
 protected:
  void SetUp() override {
    TeamChats::SetUp();
    owner_ = person(people::kUser | people::kLabeler | people::kRedTeamer, "Owner");
    reviewer_ = person(people::kReviewer, "Reviewer");
    admin_ = person(people::kAdmin, "Admin");
    for (const unsigned role : {people::kUser, people::kLabeler, people::kRedTeamer})
      others_.push_back(person(role, people::role_names(role)[0]));
    others_.push_back(reviewer_);
    others_.push_back(admin_);
    revoked_ = person(people::kEveryRole, "Revoked");
    revoked_session_ = session_of(revoked_);
    ASSERT_TRUE(desk().accounts.change(revoked_.id, {.disabled = true}).ok());
  }

  // The answer to a write that must have been done. Few replies of a person are written at once: it waits for its turn.
  json done(const Person& as, const std::string& method, const std::string& path, const json& body) {
    auto answer = ask(method, path, session_of(as), body);
    for (int i = 0; answer.status == 429 && i < 2000; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      answer = ask(method, path, session_of(as), body);
    }
    EXPECT_LT(answer.status, 300) << method << " " << path << ": " << answer.body;
    return answer.body.empty() ? json::object() : json_of(answer);
  }

  // Until the replies of a conversation have been written: what is said of an answer needs it whole.
  void written(const Person& owner, const std::string& path) {
    const auto writing = [&] {
      const json shown = done(owner, "GET", path, nullptr);
      return std::any_of(shown["messages"].begin(), shown["messages"].end(),
                         [](const json& message) { return message["state"] == "writing"; });
    };
    for (int i = 0; i < 4000 && writing(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_FALSE(writing()) << "a reply does not end";
  }

  // A conversation with a question and two answers to it.
  Names conversation(const Person& owner) {
    const std::string id = done(owner, "POST", "/conversations", json::object())["id"];
    const std::string path = "/conversations/" + id;
    const json said =
        done(owner, "POST", path + "/messages", {{"parent", nullptr}, {"content", "What is up?"}, {"tab", "tab1"}});
    const std::string question = said["user"]["id"], answer = said["reply"]["id"];
    const json again = done(owner, "POST", path + "/replies", {{"parent", question}, {"tab", "tab1"}});
    written(owner, path);
    return {{"id", id}, {"message", answer}, {"question", question}, {"other", again["reply"]["id"]}};
  }
  // A conversation of somebody who allows that it is read and trained on, and a project for its prompts.
  Names reviewable(const Person& owner) {
    done(owner, "PATCH", "/settings", {{"may_review", true}, {"may_train", true}, {"asked", true}});
    Names names = conversation(owner);
    names["project"] = done(reviewer_, "POST", "/projects", {{"name", "Trial"}, {"kind", "demonstration"}})["id"];
    return names;
  }
  Names blind(const Person& owner) {
    return {{"id", done(owner, "POST", "/blind", {{"content", "What is up?"}, {"tab", "tab1"}})["id"]}};
  }
  Names task(const Person& owner) {
    const json project = {{"name", "Trial"}, {"kind", "demonstration"}};
    const std::string path = "/projects/" + done(reviewer_, "POST", "/projects", project)["id"].get<std::string>();
    done(reviewer_, "POST", path + "/prompts", {{"text", "What is up?"}});
    const json task = done(owner, "POST", path + "/next", json::object());
    return {{"id", task["id"]}, {"item", task["item"]}};
  }
  Names label(const Person& owner) {
    const std::string path = "/tasks/" + task(owner).at("id") + "/submit";
    return {{"id", done(owner, "POST", path, {{"content", "The sky."}, {"seconds", 3}})["label"]}};
  }

  // ADD HERE how an object is made that a new route of one's own objects is about.
  std::vector<Fixture> fixtures() {
    const auto invitation = [this](const Person&) {
      return Names{{"id", done(admin_, "POST", "/invitations", {{"roles", {"user"}}})["id"]}};
    };
    return {{"/api/app/people/{id}",
             [this](const Person&) {
               return Names{{"id", person(people::kUser).id}};
             }},
            {"/api/app/invitations/{id}", invitation},
            {"/api/app/reviews/{id}", [this](const Person& owner) { return reviewable(owner); }},
            {"/api/app/conversations/{id}", [this](const Person& owner) { return conversation(owner); }},
            {"/api/app/blind/{id}", [this](const Person& owner) { return blind(owner); }},
            {"/api/app/tasks/{id}", [this](const Person& owner) { return task(owner); }},
            {"/api/app/labels/{id}", [this](const Person& owner) { return label(owner); }}};
  }
  // And here what its handler needs in the body to come to the point where it looks for the object; else {}.
  static json body_of(const Route& route, Names names) {
    static const std::map<std::string, std::function<json(Names&)>> kBodies = {
        {"/conversations/{id}/messages",
         [](Names&) {
           return json{{"parent", nullptr}, {"content", "And then?"}, {"tab", "tab1"}, {"reply", false}};
         }},
        {"/conversations/{id}/replies",
         [](Names& n) {
           return json{{"parent", n["question"]}, {"tab", "tab1"}};
         }},
        {"/conversations/{id}/messages/{message}/feedback",
         [](Names&) {
           return json{{"thumb", "up"}};
         }},
        {"/reviews/{id}/prompts",
         [](Names& n) {
           return json{{"message", n["question"]}, {"project", n["project"]}};
         }},
        {"/conversations/{id}/comparisons",
         [](Names& n) {
           return json{
               {"parent", n["question"]}, {"chosen", n["message"]}, {"others", {n["other"]}}, {"choice", "chosen"}};
         }},
        {"/blind/{id}/vote",
         [](Names&) {
           return json{{"choice", "tie"}};
         }},
        {"/tasks/{id}/attack",
         [](Names&) {
           return json{{"messages", {{{"role", "user"}, {"content", "Hm?"}}}}};
         }},
        {"/tasks/{id}/suggest",
         [](Names&) {
           return json{{"messages", {{{"role", "user"}, {"content", "Hm?"}}}}};
         }},
        {"/tasks/{id}/skip",
         [](Names&) {
           return json{{"reason", "too long"}};
         }},
    };
    const auto found = kBodies.find(route.pattern.substr(std::string("/api/app").size()));
    return found == kBodies.end() || route.method == "GET" ? json::object() : found->second(names);
  }
  // Who may use a route of another's own object all the same.
  static unsigned others_may(const Route& route) {
    return route.method == "PATCH" && route.pattern == "/api/app/labels/{id}" ? unsigned{people::kReviewer} : 0u;
  }

  static bool has_names(const Route& route) { return route.pattern.find('{') != std::string::npos; }
  static std::string filled(std::string pattern, const Names& names) {
    for (const auto& [name, value] : names) {
      const std::string mark = "{" + name + "}";
      if (const size_t at = pattern.find(mark); at != std::string::npos) pattern.replace(at, mark.size(), value);
    }
    while (pattern.find('{') != std::string::npos) {
      const size_t begin = pattern.find('{'), end = pattern.find('}', begin);
      pattern.replace(begin, end + 1 - begin, "nothing-has-this-id");
    }
    return pattern.substr(std::string("/api/app").size());
  }
  const Fixture* fixture_for(const std::vector<Fixture>& all, const Route& route) {
    const Fixture* best = nullptr;
    for (const Fixture& fixture : all) {
      if (route.pattern.starts_with(fixture.prefix) && (!best || fixture.prefix.size() > best->prefix.size()))
        best = &fixture;
    }
    return best;
  }
  http::Response ask_route(const Route& route, const Names& names, const std::string& session) {
    return ask(route.method, filled(route.pattern, names), session,
               route.method == "GET" ? json() : body_of(route, names));
  }

  Person owner_, reviewer_, admin_, revoked_;
  std::string revoked_session_;
  std::vector<Person> others_;
};

std::string named(const Route& route) {
  return route.method + " " + route.pattern;
}

TEST_F(MatrixTest, NobodyAndTheRevokedComeInOnlyWhereAnyoneMay) {
  for (const Route& route : app_->router().routes()) {
    for (const std::string& session : {std::string(), revoked_session_, std::string("made up"), std::string(43, 'A')}) {
      http::Request asked =
          request(route.method, filled(route.pattern, {}), session, route.method == "GET" ? json() : json::object());
      const int status = ask(std::move(asked)).status;
      if (route.rule.needs_person()) {
        EXPECT_EQ(status, 401) << named(route);
      } else {
        EXPECT_TRUE(status != 401 && status != 403 && status < 500) << named(route) << ": " << status;
      }
    }
  }
}

TEST_F(MatrixTest, RolesDecide) {
  const auto all = fixtures();
  std::vector<Person> everyone = others_;
  everyone.push_back(owner_);
  for (const Route& route : app_->router().routes()) {
    if (!route.rule.needs_person()) continue;
    for (const Person& person : everyone) {
      const bool allowed = person.has(route.rule.any_of());
      Names names;
      const Fixture* fixture = fixture_for(all, route);
      if (fixture && allowed && !route.rule.is_own()) names = fixture->make(owner_);
      const int status = ask_route(route, names, session_of(person)).status;
      if (!allowed) {
        EXPECT_EQ(status, 403) << named(route) << " as " << person.name;
      } else {
        EXPECT_TRUE(status != 401 && status != 403 && status < 500)
            << named(route) << " as " << person.name << ": " << status;
      }
      if (fixture && allowed && !route.rule.is_own()) {
        EXPECT_NE(status, 404) << named(route) << " as " << person.name;
      }
    }
  }
}

TEST_F(MatrixTest, WhatIsAnothersIsNotThere) {
  const auto all = fixtures();
  for (const Route& route : app_->router().routes()) {
    if (!route.rule.is_own() || !has_names(route)) continue;
    const Fixture* fixture = fixture_for(all, route);
    if (!fixture) {
      ADD_FAILURE() << named(route) << " is about a person's own object (Rule::own), and this test knows none: add to "
                    << "MatrixTest::fixtures() in src/app/matrix_test.cc how one is made";
      continue;
    }
    const Names names = fixture->make(owner_);
    for (const Person& person : others_) {
      if (others_may(route) != 0 && person.has(others_may(route))) continue;
      const auto answer = ask_route(route, names, session_of(person));
      EXPECT_EQ(answer.status, 404) << named(route) << " as " << person.name << ": " << answer.body;
    }
    // And it was there all the time.
    const auto owners = ask_route(route, names, session_of(owner_));
    EXPECT_TRUE(owners.status != 404 && owners.status != 401 && owners.status != 403 && owners.status < 500)
        << named(route) << " as its owner: " << owners.status << " " << owners.body;
  }
}

// Lists and exports: nothing of the owner's is in what others get.
TEST_F(MatrixTest, ListsHoldOnesOwn) {
  std::map<std::string, std::string> ids;  // of the owner's objects
  for (const Fixture& fixture : fixtures()) {
    bool wanted = false;
    for (const Route& route : app_->router().routes())
      wanted = wanted || (route.rule.is_own() && route.pattern.starts_with(fixture.prefix));
    if (!wanted) continue;
    for (const auto& [name, id] : fixture.make(owner_)) ids[id] = fixture.prefix;
  }
  for (const Route& route : app_->router().routes()) {
    const bool for_all = route.rule.needs_person() && route.rule.any_of() == people::kEveryRole;
    if (!for_all || has_names(route) || route.method != "GET") continue;
    for (const Person& person : others_) {
      const auto answer = ask_route(route, {}, session_of(person));
      EXPECT_LT(answer.status, 500) << named(route);
      if (answer.body.empty()) continue;
      for (const auto& [id, prefix] : ids)
        EXPECT_EQ(answer.body.find(id), std::string::npos)
            << named(route) << " shows " << prefix << " to " << person.name;
    }
  }
}

TEST_F(MatrixTest, WritesComeFromTheOwnPageWithItsToken) {
  for (const Route& route : app_->router().routes()) {
    if (route.method == "GET") continue;
    const std::string path = filled(route.pattern, {}), session = session_of(admin_);
    const auto status_with = [&](const std::function<void(http::Request&)>& change) {
      http::Request asked = request(route.method, path, session, json::object());
      change(asked);
      return ask(std::move(asked)).status;
    };
    EXPECT_EQ(status_with([](http::Request& r) { r.headers["origin"] = "https://evil.example.org"; }), 403)
        << named(route);
    EXPECT_EQ(status_with([](http::Request& r) { r.headers["origin"] = "null"; }), 403) << named(route);
    EXPECT_EQ(status_with([](http::Request& r) { r.headers.erase("origin"); }), 403) << named(route);
    EXPECT_EQ(status_with([](http::Request& r) { r.headers["sec-fetch-site"] = "cross-site"; }), 403) << named(route);
    EXPECT_EQ(status_with([](http::Request& r) { r.headers["sec-fetch-site"] = "same-site"; }), 403) << named(route);
    if (!route.rule.needs_person()) continue;
    EXPECT_EQ(status_with([](http::Request& r) { r.headers.erase("x-loquat-csrf"); }), 403) << named(route);
    EXPECT_EQ(
        status_with([&](http::Request& r) { r.headers["x-loquat-csrf"] = people::csrf_token(session_of(admin_)); }),
        403)
        << named(route);
  }
}

}  // namespace
}  // namespace loquat::app
