// Reviewers and people's chats: whose may be read and for how long, what is shown of them, and that every reading is in
// the log and before its person's eyes.
#include "app/review_routes.h"

#include "app/app_for_tests.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using people::Person;
using testing::HasSubstr;
using testing::Not;

class ReviewRoutesTest : public TeamChats {
 protected:
  void SetUp() override {
    TeamChats::SetUp();
    ada_ = person(people::kUser, "Ada Lovelace");
    bob_ = person(people::kUser, "Bob Builder");
    reviewer_ = person(people::kReviewer, "Rita Reader");
    database_ = *database::Database::open(options_.database);
  }

  json got(const Person& as, const std::string& method, const std::string& path, const json& body = nullptr) {
    const auto answer = ask(method, path, session_of(as), body);
    EXPECT_LT(answer.status, 300) << method << " " << path << ": " << answer.body;
    return answer.body.empty() ? json::object() : json_of(answer);
  }
  void allow(const Person& who, bool review, bool train = false) {
    got(who, "PATCH", "/settings", {{"may_review", review}, {"may_train", train}, {"asked", true}});
  }
  // A conversation of a question and its answer; its id.
  std::string talk(const Person& who, const std::string& question, const std::string& answer) {
    const json before = got(who, "GET", "/conversations")["conversations"];
    const json turns =
        json::array({{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}});
    const json imported = got(who, "POST", "/import", {{"title", question}, {"messages", turns}});
    EXPECT_EQ(imported["imported"], 1) << imported;
    const json after = got(who, "GET", "/conversations")["conversations"];
    for (const json& one : after) {
      if (std::find(before.begin(), before.end(), one) == before.end()) return one["id"];
    }
    ADD_FAILURE() << "it was not imported";
    return "";
  }
  json messages(const Person& who, const std::string& id) {
    return got(who, "GET", "/conversations/" + id)["messages"];
  }
  void say_of(const Person& who, const std::string& id, const json& feedback) {
    const std::string answer = messages(who, id)[1]["id"];
    got(who, "PUT", "/conversations/" + id + "/messages/" + answer + "/feedback", feedback);
  }
  std::vector<std::string> titles(const std::string& query = "") {
    std::vector<std::string> out;
    const json page = got(reviewer_, "GET", "/reviews" + query);
    for (const json& one : page["conversations"]) out.push_back(one["title"]);
    std::sort(out.begin(), out.end());
    return out;
  }
  using Titles = std::vector<std::string>;

  std::shared_ptr<database::Database> database_;  // past the server
  Person ada_, bob_, reviewer_;
};

TEST_F(ReviewRoutesTest, ReadsTheChatsOfThoseWhoAllowItWhileTheyDo) {
  const std::string adas = talk(ada_, "Ferry?", "At nine."), bobs = talk(bob_, "Secret?", "Between us.");
  EXPECT_EQ(titles(), Titles{});
  allow(ada_, true);
  EXPECT_EQ(titles(), Titles{"Ferry?"});
  const json read = got(reviewer_, "GET", "/reviews/" + adas);
  ASSERT_EQ(read["messages"].size(), 2u);
  EXPECT_EQ(read["messages"][1]["content"], "At nine.");
  EXPECT_EQ(ask("GET", "/reviews/" + bobs, session_of(reviewer_)).status, 404);
  EXPECT_EQ(ask("GET", "/reviews/none", session_of(reviewer_)).status, 404);
  // Blind comparisons are no chats.
  ASSERT_TRUE(database_->run("UPDATE chats_conversations SET kind = 'blind' WHERE id = $1", {adas}).ok());
  EXPECT_EQ(titles(), Titles{});
  EXPECT_EQ(ask("GET", "/reviews/" + adas, session_of(reviewer_)).status, 404);
  ASSERT_TRUE(database_->run("UPDATE chats_conversations SET kind = '' WHERE id = $1", {adas}).ok());
  EXPECT_EQ(titles(), Titles{"Ferry?"});
  allow(ada_, false);
  EXPECT_EQ(titles(), Titles{});
  EXPECT_EQ(ask("GET", "/reviews/" + adas, session_of(reviewer_)).status, 404);
  EXPECT_EQ(ask("POST", "/reviews/" + adas + "/prompts", session_of(reviewer_), json::object()).status, 404);
}

TEST_F(ReviewRoutesTest, NobodyIsNamed) {
  const std::string first = talk(ada_, "Ferry?", "At nine."), second = talk(ada_, "And back?", "At five.");
  const std::string bobs = talk(bob_, "Tides?", "High.");
  allow(ada_, true);
  allow(bob_, true);
  const auto list = ask("GET", "/reviews", session_of(reviewer_)),
             one = ask("GET", "/reviews/" + first, session_of(reviewer_));
  for (const auto& answer : {list, one}) {
    for (const std::string& name : {ada_.id, ada_.name, ada_.email, bob_.id, bob_.name, bob_.email, std::string("Ada")})
      EXPECT_THAT(answer.body, Not(HasSubstr(name)));
  }
  // One person is one, and not the other.
  std::map<std::string, std::string> who;
  const json listed = json_of(list);
  for (const json& chat : listed["conversations"]) who[chat["id"]] = chat["who"];
  EXPECT_EQ(who.at(first), who.at(second));
  EXPECT_NE(who.at(first), who.at(bobs));
  EXPECT_EQ(json_of(one)["who"], who.at(first));
  // A reviewer's own chats are for others to review.
  talk(reviewer_, "Mine", "Yours.");
  allow(reviewer_, true);
  EXPECT_EQ(titles(), (Titles{"And back?", "Ferry?", "Tides?"}));
}

TEST_F(ReviewRoutesTest, EveryReadingIsInTheLogAndItsPersonSeesIt) {
  const std::string adas = talk(ada_, "Ferry?", "At nine.");
  talk(ada_, "And back?", "At five.");
  talk(bob_, "Tides?", "High.");
  allow(ada_, true);
  titles();
  now_ += 60;
  got(reviewer_, "GET", "/reviews/" + adas);
  got(reviewer_, "GET", "/reviews/" + adas);
  const json readings = got(ada_, "GET", "/readings")["readings"];
  ASSERT_EQ(readings.size(), 3u);
  EXPECT_EQ(readings[0]["action"], "read_conversation");
  EXPECT_EQ(readings[0]["conversation"], adas);
  EXPECT_EQ(readings[0]["title"], "Ferry?");
  EXPECT_EQ(readings[0]["name"], "Rita Reader");
  EXPECT_EQ(readings[0]["time"], now_);
  EXPECT_EQ(readings[2]["action"], "list_conversations");
  EXPECT_EQ(readings[2]["conversations"], 2);
  EXPECT_EQ(got(bob_, "GET", "/readings")["readings"], json::array());
  const json log = got(person(people::kAdmin), "GET", "/audit?about=" + ada_.id)["entries"];
  EXPECT_EQ(log.size(), 3u);
  EXPECT_EQ(log[0]["person"], reviewer_.id);
  // What cannot be written down is not shown.
  ASSERT_TRUE(database_->run("ALTER TABLE people_audit RENAME TO away").ok());
  for (const std::string& path : {std::string("/reviews"), "/reviews/" + adas}) {
    const auto refused = ask("GET", path, session_of(reviewer_));
    EXPECT_EQ(refused.status, 503);
    EXPECT_THAT(refused.body, Not(HasSubstr("Ferry")));
  }
}

TEST_F(ReviewRoutesTest, FindsByWordsAndByFeedback) {
  const std::string ferry = talk(ada_, "Ferry?", "It leaves at nine."),
                    rude = talk(ada_, "Who are you?", "None of that.");
  talk(ada_, "渡轮几点开？", "九点。");
  const std::string early = talk(ada_, "Early", "Said before.");
  say_of(ada_, early, {{"thumb", "down"}});  // before she allowed that it is read
  allow(ada_, true);
  say_of(ada_, ferry, {{"thumb", "up"}, {"comment", "\"thumb\":\"down\" \"flags\":[\"x\"]"}});
  say_of(ada_, rude, {{"thumb", "down"}, {"flags", {"inappropriate"}}, {"comment", "no"}});
  EXPECT_EQ(titles("?feedback=any"), (Titles{"Ferry?", "Who are you?"}));
  EXPECT_EQ(titles("?feedback=down"), Titles{"Who are you?"});
  EXPECT_EQ(titles("?feedback=flags"), Titles{"Who are you?"});
  EXPECT_EQ(ask("GET", "/reviews?feedback=all", session_of(reviewer_)).status, 400);
  EXPECT_EQ(titles("?query=LEAVES"), Titles{"Ferry?"});
  EXPECT_EQ(titles("?query=九点"), Titles{"渡轮几点开？"});
  EXPECT_EQ(titles("?query=九点&feedback=down"), Titles{});
  EXPECT_EQ(titles("?query=nowhere"), Titles{});
  const json found = got(reviewer_, "GET", "/reviews?query=leaves")["conversations"][0];
  EXPECT_EQ(found["snippet"], "It \x01leaves\x02 at nine.");
  EXPECT_EQ(found["up"], 1);
  EXPECT_EQ(found["down"], 0);
  const json shown = got(reviewer_, "GET", "/reviews/" + rude)["messages"][1]["feedback"];
  EXPECT_EQ(shown["comment"], "no");
  EXPECT_TRUE(got(reviewer_, "GET", "/reviews/" + early)["messages"][1]["feedback"].is_null());
  // Pages: each chat once.
  Titles all;
  std::string before;
  for (bool more = true; more;) {
    const json page = got(reviewer_, "GET", "/reviews?limit=1" + (before.empty() ? "" : "&before=" + before));
    for (const json& one : page["conversations"]) all.push_back(one["title"]), before = one["id"];
    more = page["more"];
    ASSERT_LE(all.size(), 4u);
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, titles());
}

TEST_F(ReviewRoutesTest, AChatsPromptGoesWithTheChat) {
  const std::string id = talk(ada_, "Ferry?", "At nine."), other = talk(ada_, "Tides?", "High.");
  allow(ada_, true);
  const std::string project = got(reviewer_, "POST", "/projects", {{"name", "P"}, {"kind", "demonstration"}})["id"];
  const json wanted = {{"project", project}, {"message", messages(ada_, id)[0]["id"]}};
  const auto untrainable = ask("POST", "/reviews/" + id + "/prompts", session_of(reviewer_), wanted);
  EXPECT_EQ(untrainable.status, 409);
  EXPECT_EQ(json_of(untrainable)["error"]["code"], "not_trainable");
  allow(ada_, true, true);
  EXPECT_EQ(got(reviewer_, "POST", "/reviews/" + id + "/prompts", wanted)["added"], true);
  EXPECT_EQ(got(reviewer_, "POST", "/reviews/" + id + "/prompts", wanted)["added"], false);  // it is there
  const auto answer = ask("POST", "/reviews/" + id + "/prompts", session_of(reviewer_),
                          {{"project", project}, {"message", messages(ada_, id)[1]["id"]}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(got(reviewer_, "POST", "/reviews/" + other + "/prompts",
                {{"project", project}, {"message", messages(ada_, other)[0]["id"]}})["added"],
            true);
  EXPECT_EQ(got(ada_, "GET", "/readings")["readings"][0]["action"], "use_conversation");
  const Person labeler = person(people::kLabeler, "Lea");
  const json task = got(labeler, "POST", "/projects/" + project + "/next", json::object());
  EXPECT_EQ(task["messages"], (json{{{"role", "user"}, {"content", "Ferry?"}}}));
  got(labeler, "POST", "/tasks/" + task["id"].get<std::string>() + "/submit", {{"content", "At nine, from the pier."}});
  const json made = got(reviewer_, "POST", "/datasets", {{"name", "d"}, {"projects", {project}}});
  EXPECT_EQ(made["from"], (json{{"labels", 1}, {"conversations", 1}, {"people", 2}}));
  const auto prompts = [&] { return got(reviewer_, "GET", "/projects/" + project)["counts"]["prompts"]; };
  EXPECT_EQ(prompts(), 2);
  EXPECT_EQ(ask("DELETE", "/conversations/" + id, session_of(ada_)).status, 204);
  EXPECT_EQ(prompts(), 1);
  EXPECT_EQ(got(reviewer_, "GET", "/projects/" + project)["counts"]["labels"], 0);
  allow(ada_, true, false);
  EXPECT_EQ(prompts(), 0);
  // What was made of her words is said when she is erased, though another wrote the label.
  const json erased = got(person(people::kAdmin), "POST", "/people/" + ada_.id + "/erase", json::object());
  EXPECT_EQ(erased["datasets"][0]["hash"], made["hash"]);
}

}  // namespace
}  // namespace loquat::app
