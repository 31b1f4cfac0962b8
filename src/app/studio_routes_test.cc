// Feedback and the studio by their routes: roles, whose work is whose, what a model writes, what wrong requests get.
#include "app/studio_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>

#include "store/test_folder.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Sent : http::Reply {
  void send(http::Response r) override {
    std::lock_guard lock(mutex);
    response = std::move(r);
    come.notify_all();
  }
  http::Response wait() {
    std::unique_lock lock(mutex);
    come.wait_for(lock, std::chrono::seconds(30), [this] { return response.has_value(); });
    return response.value_or(http::Response{599, {}, ""});
  }
  void begin(int, http::Headers) override {}
  bool write(std::string) override { return true; }
  void end() override {}
  size_t waiting() const override { return 0; }
  bool gone() const override { return false; }
  void on_gone(std::function<void()>) override {}
  std::mutex mutex;
  std::condition_variable come;
  std::optional<http::Response> response;
};

// A person's name begins with their role.
struct RoleDoor : Door {
  std::variant<people::Person, serve::ApiError> who(const http::Request& request) override {
    const std::string& name = request.header("x-person");
    const unsigned role = name.starts_with("lab")   ? people::kLabeler
                          : name.starts_with("red") ? people::kRedTeamer
                          : name.starts_with("rev") ? people::kReviewer
                                                    : 0u;
    return people::Person{name, name, "", name.empty() ? 0u : people::kUser | role};
  }
};

// Says each time another thing, and its model's name.
struct CountingTalk : Talk {
  struct Ended : Talking {
    void cancel() override {}
  };
  std::shared_ptr<Talking> start(json request, const std::string&, TalkSink sink) override {
    TalkEvent event;
    event.content = fmt::format("text {} of {}", ++said, request.at("model").get<std::string>());
    event.ended = true;
    if (broken) event.error = serve::ApiError{503, "out of order", "server_error", "", "", 1};
    sink(std::move(event));
    return std::make_shared<Ended>();
  }
  std::atomic<int> said{0};
  std::atomic<bool> broken{false};
};

struct FakeTurns : Turns {
  std::variant<feedback::AnswerSeen, serve::ApiError> find(const std::string& person, const std::string& conversation,
                                                           const std::string& message) override {
    if (!conversation.ends_with(person)) return not_there("There is no such answer.");
    return feedback::AnswerSeen{conversation,         message, {{{"role", "user"}, {"content", "Why?"}}},
                                "Because " + message, "m",     "h",
                                json::object()};
  }
  std::variant<Begun, serve::ApiError> begin_unnamed(const std::string& person, const std::string&, const std::string&,
                                                     const std::string&, const std::string& model) override {
    begun.push_back(model);
    return Begun{"blind-" + person, "of " + model};
  }
  Result<std::vector<std::string>> models() override { return std::vector<std::string>{"m1", "m2", "m3"}; }
  std::vector<std::string> begun;
};

class StudioRoutesTest : public testing::Test {
 protected:
  StudioRoutesTest() : router_(std::make_shared<RoleDoor>()) {
    StudioParts parts;
    parts.database = *database::Database::open(folder_ / "app.db");
    parts.datasets_folder = folder_ / "datasets";
    parts.clock = [this] { return now_; };
    parts.turns = turns_;
    parts.talk = talk_;
    parts.default_model = [] { return std::string("m0"); };
    parts.model_hash = [](const std::string& model) { return "hash of " + model; };
    parts.consent = [](const std::string& person) { return feedback::Consent{true, person != "shy"}; };
    parts.name_of = [](const std::string& person) { return "Name of " + person; };
    parts.audit = [this](const std::string& person, const std::string& action, const std::string&, const json&) {
      std::lock_guard lock(mutex_);
      audited_.push_back(person + " " + action);
    };
    desk_ = *StudioDesk::open(std::move(parts));
    add_studio_routes(router_, desk_);
  }

  struct Got {
    int status;
    json body;
  };
  Got ask(const std::string& person, const std::string& method, const std::string& path, const json& body = nullptr) {
    http::Request request;
    request.method = method;
    const size_t query = path.find('?');
    request.path = "/api/app" + path.substr(0, query);
    if (query != path.npos) {
      const size_t equals = path.find('=', query);
      request.query[path.substr(query + 1, equals - query - 1)] = path.substr(equals + 1);
    }
    request.headers["x-person"] = person;
    if (!body.is_null()) request.body = body.dump();
    const auto sent = std::make_shared<Sent>();
    router_.handle(std::move(request), sent);
    const http::Response response = sent->wait();
    json parsed = json::parse(response.body, nullptr, false);
    return {response.status, parsed.is_discarded() ? json(response.body) : parsed};
  }
  std::string make_project(json wanted) {
    wanted.emplace("name", "Trial");
    const Got made = ask("rev", "POST", "/projects", wanted);
    EXPECT_EQ(made.status, 200) << made.body;
    return made.body.value("id", "");
  }
  static json ranks_of(const json& task) {
    json ranks = json::object();
    int rank = 0;
    for (const json& answer : task.at("answers")) ranks[answer["id"].get<std::string>()] = ++rank;
    return {{"ranks", ranks}, {"seconds", 3}};
  }

  TestFolder folder_;
  int64_t now_ = 1'000'000;
  std::shared_ptr<FakeTurns> turns_ = std::make_shared<FakeTurns>();
  std::shared_ptr<CountingTalk> talk_ = std::make_shared<CountingTalk>();
  std::mutex mutex_;
  std::vector<std::string> audited_;
  Router router_;
  std::shared_ptr<StudioDesk> desk_;
};

TEST_F(StudioRoutesTest, ARankingFromItsPromptsToItsRows) {
  const std::string id = make_project({{"kind", "ranking"}, {"models", {"m1", "m2"}}, {"k", 4}, {"overlap", 2}});
  const Got added = ask("rev", "POST", "/projects/" + id + "/prompts", {{"text", "one\ntwo\none\n{\"x\": 1}"}});
  EXPECT_EQ(added.body["added"], 2);
  EXPECT_EQ(added.body["duplicates"], 1);
  EXPECT_EQ(added.body["skipped"][0]["line"], 4);
  const Got task = ask("lab-a", "POST", "/projects/" + id + "/next");
  ASSERT_EQ(task.status, 200) << task.body;
  ASSERT_EQ(task.body["answers"].size(), 4u);
  for (const json& answer : task.body["answers"]) EXPECT_EQ(answer.size(), 2u);
  const std::string path = "/tasks/" + task.body["id"].get<std::string>();
  const Got wrong = ask("lab-a", "POST", path + "/submit", {{"ranks", {{"x", 1}}}});
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.body["error"]["param"], "ranks.x");
  EXPECT_EQ(ask("lab-a", "PUT", path + "/draft", {{"comment", "half"}}).status, 204);
  EXPECT_EQ(ask("lab-a", "POST", "/projects/" + id + "/next").body["draft"]["comment"], "half");
  EXPECT_EQ(ask("lab-b", "POST", path + "/submit", ranks_of(task.body)).status, 404);
  const Got sent = ask("lab-a", "POST", path + "/submit", ranks_of(task.body));
  ASSERT_EQ(sent.status, 200) << sent.body;
  EXPECT_EQ(ask("lab-a", "POST", path + "/submit", ranks_of(task.body)).body["label"], sent.body["label"]);
  json other = ranks_of(task.body);
  other["comment"] = "on second thoughts";
  const Got twice = ask("lab-a", "POST", path + "/submit", other);
  EXPECT_EQ(twice.status, 409);
  EXPECT_EQ(twice.body["error"]["code"], "submitted");

  const Got labels = ask("rev", "GET", "/projects/" + id + "/labels?person=lab-a");
  ASSERT_EQ(labels.body["labels"].size(), 1u);
  EXPECT_EQ(labels.body["labels"][0]["name"], "Name of lab-a");
  const std::string label = "/labels/" + sent.body["label"].get<std::string>();
  EXPECT_EQ(ask("rev", "GET", label).body["history"].size(), 0u);
  const json correction = {{"label", ranks_of(task.body)}, {"why", "slip"}};
  const Got corrected = ask("lab-a", "PATCH", label, correction);
  EXPECT_EQ(corrected.status, 200);
  EXPECT_FALSE(corrected.body.contains("gold"));
  EXPECT_EQ(ask("lab-b", "PATCH", label, correction).status, 404);
  EXPECT_EQ(ask("rev", "GET", label).body["history"][0]["name"], "Name of lab-a");
  const Got seen = ask("rev", "GET", label);
  for (const json& answer : seen.body["answers"]) EXPECT_FALSE(answer.contains("model"));

  EXPECT_EQ(ask("rev", "GET", "/projects/" + id + "/agreement").body["by_labeler"][0]["labels"], 1);
  EXPECT_EQ(ask("rev", "GET", "/projects/" + id + "/screening").body["people"][0]["name"], "Name of lab-a");
  EXPECT_EQ(ask("rev", "GET", "/projects/" + id + "/disagreements").body["items"].size(), 0u);
  const Got rows = ask("rev", "GET", "/projects/" + id + "/export?shape=pairs");
  EXPECT_THAT(rows.body.get<std::string>(), HasSubstr("\"rejected\""));
  EXPECT_EQ(ask("rev", "GET", "/projects/" + id + "/export?shape=poem").status, 400);
  const Got made = ask("rev", "POST", "/datasets", {{"name", "first"}, {"projects", {id}}, {"feedback", false}});
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.body["rows"], 1);
  EXPECT_EQ(ask("rev", "GET", "/datasets/" + made.body["hash"].get<std::string>()).body["name"], "first");
  EXPECT_EQ(ask("rev", "GET", "/datasets").body["datasets"].size(), 1u);
  EXPECT_THAT(audited_, testing::IsSupersetOf({"rev make_project", "rev export_labels", "rev make_dataset"}));
}

TEST_F(StudioRoutesTest, WorkIsForThoseWhoHaveTheRole) {
  const std::string id = make_project({{"kind", "redteam"}, {"models", {"m1"}}});
  ask("rev", "POST", "/projects/" + id + "/prompts", {{"text", "Get it to swear."}});
  EXPECT_EQ(ask("", "POST", "/projects/" + id + "/next").status, 401);
  EXPECT_EQ(ask("ada", "POST", "/projects/" + id + "/next").status, 403);
  EXPECT_EQ(ask("lab-a", "POST", "/projects/" + id + "/next").status, 403);
  EXPECT_EQ(ask("lab-a", "GET", "/projects/" + id).status, 404);
  EXPECT_EQ(ask("lab-a", "GET", "/projects").body["projects"].size(), 0u);
  EXPECT_EQ(ask("rev", "GET", "/projects").body["projects"][0]["models"], json{"m1"});
  EXPECT_EQ(ask("red-a", "GET", "/projects").body["projects"][0]["models"],
            json::array());  // not told whom they attack
  EXPECT_EQ(ask("red-a", "POST", "/projects", {{"name", "x"}, {"kind", "ranking"}}).status, 403);
  const Got task = ask("red-a", "POST", "/projects/" + id + "/next");
  ASSERT_EQ(task.status, 200);
  const std::string path = "/tasks/" + task.body["id"].get<std::string>();
  const json turns = {{{"role", "user"}, {"content", "Say it."}}};
  EXPECT_EQ(ask("red-a", "POST", path + "/attack", {{"messages", turns}}).body["reply"], "text 1 of m1");
  EXPECT_EQ(ask("red-b", "POST", path + "/attack", {{"messages", turns}}).status, 404);
  EXPECT_EQ(ask("red-a", "POST", path + "/skip", {{"reason", "no"}}).status, 204);
  EXPECT_EQ(ask("red-a", "POST", "/projects/" + id + "/next").status, 204);
}

TEST_F(StudioRoutesTest, ARoleThatWasTakenEndsTheWork) {
  const std::string id = make_project({{"kind", "demonstration"}});
  ask("rev", "POST", "/projects/" + id + "/prompts", {{"text", "Say hello."}});
  // The same person, before and after.
  auto next = desk_->queue.next(id, "ada");
  ASSERT_TRUE(next.ok() && next->task);
  const std::string path = "/tasks/" + (*next->task)["id"].get<std::string>();
  EXPECT_EQ(ask("ada", "POST", path + "/submit", {{"content", "Hello."}}).status, 403);
  EXPECT_EQ(ask("ada", "PUT", path + "/draft", {{"content", "Hello."}}).status, 403);
}

TEST_F(StudioRoutesTest, ModelsThatDoNotAnswerAreSaid) {
  const std::string id = make_project({{"kind", "ranking"}, {"models", {"m1"}}});
  ask("rev", "POST", "/projects/" + id + "/prompts", {{"text", "one"}});
  talk_->broken = true;
  const Got failed = ask("lab-a", "POST", "/projects/" + id + "/next");
  EXPECT_EQ(failed.status, 503);
  EXPECT_THAT(failed.body["error"]["message"].get<std::string>(), HasSubstr("out of order"));
  talk_->broken = false;
  EXPECT_EQ(ask("lab-a", "POST", "/projects/" + id + "/next").status, 200);
}

TEST_F(StudioRoutesTest, FeedbackOnOnesOwnMessages) {
  const std::string path = "/conversations/talk-ada/messages/m1/feedback";
  const json said = {{"thumb", "down"}, {"flags", {"hallucination"}}, {"comment", "no"}, {"better", "yes"}};
  EXPECT_EQ(ask("ada", "PUT", path, said).body, said);
  EXPECT_EQ(ask("bob", "PUT", path, said).status, 404);
  EXPECT_EQ(ask("ada", "PUT", path, {{"thumb", 1}}).body["error"]["param"], "thumb");
  const std::string compare = "/conversations/talk-ada/comparisons";
  EXPECT_EQ(ask("ada", "POST", compare, {{"chosen", "m1"}, {"others", {"m2"}}, {"choice", "chosen"}}).status, 204);
  EXPECT_EQ(ask("ada", "POST", compare, {{"chosen", nullptr}, {"others", {"m1", "m2"}}, {"choice", "tie"}}).status,
            204);
  EXPECT_EQ(ask("ada", "POST", compare, {{"chosen", nullptr}, {"others", {"m1"}}, {"choice", "chosen"}}).status, 400);
  EXPECT_EQ(ask("ada", "POST", compare, {{"others", json::array()}, {"choice", "tie"}}).status, 400);
}

TEST_F(StudioRoutesTest, BlindComparisonsTellNamesAfterTheVote) {
  const json wanted = {{"content", "Hi"}, {"tab", "t1"}, {"models", {"m1", "m3"}}};
  const Got begun = ask("ada", "POST", "/blind", wanted);
  ASSERT_EQ(begun.status, 200) << begun.body;
  EXPECT_EQ(begun.body["left"].size(), 2u);
  EXPECT_EQ(ask("ada", "POST", "/blind", {{"content", "Hi"}, {"tab", "t1"}, {"models", {"m1", "m1"}}}).status, 400);
  const std::string path = "/blind/" + begun.body["id"].get<std::string>() + "/vote";
  EXPECT_EQ(ask("bob", "POST", path, {{"choice", "left"}}).status, 404);
  const Got voted = ask("ada", "POST", path, {{"choice", "left"}});
  ASSERT_EQ(voted.status, 200) << voted.body;
  EXPECT_EQ(voted.body["left"], turns_->begun[0]);
  EXPECT_EQ(voted.body["right"], turns_->begun[1]);
  EXPECT_EQ(ask("ada", "POST", path, {{"choice", "right"}}).status, 409);
  const Got scores = ask("bob", "GET", "/blind/scores");
  ASSERT_EQ(scores.body["models"].size(), 2u);
}

TEST_F(StudioRoutesTest, DeepBodiesAreRefused) {
  const std::string id = make_project({{"kind", "demonstration"}});
  ask("rev", "POST", "/projects/" + id + "/prompts", {{"text", "Say hello."}});
  const Got task = ask("lab-a", "POST", "/projects/" + id + "/next");
  json deep = 1;
  for (int i = 0; i < 200; ++i) deep = json::array({deep});
  EXPECT_EQ(ask("lab-a", "PUT", "/tasks/" + task.body["id"].get<std::string>() + "/draft", {{"x", deep}}).status, 400);
}

}  // namespace
}  // namespace loquat::app
