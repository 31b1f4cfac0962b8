// What a model without a template for tools is told of them, and of what it did.
#include "tokenizer/hermes.h"

#include <gtest/gtest.h>

namespace loquat {
namespace {

constexpr const char* kTools = R"([
  {"type": "function", "function": {"name": "f", "description": "Does.", "strict": true,
                                    "parameters": {"type": "object"}}},
  {"type": "function", "function": {"name": "g"}}])";

TEST(Hermes, AModelIsToldOfItsToolsAndOfWhatItDid) {
  const auto got = as_plain_turns({{"system", "Be brief."},
                                   {"user", "Do it."},
                                   {"assistant", "Yes.", "", {{"1", "f", "{\"b\": 1, \"a\": 2}"}, {"2", "g", ""}}},
                                   {"tool", "one", "", {}, "1"},
                                   {"tool", "two", "", {}, "2"},
                                   {"assistant", "", "", {{"3", "g", "{}"}}},
                                   {"tool", "", "", {}, "3"}},
                                  kTools);
  ASSERT_TRUE(got.ok()) << got.error();
  const Messages& messages = *got;
  ASSERT_EQ(messages.size(), 6u);
  EXPECT_TRUE(messages[0].content.starts_with("Be brief.\n\n"));
  EXPECT_NE(messages[0].content.find("<tools>\n"
                                     "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"Does.\","
                                     "\"parameters\":{\"type\":\"object\"}}}\n"
                                     "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}\n</tools>"),
            std::string::npos)
      << messages[0].content;
  EXPECT_EQ(messages[2].content,
            "Yes.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"b\": 1, \"a\": 2}}\n</tool_call>\n"
            "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(messages[3], (Message{"user",
                                  "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n"
                                  "</tool_response>"}));
  EXPECT_EQ(messages[4].content, "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(messages[5].content, "<tool_response>\n\n</tool_response>");
}

TEST(Hermes, ANewSystemMessageWhereThereIsNone) {
  const Messages asked{{"user", "Do it."}};
  const auto got = as_plain_turns(asked, kTools);
  ASSERT_TRUE(got.ok());
  ASSERT_EQ(got->size(), 2u);
  EXPECT_EQ((*got)[0].role, "system");
  EXPECT_EQ(*as_plain_turns(asked, ""), asked);
  EXPECT_FALSE(as_plain_turns(asked, "{}").ok());
  EXPECT_FALSE(as_plain_turns(asked, "[1]").ok());
}

}  // namespace
}  // namespace loquat
