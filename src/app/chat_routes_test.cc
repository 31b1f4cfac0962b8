// Conversations by HTTP: messages and their replies, branches, whose is whose, export and import, what is refused.
#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "app/chat_test_server.h"
#include "chats/transfer.h"

namespace loquat::app {
namespace {

using testing::HasSubstr;

class ChatRoutesTest : public ChatServerTest {};

TEST_F(ChatRoutesTest, AMessageGetsAReply) {
  talker().thoughts = "Hm.";
  const std::string id = new_chat({{"system", "Be brief."}, {"sampling", {{"temperature", 0}, {"max_tokens", 50}}}});
  const Json made = say(id, "What is\nup?", {{"files", {{{"name", "a.txt"}, {"text", "one\n"}}}}});
  EXPECT_EQ(made["user"]["files"], Json({{{"name", "a.txt"}, {"bytes", 4}}}));
  EXPECT_EQ(made["reply"]["state"], "writing");
  EXPECT_EQ(made["reply"]["parent"], made["user"]["id"]);
  const Json reply = finished(id, made["reply"]["id"]);
  EXPECT_EQ(reply["content"], "Hello.");
  EXPECT_EQ(reply["reasoning"], "Hm.");
  EXPECT_EQ(reply["state"], "done");
  EXPECT_EQ(reply["model"], "talker");
  EXPECT_EQ(reply["usage"]["completion_tokens"], 9);
  EXPECT_EQ(reply["usage"]["cached_tokens"], 3);
  EXPECT_GE(reply["seconds"]["total"], reply["seconds"]["first"]);
  EXPECT_EQ(call(0).call.tenant, "person:ada");
  EXPECT_EQ(call(0).call.sampling.max_tokens, 50);
  const std::string prompt = serve::api::byte_tokenizer().decode(call(0).call.prompt);
  EXPECT_THAT(prompt, HasSubstr("Be brief."));
  EXPECT_THAT(prompt, HasSubstr("What is\nup?\n\na.txt\n```\none\n```"));
  const Json chat = ask("GET", "/conversations/" + id).json();
  EXPECT_EQ(chat["title"], "What is up?");
  EXPECT_EQ(chat["current"], reply["id"]);
}

TEST_F(ChatRoutesTest, AReplyHearsItsOwnBranchAlone) {
  const std::string id = new_chat();
  const Json first = say(id, "first question");
  finished(id, first["reply"]["id"]);
  const Json second = say(id, "second question", {{"parent", first["reply"]["id"]}});
  finished(id, second["reply"]["id"]);
  const Json other = say(id, "other beginning");
  finished(id, other["reply"]["id"]);
  const auto prompt = [&](size_t i) { return serve::api::byte_tokenizer().decode(call(i).call.prompt); };
  EXPECT_THAT(prompt(1), testing::AllOf(HasSubstr("first question"), HasSubstr("Hello."), HasSubstr("second")));
  EXPECT_THAT(prompt(2), testing::Not(HasSubstr("first question")));
  // Another answer to the second question.
  const Got again = ask("POST", "/conversations/" + id + "/replies",
                        {{"parent", second["user"]["id"]}, {"tab", "tab1"}, {"sampling", {{"max_tokens", 2}}}});
  ASSERT_EQ(again.status, 200) << again.body;
  const Json reply = finished(id, again.json()["reply"]["id"]);
  EXPECT_EQ(reply["parent"], second["user"]["id"]);
  EXPECT_EQ(reply["state"], "cut");
  EXPECT_EQ(reply["content"], "He");
  EXPECT_THAT(prompt(3), HasSubstr("first question"));
  EXPECT_EQ(ask("PATCH", "/conversations/" + id, {{"current", first["reply"]["id"]}}).json()["current"],
            first["reply"]["id"]);
}

TEST_F(ChatRoutesTest, WhatIsSentTwiceIsThereOnce) {
  const std::string id = new_chat(), other = new_chat();
  const Json first = say(id, "Hi", {{"client_id", "key-1"}});
  EXPECT_EQ(first["user"]["client_id"], "key-1");
  finished(id, first["reply"]["id"]);
  const Json second = say(id, "Hi", {{"client_id", "key-1"}});
  EXPECT_EQ(second["user"], first["user"]);
  EXPECT_EQ(second["reply"]["id"], first["reply"]["id"]);
  EXPECT_EQ(second["reply"]["content"], "Hello.") << "as it is now: " << second;
  EXPECT_EQ(talker().calls.size(), 1u);
  const std::string path = "/conversations/" + id;
  const Json again = {{"parent", first["user"]["id"]}, {"tab", "tab1"}, {"client_id", "key-2"}};
  const Json reply = ask("POST", path + "/replies", again).json()["reply"];
  finished(id, reply["id"]);
  EXPECT_EQ(ask("POST", path + "/replies", again).json()["reply"]["id"], reply["id"]);
  EXPECT_EQ(talker().calls.size(), 2u);
  // The key is this conversation's and this message's.
  EXPECT_NE(say(other, "Hi", {{"client_id", "key-1"}})["user"]["id"], first["user"]["id"]);
  const Json body = {{"parent", nullptr}, {"content", "Hm"}, {"tab", "tab1"}, {"client_id", "key-1"}};
  const Got used = ask("POST", path + "/messages", body);
  EXPECT_EQ(used.status, 409);
  EXPECT_EQ(used.json()["error"]["code"], "client_id_used");
  EXPECT_EQ(ask("POST", path + "/messages", body, "bob").status, 404);
  for (const Json& wrong : {Json("a b"), Json(std::string(65, 'x')), Json(7)}) {
    Json sent = body;
    sent["client_id"] = wrong;
    EXPECT_EQ(ask("POST", path + "/messages", sent).status, 400) << wrong;
  }
  // And also by a server that was started since.
  start();
  EXPECT_EQ(say(id, "Hi", {{"client_id", "key-1"}})["reply"]["id"], first["reply"]["id"]);
  EXPECT_EQ(ask("GET", path).json()["messages"].size(), 3u);
}

TEST_F(ChatRoutesTest, TwoSendsOfOneMessageAtOnceAreOne) {
  talker().by_hand = true;
  const std::string id = new_chat();
  std::vector<std::thread> threads;
  std::vector<std::string> replies(6);
  for (size_t i = 0; i < replies.size(); ++i) {
    threads.emplace_back([&, i] { replies[i] = say(id, "Hi", {{"client_id", "key"}})["reply"]["id"]; });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(replies.begin(), replies.end()).size(), 1u);
  EXPECT_EQ(ask("GET", "/conversations/" + id).json()["messages"].size(), 2u);
  EXPECT_EQ(talker().calls.size(), 1u);
  talker().end(call(0), 0, serve::Finish::kStop, {});
  finished(id, replies[0]);
}

TEST_F(ChatRoutesTest, WhatTheApiRefusesIsAFailedReplyThatCanBeAskedAgain) {
  const std::string id = new_chat();
  talker().refuse_from = 0;
  const Json made = say(id, "Hi");
  const Json full = finished(id, made["reply"]["id"]);
  EXPECT_EQ(full["state"], "failed");
  EXPECT_EQ(full["error"], "The queue is full.");
  const Json unknown = say(id, "Hi", {{"model", "nobody"}});
  EXPECT_THAT(finished(id, unknown["reply"]["id"])["error"], HasSubstr("nobody"));
  talker().refuse_from = -1;
  talker().context_tokens = 64;
  const Json longer = say(id, std::string(500, 'x'));
  EXPECT_EQ(finished(id, longer["reply"]["id"])["state"], "failed");
  talker().context_tokens = 4096;
  const Got again = ask("POST", "/conversations/" + id + "/replies", {{"parent", made["user"]["id"]}, {"tab", "tab1"}});
  EXPECT_EQ(finished(id, again.json()["reply"]["id"])["content"], "Hello.");
}

TEST_F(ChatRoutesTest, WhatIsWrongIsRefused) {
  const std::string id = new_chat();
  const std::string at = "/conversations/" + id;
  const auto status = [&](const std::string& method, const std::string& path, const Json& body) {
    return ask(method, path, body).status;
  };
  const Json good = {{"content", "Hi"}, {"tab", "t"}};
  const auto with = [&](const Json& more) {
    Json body = good;
    body.update(more);
    return body;
  };
  for (const Json& wrong :
       {with({{"content", 7}}), with({{"content", ""}}), with({{"tab", "a b"}}), with({{"tab", std::string(65, 'a')}}),
        with({{"tab", nullptr}}), with({{"files", "x"}}), with({{"files", {{{"name", "a"}}}}}), with({{"files", {7}}}),
        with({{"files", std::vector<Json>(21, {{"name", "a"}, {"text", ""}})}}), with({{"reply", "yes"}}),
        with({{"content", std::string(chats::kMostTextBytes + 1, 'x')}}), with({{"model", std::string(201, 'x')}})})
    EXPECT_EQ(status("POST", at + "/messages", wrong), 400) << wrong.dump().substr(0, 100);
  EXPECT_EQ(status("POST", at + "/messages", with({{"parent", "nothing"}})), 404);
  EXPECT_EQ(status("POST", at + "/replies", with({{"parent", "nothing"}})), 404);
  EXPECT_EQ(status("POST", at + "/replies", good), 400);
  EXPECT_EQ(status("PATCH", at, {{"current", "nothing"}}), 404);
  EXPECT_EQ(status("PATCH", at, {{"title", std::string(500, 'x')}}), 400);
  EXPECT_EQ(status("PATCH", at, {{"pinned", 1}}), 400);
  EXPECT_EQ(status("PATCH", at, {{"sampling", {{"temperature", 9}}}}), 400);
  EXPECT_EQ(status("POST", "/conversations", {{"system", std::string(300'000, 'x')}}), 400);
  EXPECT_EQ(status("GET", "/conversations?limit=x", nullptr), 400);
  EXPECT_EQ(status("GET", "/stream?tab=a%20b", nullptr), 400);
  EXPECT_EQ(status("GET", "/stream", nullptr), 400);
  EXPECT_TRUE(ask("GET", at).json()["messages"].empty());
  const Json quiet = say(id, "no answer, please", {{"reply", false}});
  EXPECT_TRUE(quiet["reply"].is_null());
  EXPECT_EQ(talker().calls.size(), 0u);
}

TEST_F(ChatRoutesTest, WhatIsAnothersIsNotThere) {
  const std::string id = new_chat();
  const Json made = say(id, "secret");
  finished(id, made["reply"]["id"]);
  const std::string at = "/conversations/" + id;
  const Json body = {{"content", "x"}, {"tab", "evetab"}, {"parent", made["user"]["id"]}};
  EXPECT_EQ(ask("GET", at, nullptr, "eve").status, 404);
  EXPECT_EQ(ask("PATCH", at, {{"title", "x"}}, "eve").status, 404);
  EXPECT_EQ(ask("DELETE", at, nullptr, "eve").status, 404);
  EXPECT_EQ(ask("POST", at + "/messages", body, "eve").status, 404);
  EXPECT_EQ(ask("POST", at + "/replies", body, "eve").status, 404);
  EXPECT_EQ(ask("GET", at + "/export", nullptr, "eve").status, 404);
  EXPECT_EQ(
      ask("POST", at + "/messages/" + made["reply"]["id"].get<std::string>() + "/stop", Json::object(), "eve").status,
      404);
  EXPECT_TRUE(ask("GET", "/conversations?query=secret", nullptr, "eve").json()["conversations"].empty());
  EXPECT_TRUE(ask("GET", "/export", nullptr, "eve").json()["conversations"].empty());
  // Not even by a message's id from a conversation of one's own.
  const std::string own = new_chat(Json::object(), "eve");
  EXPECT_EQ(ask("POST", "/conversations/" + own + "/messages", body, "eve").status, 404);
  EXPECT_EQ(ask("POST", "/conversations/" + own + "/replies", body, "eve").status, 404);
  EXPECT_EQ(ask("GET", "/conversations", nullptr, "").status, 401);
  EXPECT_EQ(ask("GET", "/remotes", nullptr, "ada").status, 403);
}

TEST_F(ChatRoutesTest, ListsAndFinds) {
  const std::string tea = new_chat({{"title", "Tea"}}), other = new_chat({{"title", "Other"}});
  say(tea, "How long should it steep?", {{"reply", false}});
  ask("PATCH", "/conversations/" + other, {{"pinned", true}});
  const Json all = ask("GET", "/conversations?limit=1").json();
  EXPECT_EQ(all["conversations"][0]["id"], other);
  EXPECT_EQ(all["more"], true);
  const Json next = ask("GET", "/conversations?limit=1&before=" + other).json();
  EXPECT_EQ(next["conversations"][0]["id"], tea);
  EXPECT_EQ(next["more"], false);
  const Json found = ask("GET", "/conversations?query=steep").json()["conversations"];
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]["snippet"], "How long should it \x01steep\x02?");
  EXPECT_EQ(ask("DELETE", "/conversations/" + tea).status, 204);
  EXPECT_EQ(ask("GET", "/conversations/" + tea).status, 404);
}

TEST_F(ChatRoutesTest, ExportsAndImports) {
  const std::string id = new_chat();
  const Json made = say(id, "Hi", {{"files", {{{"name", "a.txt"}, {"text", "inside"}}}}});
  finished(id, made["reply"]["id"]);
  const Got exported = ask("GET", "/export");
  EXPECT_THAT(exported.head, HasSubstr("Content-Disposition: attachment"));
  EXPECT_THAT(ask("GET", "/conversations/" + id + "/export?format=markdown").body, HasSubstr("## talker\n\nHello.\n"));
  Json body = exported.json();
  body["conversations"].push_back(7);
  body["conversations"].push_back({{"messages", {{{"role", "user"}, {"content", "from elsewhere"}}}}});
  const Json imported = ask("POST", "/import", body, "eve").json();
  EXPECT_EQ(imported["imported"], 2);
  EXPECT_EQ(imported["skipped"][0]["index"], 1);
  const Json list = ask("GET", "/conversations?query=Hi", nullptr, "eve").json()["conversations"];
  ASSERT_EQ(list.size(), 1u);
  EXPECT_NE(list[0]["id"], id);
  const Json again =
      ask("GET", "/conversations/" + list[0]["id"].get<std::string>() + "/export", nullptr, "eve").json();
  EXPECT_EQ(again["conversations"][0]["messages"][0]["files"][0]["text"], "inside");
  EXPECT_NE(again["conversations"][0]["messages"][0]["id"], made["user"]["id"]);
  EXPECT_EQ(ask("GET", "/conversations/" + id).json()["messages"].size(), 2u) << "Ada's is as it was";
  EXPECT_EQ(ask("POST", "/import", {{"nothing", 1}}).status, 400);
  EXPECT_EQ(ask("POST", "/import", {{"text", std::string(5'000'000, ' ')}}).status, 413);
  Json many = Json::array();
  for (int i = 0; i < 100'000; ++i) many.push_back({{"role", "user"}, {"content", ""}});
  EXPECT_EQ(ask("POST", "/import", {{"conversations", {{{"messages", many}}}}}).json()["imported"], 0);
}

TEST_F(ChatRoutesTest, ModelsAndRemotes) {
  const Json models = ask("GET", "/models").json();
  EXPECT_EQ(models["default"], "talker");
  EXPECT_EQ(models["models"][0]["kind"], "local");
  EXPECT_EQ(models["models"][0]["context"], 4096);
  const Json remote = {{"id", "gpt"}, {"url", "https://example.org/v1/"}, {"model", "gpt-x"}, {"key", "sk-secret"}};
  const Got made = ask("POST", "/remotes", remote, "boss");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json()["url"], "https://example.org/v1");
  EXPECT_EQ(made.json()["has_key"], true);
  EXPECT_EQ(ask("GET", "/remotes", nullptr, "boss").body.find("sk-secret"), std::string::npos);
  EXPECT_EQ(made.body.find("sk-secret"), std::string::npos);
  EXPECT_EQ(ask("GET", "/models").json()["models"][2]["id"], "gpt");
  EXPECT_EQ(ask("POST", "/remotes", remote, "boss").status, 409);
  for (const Json& wrong : {Json{{"id", "talker"}}, Json{{"id", "a/b"}}, Json{{"url", "file:///etc/passwd"}},
                            Json{{"url", "https://u:p@example.org"}}, Json{{"key", "a\r\nX: y"}}, Json{{"model", ""}},
                            Json{{"allow_private", "yes"}}}) {
    Json body = remote;
    body["id"] = "another";
    body.update(wrong);
    EXPECT_GE(ask("POST", "/remotes", body, "boss").status, 400) << wrong;
  }
  EXPECT_EQ(ask("POST", "/remotes", remote, "ada").status, 403);
  EXPECT_EQ(ask("DELETE", "/remotes/gpt", nullptr, "boss").status, 204);
  EXPECT_EQ(ask("DELETE", "/remotes/gpt", nullptr, "boss").status, 404);
}

TEST_F(ChatRoutesTest, ErasingAPersonEndsWhatIsWritten) {
  talker().by_hand = true;
  const std::string id = new_chat();
  say(id, "Hi");
  talker().say(call(0), "Hel");
  EXPECT_EQ(*desk_->erase_person("ada"), 1);
  talker().end(call(0), 0, serve::Finish::kStop, {});
  EXPECT_EQ(ask("GET", "/conversations/" + id).status, 404);
  EXPECT_GE(call(0).generating->cancels, 1);
}

}  // namespace
}  // namespace loquat::app
