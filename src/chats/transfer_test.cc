// Conversations out and in again, and what hostile files do: nothing.
#include "chats/transfer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::chats {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<Incoming> read(const json& body) {
  auto incoming = read_import(body);
  EXPECT_TRUE(incoming.ok()) << incoming.error();
  return incoming.ok() ? *std::move(incoming) : std::vector<Incoming>();
}
std::string why(const json& conversation) {
  const auto incoming = read({{"conversations", {conversation}}});
  return incoming.size() == 1 ? incoming[0].why : "none";
}

TEST(Transfer, WhatGoesOutComesInAgain) {
  Conversation c;
  c.title = "Tea";
  c.system = "Be kind.";
  c.model = "sft";
  c.pinned = true;
  c.sampling = {{"temperature", 0.5}};
  c.created = 1000;
  c.updated = 2000;
  c.current = "m2";
  Message a;
  a.id = "m1";
  a.role = "user";
  a.content = "How?";
  a.files = {{"notes.txt", "```\nx\n```", 9}};
  Message b;
  b.id = "m2";
  b.parent = "m1";
  b.role = "assistant";
  b.content = "So.";
  b.reasoning = "Hm";
  b.state = "cut";
  b.model = "sft";
  b.usage = Usage{1, 2, 3};
  b.seconds = Seconds{0.5, 1};
  Message other = b;
  other.id = "m3";
  other.content = "Or so.";
  other.state = "writing";
  const json exported = export_json(c, {a, b, other});
  const auto incoming = read({{"conversations", {exported}}});
  ASSERT_EQ(incoming.size(), 1u);
  EXPECT_EQ(incoming[0].why, "");
  Conversation back = incoming[0].conversation;
  EXPECT_EQ(back.title + back.system + back.model, "TeaBe kind.sft");
  EXPECT_TRUE(back.pinned);
  EXPECT_EQ(back.updated, 2000);
  EXPECT_EQ(back.current, "m2");
  const auto& messages = incoming[0].messages;
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].files[0].text, "```\nx\n```");
  EXPECT_EQ(messages[1].usage->cached_tokens, 3);
  EXPECT_EQ(messages[1].state, "cut");
  EXPECT_EQ(messages[2].state, "stopped");
  EXPECT_EQ(messages[2].parent, "m1");
  const std::string markdown = export_markdown(c, {a, b});
  EXPECT_THAT(markdown,
              HasSubstr("# Tea\n\n## System\n\nBe kind.\n\n## User\n\nHow?\n\nnotes.txt\n````\n```\nx\n```\n````\n"));
  EXPECT_THAT(markdown, HasSubstr("## sft\n\nSo.\n"));
}

TEST(Transfer, OpenAisMessagesComeInEveryWay) {
  const json list = {
      {{"role", "system"}, {"content", "Be brief."}},
      {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "Hi"}}, {{"type", "text"}, {"text", "!"}}}}},
      {{"role", "assistant"}, {"content", "Hello."}}};
  const json one = {{"messages", list}};
  for (const json& body : {one, json{{"conversations", {one}}}, json{{"conversations", {list}}},
                           json{{"text", list.dump()}}, json{{"text", one.dump()}},
                           json{{"text", json::array({one}).dump()}}, json{{"text", "\n" + one.dump() + "\r\n\n"}}}) {
    const auto incoming = read(body);
    ASSERT_EQ(incoming.size(), 1u) << body;
    EXPECT_EQ(incoming[0].why, "") << body;
    EXPECT_EQ(incoming[0].conversation.system, "Be brief.");
    EXPECT_EQ(incoming[0].conversation.title, "Hi!");
    ASSERT_EQ(incoming[0].messages.size(), 2u);
    EXPECT_EQ(incoming[0].messages[1].parent, incoming[0].messages[0].id);
    EXPECT_EQ(incoming[0].messages[1].content, "Hello.");
  }
  const auto lines = read({{"text", one.dump() + "\n{\"broken\n" + one.dump()}});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].why + lines[2].why, "");
  EXPECT_EQ(lines[1].index, 1);
  EXPECT_NE(lines[1].why, "");
}

TEST(Transfer, WhatCannotBeReadIsLeftOutWithTheReason) {
  const auto message = [](const std::string& id, const json& parent, const std::string& role = "user") {
    return json{{"id", id}, {"parent", parent}, {"role", role}, {"content", "x"}};
  };
  EXPECT_EQ(why({{"messages", {message("a", nullptr), message("b", "a", "assistant")}}}), "");
  EXPECT_THAT(why({{"messages", {message("a", nullptr), message("b", "c")}}}), HasSubstr("parent"));
  EXPECT_THAT(why({{"messages", {message("a", "b"), message("b", "a")}}}), HasSubstr("parent")) << "a ring";
  EXPECT_THAT(why({{"messages", {message("a", "a")}}}), HasSubstr("parent"));
  EXPECT_THAT(why({{"messages", {message("a", nullptr), message("a", nullptr)}}}), HasSubstr("id"));
  EXPECT_THAT(why({{"messages", {message("", nullptr)}}}), HasSubstr("id"));
  EXPECT_THAT(why({{"messages", {message("a", nullptr, "tool")}}}), HasSubstr("role"));
  EXPECT_THAT(why({{"messages", json::array()}}), HasSubstr("no messages"));
  EXPECT_THAT(why({{"messages", {7}}}), HasSubstr("no object"));
  EXPECT_THAT(why({{"messages", 7}}), HasSubstr("list"));
  EXPECT_THAT(why("text"), HasSubstr("list"));
  EXPECT_THAT(why({{"messages", {{{"role", "user"}, {"content", {{{"type", "image_url"}}}}}}}}), HasSubstr("no text"));
  EXPECT_THAT(why({{"messages", {{{"role", "user"}, {"content", std::string(kMostTextBytes + 1, 'x')}}}}}),
              HasSubstr("at most"));
  EXPECT_THAT(why({{"title", std::string(500, 'x')}, {"messages", {message("a", nullptr)}}}), HasSubstr("title"));
  json many = json::array();
  for (int i = 0; i < 100'000; ++i) many.push_back({{"role", "user"}, {"content", ""}});
  EXPECT_THAT(why({{"messages", many}}), HasSubstr("100000 messages"));
  json crowd = json::array();
  const json big = {{"messages", json(std::vector<json>(9000, {{"role", "user"}, {"content", ""}}))}};
  for (int i = 0; i < 5; ++i) crowd.push_back(big);
  size_t taken = 0;
  for (const Incoming& one : read({{"conversations", crowd}})) taken += one.messages.size();
  EXPECT_LE(taken, kMostImportedMessages + kMostMessages);
}

TEST(Transfer, WrongValuesOfOneMessageDoNoHarm) {
  const json odd = {{"id", "a"},
                    {"parent", nullptr},
                    {"role", "assistant"},
                    {"content", std::string("nul\0byte", 8)},
                    {"reasoning", 7},
                    {"tool_calls", "x"},
                    {"files", {{{"name", "n"}, {"text", 7}}}},
                    {"model", {1, 2}},
                    {"model_hash", std::string(63, 'x') + "茶"},
                    {"sampling", {{"temperature", 99}}},
                    {"state", "writing"},
                    {"created", -5e300},
                    {"usage", {{"prompt_tokens", "many"}, {"completion_tokens", 1e300}}},
                    {"seconds", {{"first", "x"}}}};
  const auto incoming =
      read({{"conversations", {{{"messages", {odd}}, {"created", 1e18}, {"pinned", 1}, {"sampling", 5}}}}});
  ASSERT_EQ(incoming.size(), 1u);
  EXPECT_EQ(incoming[0].why, "");
  const Message& message = incoming[0].messages.at(0);
  EXPECT_EQ(message.content,
            "nul\xef\xbf\xbd"
            "byte");
  EXPECT_EQ(plain_text(message.model_hash), message.model_hash);
  EXPECT_EQ(message.sampling, json::object());
  EXPECT_EQ(message.state, "stopped");
  EXPECT_GT(message.created, 0);
  EXPECT_EQ(message.usage->completion_tokens, 0);
  EXPECT_LE(incoming[0].conversation.created, now());
}

TEST(Transfer, WholeFilesThatAreNone) {
  for (const json& body : {json::object(), json{{"conversations", 7}}, json{{"text", 7}}, json{{"text", ""}},
                           json{{"conversations", json::array()}}, json{{"text", "{\"text\": \"{}\"}"}},
                           json{{"text", std::string(1'000'000, '[')}},
                           json{{"conversations", std::vector<json>(kMostImported + 1, nullptr)}}})
    EXPECT_FALSE(read_import(body).ok()) << body.dump().substr(0, 80);
  const auto lines = read({{"text", "\xff\xfe\n\"\\ud800\"\nnull\n"}});
  ASSERT_EQ(lines.size(), 3u);
  for (const Incoming& one : lines) EXPECT_NE(one.why, "");
}

}  // namespace
}  // namespace loquat::chats
