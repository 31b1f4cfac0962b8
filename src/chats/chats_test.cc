// The store of conversations on both databases: trees, branches, searches, bounds, whose is whose.
#include "chats/chats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "chats/message_json.h"
#include "database/postgres_for_tests.h"

namespace loquat::chats {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

Message user(const std::string& parent, const std::string& content) {
  Message message;
  message.parent = parent;
  message.role = "user";
  message.content = content;
  return message;
}
Message assistant(const std::string& parent, const std::string& content, const std::string& state = "done") {
  Message message = user(parent, content);
  message.role = "assistant";
  message.state = state;
  return message;
}

class ChatsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/loquat-chats-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    address_ = folder_ + "/app.db";
    if (std::string(GetParam()) == "postgres") {
      auto& server = database::PostgresForTests::instance();
      if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
      address_ = server.fresh();
    }
    open();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void open() {
    auto opened = database::Database::open(address_);
    ASSERT_TRUE(opened.ok()) << opened.error();
    database_ = *opened;
    auto chats = Chats::open(database_);
    ASSERT_TRUE(chats.ok()) << chats.error();
    chats_ = *chats;
  }
  std::string make(const std::string& title = "", const std::string& person = "ada") {
    Conversation wanted;
    wanted.title = title;
    auto made = chats_->create(person, wanted);
    EXPECT_TRUE(made.ok() && *made) << (made.ok() ? "full" : made.error());
    return (*made)->id;
  }
  std::string add(const std::string& conversation, Message message, const std::string& person = "ada") {
    auto added = chats_->add(person, conversation, {&message});
    EXPECT_TRUE(added.ok()) << added.error();
    EXPECT_EQ(*added, Chats::Added::kYes);
    return message.id;
  }
  std::vector<std::string> found(const std::string& query, const std::string& person = "ada") {
    auto page = chats_->list(person, query, "", 50);
    EXPECT_TRUE(page.ok()) << page.error();
    std::vector<std::string> titles;
    for (const Found& one : page->found) titles.push_back(one.conversation.title);
    std::sort(titles.begin(), titles.end());
    return titles;
  }
  std::string snippet(const std::string& query) {
    auto page = chats_->list("ada", query, "", 50);
    EXPECT_TRUE(page.ok());
    return page->found.empty() ? "nothing" : page->found[0].snippet;
  }

  std::string folder_, address_;
  std::shared_ptr<database::Database> database_;
  std::shared_ptr<Chats> chats_;
};

TEST_P(ChatsTest, AClientIdIsGoodForOneMessage) {
  const std::string id = make(), other = make();
  Message question = user("", "Hi");
  question.id = new_id();
  question.client_id = "key";
  Message answer = assistant(question.id, "Hello.");
  ASSERT_EQ(*chats_->add("ada", id, {&question, &answer}), Chats::Added::kYes);
  Message twice = user("", "Hi"), elsewhere = twice;
  twice.client_id = elsewhere.client_id = "key";
  EXPECT_EQ(*chats_->add("ada", id, {&twice}), Chats::Added::kSent);
  EXPECT_EQ((*chats_->find("ada", id))->current, answer.id) << "nothing has changed";
  EXPECT_EQ(*chats_->add("ada", other, {&elsewhere}), Chats::Added::kYes);
  open();
  const auto sent = *chats_->sent("ada", id, "key");
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].id, question.id);
  EXPECT_EQ(sent[1].id, answer.id);
  EXPECT_EQ(chats_->sent("ada", id, "other")->size(), 0u);
  EXPECT_EQ(chats_->sent("bob", id, "key")->size(), 0u);
}

TEST_P(ChatsTest, KeepsWhatItIsGiven) {
  const std::string id = make("Tea");
  Message asked = user("", "How do I make tea?");
  asked.files = {{"a.txt", "leaves\n", 0}, {"b.txt", "water", 0}};
  asked.id = new_id();
  Message reply = assistant(asked.id, "", "writing");
  reply.model = "sft";
  reply.sampling = {{"temperature", 0.5}};
  ASSERT_EQ(*chats_->add("ada", id, {&asked, &reply}), Chats::Added::kYes);
  reply.content = "With 💧 and 茶.";
  reply.reasoning = "Hm.";
  reply.tool_calls = {{{"id", "1"}, {"name", "f"}, {"arguments", "{}"}}};
  reply.state = "done";
  reply.model_hash = "ab12";
  reply.usage = Usage{7, 5, 3};
  reply.seconds = Seconds{0.25, 1.5};
  ASSERT_TRUE(*chats_->save_reply(reply));

  const auto messages = *chats_->messages("ada", id);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(message_json(messages[1]), message_json(reply));
  EXPECT_EQ(messages[0].files[1].name, "b.txt");
  EXPECT_EQ(messages[0].files[1].bytes, 5);
  EXPECT_EQ(messages[0].files[1].text, "");
  const auto branch = *chats_->branch("ada", id, reply.id);
  ASSERT_EQ(branch.size(), 2u);
  EXPECT_EQ(branch[0].files[0].text, "leaves\n");
  EXPECT_EQ((*chats_->find("ada", id))->current, reply.id);
}

TEST_P(ChatsTest, BranchesAreTheWayToALeaf) {
  const std::string id = make();
  const std::string a = add(id, user("", "a"));
  const std::string b = add(id, assistant(a, "b"));
  const std::string c = add(id, assistant(a, "c"));
  const std::string d = add(id, user(b, "d"));
  const std::string e = add(id, user("", "e"));  // the first message, written anew
  const auto texts = [&](const std::string& leaf) {
    std::string joined;
    const auto branch = *chats_->branch("ada", id, leaf);
    for (const Message& message : branch) joined += message.content;
    return joined;
  };
  EXPECT_EQ(texts(d), "abd");
  EXPECT_EQ(texts(c), "ac");
  EXPECT_EQ(texts(e), "e");
  EXPECT_EQ(texts("none"), "");
  ConversationChange change;
  change.current = c;
  EXPECT_TRUE(*chats_->change("ada", id, change));
  EXPECT_EQ((*chats_->find("ada", id))->current, c);
  change.current = add(make(), user("", "of another conversation"));
  EXPECT_FALSE(*chats_->change("ada", id, change));
  Message lost = user(*change.current, "parent elsewhere");
  EXPECT_EQ(*chats_->add("ada", id, {&lost}), Chats::Added::kMissing);
  EXPECT_EQ(chats_->messages("ada", id)->size(), 5u);
  EXPECT_EQ((*chats_->find("ada", id))->current, c) << "nothing of an addition that failed stays";
}

TEST_P(ChatsTest, WhatIsAnothersDoesNotExist) {
  const std::string id = make("Secret of Ada");
  const std::string message = add(id, user("", "the secret words"));
  EXPECT_FALSE(chats_->find("eve", id)->has_value());
  EXPECT_TRUE(chats_->messages("eve", id)->empty());
  EXPECT_TRUE(chats_->branch("eve", id, message)->empty());
  EXPECT_FALSE(*chats_->remove("eve", id));
  ConversationChange change;
  change.title = "mine";
  EXPECT_FALSE(*chats_->change("eve", id, change));
  Message more = user(message, "more");
  EXPECT_EQ(*chats_->add("eve", id, {&more}), Chats::Added::kMissing);
  for (const char* query : {"", "secret", "se", "秘密"}) EXPECT_THAT(found(query, "eve"), ElementsAre()) << query;
  EXPECT_TRUE(chats_->ids("eve")->empty());
  EXPECT_THAT(found("secret"), ElementsAre("Secret of Ada"));
}

TEST_P(ChatsTest, FindsWordsAndPartsOfThemInAnyScript) {
  const std::string tea = make("About tea"), kyoto = make("京都の旅"), odd = make("Odd");
  add(tea, user("", "How long should green Tea steep? École"));
  add(kyoto, user("", "我想去京都看红叶，什么时候最好？"));
  add(odd, assistant(add(odd, user("", "100% sure, a_b \"quoted\" O'Neil")), "C:\\path AND (tea OR NOT near*"));
  EXPECT_THAT(found("tea"), ElementsAre("About tea", "Odd"));
  EXPECT_THAT(found("green STEEP"), ElementsAre("About tea"));
  EXPECT_THAT(found("green kyoto"), ElementsAre());
  EXPECT_THAT(found("teep"), ElementsAre("About tea"));
  EXPECT_THAT(found("看红叶"), ElementsAre("京都の旅"));
  EXPECT_THAT(found("红叶"), ElementsAre("京都の旅")) << "two characters: no trigram";
  EXPECT_THAT(found("叶"), ElementsAre("京都の旅"));
  EXPECT_THAT(found("京都の"), ElementsAre("京都の旅")) << "a title";
  EXPECT_THAT(found("红叶 什么时候"), ElementsAre("京都の旅"));
  for (const char* query : {"100%", "a_b", "\"quoted\"", "O'Neil", "C:\\path", "NOT", "near*", "(tea", "AND (tea"})
    EXPECT_THAT(found(query), ElementsAre("Odd")) << query;
  EXPECT_THAT(found("a%b"), ElementsAre());
  EXPECT_THAT(found("axb"), ElementsAre()) << "_ is no wildcard";
  EXPECT_THAT(snippet("看红叶"), HasSubstr("京都\x01看红叶\x02，"));
  EXPECT_EQ(snippet("GREEN"), "How long should \x01green\x02 Tea steep? École");
  EXPECT_EQ(snippet("京都の"), "\x01京都の\x02旅");
}

TEST_P(ChatsTest, TheIndexFollowsWhatChanges) {
  const std::string id = make("first title");
  const std::string asked = add(id, user("", "question"));
  Message reply = assistant(asked, "half of a rep", "writing");
  reply.id = add(id, reply);
  reply.content = "the finished pineapple";
  ASSERT_TRUE(*chats_->save_reply(reply));
  reply.state = "done";
  ASSERT_TRUE(*chats_->save_reply(reply));
  EXPECT_EQ(found("pineapple").size(), 1u);
  EXPECT_EQ(found("half of").size(), 0u);
  reply.content = "the finished mango";
  ASSERT_TRUE(*chats_->save_reply(reply));
  EXPECT_EQ(found("pineapple").size(), 0u);
  EXPECT_EQ(found("mango").size(), 1u);
  ConversationChange change;
  change.title = "second title";
  ASSERT_TRUE(*chats_->change("ada", id, change));
  EXPECT_EQ(found("first").size(), 0u);
  EXPECT_EQ(found("second").size(), 1u);
  ASSERT_TRUE(*chats_->remove("ada", id));
  EXPECT_EQ(found("mango").size(), 0u);
  EXPECT_FALSE(*chats_->save_reply(reply)) << "a reply that ends after its conversation is gone brings nothing back";
  for (const char* table : {"chats_messages", "chats_files"}) {
    const auto left = std::string(table) == "chats_files" ? database_->run("SELECT COUNT(*) FROM chats_files")
                                                          : database_->run("SELECT COUNT(*) FROM chats_messages");
    EXPECT_EQ(left->rows.at(0).integer(0), 0) << table;
  }
}

TEST_P(ChatsTest, ListsInPages) {
  std::vector<std::string> made;
  for (int i = 0; i < 7; ++i) made.push_back(make("chat " + std::to_string(i)));
  ConversationChange change;
  change.pinned = true;
  ASSERT_TRUE(*chats_->change("ada", made[2], change));
  for (const char* query : {"", "chat"}) {
    std::vector<std::string> seen;
    std::string after;
    int pages = 0;
    for (bool more = true; more; ++pages) {
      const auto page = *chats_->list("ada", query, after, 3);
      for (const Found& one : page.found) seen.push_back(one.conversation.id);
      more = page.more;
      after = seen.back();
    }
    EXPECT_EQ(pages, 3) << query;
    EXPECT_EQ(seen[0], made[2]) << "pinned first";
    std::sort(seen.begin(), seen.end());
    std::vector<std::string> all = made;
    std::sort(all.begin(), all.end());
    EXPECT_EQ(seen, all) << query;
  }
}

TEST_P(ChatsTest, OtherKindsAreNotListed) {
  Conversation wanted;
  wanted.kind = "blind";
  wanted.title = "unnamed models";
  const std::string id = (*chats_->create("ada", wanted))->id;
  EXPECT_THAT(found(""), ElementsAre());
  EXPECT_THAT(found("unnamed"), ElementsAre());
  EXPECT_TRUE(chats_->ids("ada")->empty());
  EXPECT_EQ((*chats_->find("ada", id))->kind, "blind");
}

TEST_P(ChatsTest, AReplyThatACrashCutIsStopped) {
  const std::string id = make();
  const std::string asked = add(id, user("", "q"));
  add(id, assistant(asked, "half", "writing"));
  add(id, assistant(asked, "whole", "done"));
  chats_.reset();
  database_.reset();
  open();
  const auto messages = *chats_->messages("ada", id);
  EXPECT_EQ(messages[1].state, "stopped");
  EXPECT_EQ(messages[1].error, "The server ended while this was being written.");  // nobody stopped it
  EXPECT_EQ(messages[1].content, "half");
  EXPECT_EQ(messages[2].state, "done");
  EXPECT_EQ(messages[2].error, "");
  EXPECT_EQ(found("half").size(), 1u);
}

TEST_P(ChatsTest, AFullConversationTakesNoMore) {
  Conversation wanted;
  std::vector<Message> many;
  for (size_t i = 0; i < kMostMessages - 1; ++i) {
    many.push_back(user(i == 0 ? "" : std::to_string(i - 1), "x"));
    many.back().id = std::to_string(i);
  }
  const auto made = chats_->import("ada", wanted, many);
  ASSERT_TRUE(made.ok()) << made.error();
  const std::string id = (*made)->id;
  EXPECT_EQ(chats_->branch("ada", id, (*made)->current)->size(), kMostMessages - 1);
  Message a = user("", "a"), b = user("", "b");
  EXPECT_EQ(*chats_->add("ada", id, {&a, &b}), Chats::Added::kFull);
  EXPECT_EQ(*chats_->add("ada", id, {&a}), Chats::Added::kYes);
  EXPECT_EQ(*chats_->add("ada", id, {&b}), Chats::Added::kFull);
}

TEST_P(ChatsTest, ErasingAPersonTakesAllOfTheirs) {
  Message with_file = user("", "words of ada");
  with_file.files = {{"f", "t", 0}};
  add(make("one"), with_file);
  make("two");
  add(make("of eve", "eve"), user("", "words of eve"), "eve");
  EXPECT_EQ(*chats_->erase_person("ada"), 2);
  EXPECT_THAT(found("words"), ElementsAre());
  EXPECT_THAT(found("words", "eve"), ElementsAre("of eve"));
  EXPECT_EQ(database_->run("SELECT COUNT(*) FROM chats_files")->rows.at(0).integer(0), 0);
}

INSTANTIATE_TEST_SUITE_P(Databases, ChatsTest, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ChatsText, CleanTitlesAndSnippets) {
  EXPECT_EQ(plain_text(std::string("a\0b\xff"
                                   "c",
                                   5)),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd"
            "c");
  EXPECT_EQ(plain_text("茶"), "茶");
  EXPECT_EQ(title_of("  Two\nlines\there "), "Two lines here");
  EXPECT_EQ(title_of("Please write me a very long letter to the people who live next door"),
            "Please write me a very long letter to the people…");
  std::string chinese;
  for (int i = 0; i < 100; ++i) chinese += "茶";
  EXPECT_EQ(title_of(chinese).size(), 48 * 3 + std::string("…").size());
  EXPECT_EQ(plain_text(title_of(std::string(766, ' ') + "茶")), title_of(std::string(766, ' ') + "茶"));
  const std::string far = std::string(500, 'a') + " Straße NADEL " + std::string(500, 'b');
  const std::string shown = snippet_of(far, {"nadel"}, 40);
  EXPECT_THAT(shown, HasSubstr("\x01NADEL\x02"));
  EXPECT_LT(shown.size(), 60u);
  EXPECT_EQ(snippet_of("a\x01"
                       "b\x02"
                       "c",
                       {"b"}),
            "a\x01"
            "b\x02"
            "c");
  EXPECT_EQ(snippet_of("nothing here", {"x"}), "");
}

TEST(ChatsText, SamplingIsChecked) {
  EXPECT_EQ(*read_sampling({{"temperature", 0.5}, {"top_k", nullptr}, {"seed", 7}, {"enable_thinking", true}}),
            (json{{"temperature", 0.5}, {"seed", 7}, {"enable_thinking", true}}));
  for (const json& wrong : {json{{"temperature", 3}}, json{{"temperature", "1"}}, json{{"top_k", 1.5}}, json{{"n", 2}},
                            json{{"enable_thinking", 1}}, json::array(), json("x")})
    EXPECT_FALSE(read_sampling(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace loquat::chats
