// Streams of tabs over real sockets: pieces in order, broken and slow readers, other people's tabs, the server's end.
#include "app/streams.h"

#include <gmock/gmock.h>

#include "app/chat_test_server.h"

namespace loquat::app {
namespace {

using serve::Finish;
using testing::HasSubstr;

class StreamsTest : public ChatServerTest {
 protected:
  StreamsTest() { talker().by_hand = true; }
  // A conversation with a reply that the test says.
  std::pair<std::string, std::string> begin(const std::string& tab = "tab1") {
    const std::string id = new_chat({{"title", "T"}});
    const Json made = say(id, "Hi", {{"tab", tab}});
    return {id, made["reply"]["id"]};
  }
};

TEST_F(StreamsTest, PiecesComeInOrderAndThenTheWhole) {
  TabReader tab(server_->port(), "ada", "tab1");
  EXPECT_EQ(tab.next().data, Json({{"tab", "tab1"}}));
  EXPECT_THAT(tab.head(), HasSubstr("text/event-stream"));
  const std::string id = new_chat();
  const Json made = say(id, "First words");
  const std::string reply = made["reply"]["id"];
  const SseEvent title = tab.next();
  EXPECT_EQ(title.name, "title");
  EXPECT_EQ(title.data, Json({{"conversation", id}, {"title", "First words"}}));
  std::string text;
  for (int i = 0; i < 50; ++i) {
    const std::string piece = std::to_string(i) + "茶\n";
    talker().say(call(0), piece);
    const SseEvent event = tab.next();
    ASSERT_EQ(event.name, "delta");
    EXPECT_EQ(event.data, Json({{"conversation", id}, {"message", reply}, {"content", piece}}));
    text += piece;
  }
  // Not saved yet, or not all: who asks for the conversation gets what has come.
  const Json shown = ask("GET", "/conversations/" + id).json()["messages"][1];
  EXPECT_EQ(shown["content"], text);
  EXPECT_EQ(shown["state"], "writing");
  talker().end(call(0), 0, Finish::kStop, {11, 0, 50});
  const SseEvent done = tab.next();
  EXPECT_EQ(done.name, "done");
  EXPECT_EQ(done.data["message"]["content"], text);
  EXPECT_EQ(done.data["message"]["state"], "done");
  EXPECT_EQ(done.data["message"]["usage"]["prompt_tokens"], 11);
  EXPECT_EQ(done.data["message"], finished(id, reply)) << "what is told is what is stored";
}

TEST_F(StreamsTest, StoppingKeepsWhatHasCome) {
  TabReader tab(server_->port(), "ada", "tab1");
  const auto [id, reply] = begin();
  talker().say(call(0), "half");
  tab.until("delta");
  EXPECT_EQ(ask("POST", "/conversations/" + id + "/messages/" + reply + "/stop", Json::object()).status, 204);
  const SseEvent done = tab.until("done");
  EXPECT_EQ(done.data["message"]["state"], "stopped");
  EXPECT_EQ(done.data["message"]["content"], "half");
  EXPECT_EQ(call(0).generating->cancels, 1);
  talker().say(call(0), "more");
  talker().end(call(0), 0, Finish::kCancelled, {});
  EXPECT_EQ(finished(id, reply)["content"], "half");
  EXPECT_EQ(ask("POST", "/conversations/" + id + "/messages/" + reply + "/stop", Json::object()).status, 204);
}

TEST_F(StreamsTest, AStreamThatBrokeGoesOnWithASnapshot) {
  auto tab = std::make_unique<TabReader>(server_->port(), "ada", "tab1");
  EXPECT_EQ(tab->next().name, "hello");
  const auto [id, reply] = begin();
  talker().say(call(0), "one ");
  EXPECT_EQ(tab->next().data["content"], "one ");
  tab->socket().reset();
  talker().say(call(0), "two ");  // to nobody, or into a dead connection
  TabReader again(server_->port(), "ada", "tab1");
  EXPECT_EQ(again.next().name, "hello");
  const SseEvent snapshot = again.next();
  EXPECT_EQ(snapshot.name, "snapshot");
  EXPECT_EQ(snapshot.data["message"]["id"], reply);
  EXPECT_EQ(snapshot.data["message"]["content"], "one two ");
  talker().say(call(0), "three");
  EXPECT_EQ(again.next().data["content"], "three");
  // A second connection of the tab takes the first one's place, which ends.
  TabReader third(server_->port(), "ada", "tab1");
  EXPECT_EQ(third.next().name, "hello");
  EXPECT_EQ(third.next().data["message"]["content"], "one two three");
  EXPECT_EQ(again.next().name, "");
  talker().end(call(0), 0, Finish::kStop, {});
  EXPECT_EQ(third.next().name, "done");
  finished(id, reply);
}

TEST_F(StreamsTest, AStreamEndsWithItsPersonsSession) {
  TabReader ada(server_->port(), "ada", "tab1"), bob(server_->port(), "bob", "tab2");
  EXPECT_EQ(ada.next().name, "hello");
  EXPECT_EQ(bob.next().name, "hello");
  desk_->streams->ask_who_may_stay();
  EXPECT_EQ(desk_->streams->tabs(), 2u);
  door_->gone = "ada";
  desk_->streams->ask_who_may_stay();
  EXPECT_EQ(ada.next().name, "") << "it goes on";
  EXPECT_EQ(desk_->streams->tabs(), 1u);
  desk_->streams->send_to_person("bob", "job", {{"job", 1}});
  EXPECT_EQ(bob.next().name, "job");
}

TEST_F(StreamsTest, AReplyGoesOnWithoutItsPage) {
  auto tab = std::make_unique<TabReader>(server_->port(), "ada", "tab1");
  tab->next();
  const auto [id, reply] = begin();
  tab.reset();
  talker().say(call(0), "nobody ");
  talker().say(call(0), "listens");
  talker().end(call(0), 0, Finish::kStop, {});
  EXPECT_EQ(finished(id, reply)["content"], "nobody listens");
  EXPECT_EQ(call(0).generating->cancels, 0);
  EXPECT_EQ(finished(id, reply)["state"], "done");
}

TEST_F(StreamsTest, TwoTabsHearTheirOwn) {
  TabReader one(server_->port(), "ada", "one"), two(server_->port(), "ada", "two");
  one.next();
  two.next();
  const auto first = begin("one");
  const auto second = begin("two");
  talker().say(call(0), "for one");
  talker().say(call(1), "for two");
  EXPECT_EQ(one.next().data["content"], "for one");
  EXPECT_EQ(two.next().data["content"], "for two");
  talker().end(call(1), 0, Finish::kStop, {});
  EXPECT_EQ(two.next().data["message"]["id"], second.second);
  talker().end(call(0), 0, Finish::kLength, {});
  const SseEvent done = one.next();
  EXPECT_EQ(done.data["message"]["id"], first.second);
  EXPECT_EQ(done.data["message"]["state"], "cut");
}

TEST_F(StreamsTest, AnotherPersonsTabIsNotThere) {
  TabReader tab(server_->port(), "ada", "tab1");
  tab.next();
  EXPECT_EQ(ask("GET", "/stream?tab=tab1", nullptr, "eve").status, 404);
  const std::string id = new_chat(Json::object(), "eve");
  EXPECT_EQ(ask("POST", "/conversations/" + id + "/messages", {{"content", "x"}, {"tab", "tab1"}}, "eve").status, 404);
  EXPECT_TRUE(ask("GET", "/conversations/" + id, nullptr, "eve").json()["messages"].empty());
  const auto [own, reply] = begin();
  talker().say(call(0), "still mine");
  EXPECT_EQ(tab.until("delta").data["content"], "still mine");
  talker().end(call(0), 0, Finish::kStop, {});
  finished(own, reply);
}

TEST_F(StreamsTest, AReaderThatStopsReadingMissesNothing) {
  StreamLimits limits;
  limits.slow_bytes = 16 << 10;
  start(limits);
  TabReader tab(server_->port(), "ada", "tab1", 4096);
  tab.next();
  const auto [id, reply] = begin();
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    const std::string piece = "piece " + std::to_string(i) + " ";
    talker().say(call(0), piece);
    text += piece;
  }
  talker().end(call(0), 0, Finish::kStop, {});
  EXPECT_EQ(finished(id, reply)["content"], text) << "nobody waits for the reader";
  std::string received;
  int events = 0;
  for (SseEvent event = tab.next(); event.name == "delta"; event = tab.next(), ++events)
    received += event.data["content"].get<std::string>();
  EXPECT_EQ(received, text);
  EXPECT_LT(events, 20'000) << "pieces that waited run together";
}

TEST_F(StreamsTest, AReaderThatNeverReadsIsCutAndCostsLittle) {
  StreamLimits limits;
  limits.slow_bytes = 4 << 10;
  limits.waiting_bytes = 100'000;
  start(limits);
  TabReader tab(server_->port(), "ada", "tab1", 4096);
  tab.next();
  const std::string big(50'000, 'x');
  for (int i = 0; i < 200; ++i) desk_->streams->send("ada", "tab1", "job", {{"text", big}});
  int jobs = 0;
  while (tab.next().name == "job") ++jobs;
  EXPECT_LT(jobs, 200);
}

TEST_F(StreamsTest, APersonsRepliesAndTabsAreBounded) {
  StreamLimits limits;
  limits.tabs_per_person = 2;
  start(limits, {.at_once = 2});
  TabReader one(server_->port(), "ada", "one"), two(server_->port(), "ada", "two");
  EXPECT_EQ(one.next().name + two.next().name, "hellohello");
  EXPECT_EQ(ask("GET", "/stream?tab=three").status, 429);
  const auto a = begin("one"), b = begin("two");
  const Json body = {{"content", "x"}, {"tab", "one"}};
  EXPECT_EQ(ask("POST", "/conversations/" + a.first + "/messages", body).status, 429);
  EXPECT_EQ(ask("GET", "/conversations/" + a.first).json()["messages"].size(), 2u) << "nothing of it is kept";
  EXPECT_EQ(
      ask("POST", "/conversations/" + a.first + "/messages", {{"content", "x"}, {"tab", "one"}, {"parent", a.second}})
          .status,
      409)
      << "an answer that is being written cannot be answered";
  talker().end(call(0), 0, Finish::kStop, {});
  finished(a.first, a.second);
  int status = 429;  // the place is free a moment after the end is stored
  for (int i = 0; i < 500 && status == 429; ++i)
    status = ask("POST", "/conversations/" + a.first + "/messages", body).status;
  EXPECT_EQ(status, 200);
}

TEST_F(StreamsTest, SilentStreamsSayThatTheyLiveAndIdleTabsAreForgotten) {
  StreamLimits limits;
  limits.keep_alive = std::chrono::milliseconds(20);
  limits.forget = std::chrono::milliseconds(50);
  start(limits);
  auto tab = std::make_unique<TabReader>(server_->port(), "ada", "tab1");
  EXPECT_EQ(tab->next().name, "hello");
  EXPECT_TRUE(tab->until_comment());
  EXPECT_EQ(desk_->streams->tabs(), 1u);
  tab.reset();
  for (int i = 0; i < 2000 && desk_->streams->tabs() > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(desk_->streams->tabs(), 0u);
}

TEST_F(StreamsTest, WhatATabMustNotMissWaitsForIt) {
  ASSERT_TRUE(desk_->streams->claim("ada", "tab1"));
  desk_->streams->send("ada", "tab1", "job", {{"job", 1}});
  desk_->streams->delta("ada", "tab1", "c", "m", "lost", "");
  desk_->streams->send_to_person("ada", "job", {{"job", 2}});
  desk_->streams->send("eve", "tab1", "job", {{"job", 3}});
  TabReader tab(server_->port(), "ada", "tab1");
  EXPECT_EQ(tab.next().name, "hello");
  EXPECT_EQ(tab.next().data, Json({{"job", 1}}));
  EXPECT_EQ(tab.next().data, Json({{"job", 2}}));
}

TEST_F(StreamsTest, TheServersEndStopsRepliesAndKeepsThem) {
  TabReader tab(server_->port(), "ada", "tab1");
  tab.next();
  const auto [id, reply] = begin();
  talker().say(call(0), "as far as this");
  tab.until("delta");
  stop();
  const SseEvent done = tab.next();
  EXPECT_EQ(done.name, "done");
  EXPECT_EQ(done.data["message"]["state"], "stopped");
  EXPECT_EQ(tab.next().name, "");
  EXPECT_EQ(call(0).generating->cancels, 1);
  start();
  EXPECT_EQ(finished(id, reply)["content"], "as far as this");
}

TEST_F(StreamsTest, TheServersEndLetsRepliesEnd) {
  const auto [id, reply] = begin();
  std::thread ends([&] { talker().end(call(0), 0, Finish::kStop, {}); });
  stop(std::chrono::seconds(60));
  ends.join();
  EXPECT_EQ(call(0).generating->cancels, 0);
  start();
  EXPECT_EQ(finished(id, reply)["state"], "done");
}

TEST_F(StreamsTest, AReplyThatIsTooLongIsCut) {
  start({}, {.most_bytes = 1000});
  const auto [id, reply] = begin();
  talker().say(call(0), std::string(900, 'x'));
  talker().say(call(0), std::string(900, 'y'));
  const Json done = finished(id, reply);
  EXPECT_EQ(done["state"], "cut");
  EXPECT_EQ(done["content"], std::string(900, 'x'));
  EXPECT_GE(call(0).generating->cancels, 1);
}

TEST_F(StreamsTest, BytesThatNoDatabaseTakesAreReplaced) {
  const auto [id, reply] = begin();
  talker().say(call(0), std::string("a\0b", 3));
  talker().end(call(0), 0, Finish::kStop, {});
  EXPECT_EQ(finished(id, reply)["content"],
            "a\xef\xbf\xbd"
            "b");
}

}  // namespace
}  // namespace loquat::app
