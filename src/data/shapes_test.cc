#include "data/shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "data/jsonl.h"
#include "data/rows.h"

namespace loquat {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

json row(const std::string& text) {
  return *parse_row(text);
}

std::string shape(const std::string& text) {
  const Shape* found = shape_of(row(text));
  return found == nullptr ? "none" : found->name;
}

Demonstration demonstration(const std::string& text) {
  const auto got = demonstration_of_row(row(text));
  EXPECT_TRUE(got.ok()) << text << ": " << got.error();
  return got.ok() ? *got : Demonstration{};
}

Ranking ranking(const std::string& text) {
  const auto got = ranking_of_row(row(text));
  EXPECT_TRUE(got.ok()) << text << ": " << got.error();
  EXPECT_TRUE(!got.ok() || got->has_value()) << text;
  return got.ok() && *got ? **got : Ranking{};
}

template <typename T>
std::string error_of(const Result<T>& result) {
  return result.ok() ? "no error" : result.error();
}

const Messages kExchange{{"user", "q"}, {"assistant", "a"}};

TEST(Shapes, EveryConversationBecomesTheSameDemonstration) {
  const std::pair<const char*, const char*> cases[] = {
      {"OpenAI messages", R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})"},
      {"OpenAI messages",
       R"({"messages": "[{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"a\"}]"})"},
      {"OpenAI messages",
       R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, {"role": "assistant", "content": "a"}]})"},
      {"ShareGPT", R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})"},
      {"ShareGPT", R"({"items": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "id": "x"})"},
      {"ShareGPT", R"({"conversation": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})"},
      {"prompt and completion", R"({"prompt": "q", "completion": "a"})"},
      {"prompt and completion", R"({"prompt": "q", "response": "a"})"},
      {"prompt and completion",
       R"({"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]})"},
      {"Alpaca", R"({"instruction": "q", "input": "", "output": "a", "text": "Below is ..."})"},
      {"Alpaca", R"({"instruction": "q", "input": null, "output": "a", "system": ""})"},
      {"Dolly", R"({"instruction": "q", "context": "", "response": "a", "category": "c"})"},
      {"question and answer", R"({"question": "q", "answer": "a"})"},
      {"question and answer", R"({"question": "q", "response": "a", "system_prompt": ""})"},
  };
  for (const auto& [name, text] : cases) {
    EXPECT_EQ(shape(text), name) << text;
    EXPECT_EQ(demonstration(text).messages, kExchange) << text;
    EXPECT_EQ(*prompt_of_row(row(text)), (Messages{{"user", "q"}})) << text;
  }
  EXPECT_EQ(*text_of_row(row(R"({"instruction": "q", "output": "a"})")), "User: q\nAssistant: a");
  EXPECT_EQ(*text_of_row(row(R"({"instruction": "q", "output": "a", "text": "t"})")), "t");
}

TEST(Shapes, SystemsTurnsAndInputs) {
  const Messages with{{"system", "s"}, {"user", "q\n\ni"}, {"assistant", "a"}};
  EXPECT_EQ(demonstration(R"({"instruction": "q", "input": "i", "output": "a", "system": "s"})").messages, with);
  EXPECT_EQ(demonstration(R"({"instruction": "q", "context": "i", "response": "a", "system": "s"})").messages, with);
  const Messages turns{{"system", "s"}, {"user", "q"}, {"assistant", "a"}};
  for (
      const char* text :
      {R"({"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})",
       R"({"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})",
       R"({"messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})",
       R"({"system_prompt": "s", "question": "q", "response": "a"})"})
    EXPECT_EQ(demonstration(text).messages, turns) << text;
}

TEST(Shapes, TurnsOfWeightZeroAreNoTargets) {
  const auto item = demonstration(
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 0}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 1}]})");
  EXPECT_THAT(item.untrained, ElementsAre(1));
  const auto shifted = demonstration(
      R"({"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a", "train": false}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})");
  EXPECT_THAT(shifted.untrained, ElementsAre(2));
  EXPECT_THAT(
      error_of(demonstration_of_row(row(R"({"messages": [{"role": "assistant", "content": "a", "weight": 2}]})"))),
      HasSubstr("messages[0].weight: found 2, expected 0 or 1"));
  EXPECT_THAT(
      error_of(demonstration_of_row(row(R"({"messages": [{"role": "assistant", "content": "a", "weight": 0}]})"))),
      HasSubstr("every assistant's turn has the weight 0"));
  const auto again = demonstration_of_row(row(to_json(item)));
  EXPECT_EQ(again->untrained, item.untrained);
}

TEST(Shapes, CallsOfToolsTheirResultsAndThoughts) {
  Message call{"assistant", "", "think", {{"c1", "weather", "{\"city\":\"Rome\"}"}}};
  call.null_content = true;
  Message result{"tool", "sunny"};
  result.tool_call_id = "c1";
  result.name = "weather";
  const Messages expected{{"user", "q"}, call, result, {"assistant", "a"}};
  const auto item = demonstration(
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "reasoning_content": "think", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}}]}, {"role": "tool", "tool_call_id": "c1", "name": "weather", "content": "sunny"}, {"role": "assistant", "content": "a"}]})");
  EXPECT_EQ(item.messages, expected);
  EXPECT_EQ(demonstration(to_json(item)).messages, expected);
  const auto shared = demonstration(
      R"({"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": "{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}"}, {"from": "observation", "value": "sunny"}, {"from": "gpt", "value": "a"}]})");
  ASSERT_EQ(shared.messages.size(), 4u);
  EXPECT_EQ(shared.messages[1].tool_calls, (std::vector<ToolCall>{{"", "weather", "{\"city\":\"Rome\"}"}}));
  EXPECT_EQ(shared.messages[2].role, "tool");
  const auto error = [](const std::string& message) {
    return error_of(demonstration_of_row(row(R"({"messages": [)" + message + "]}")));
  };
  EXPECT_THAT(error(R"({"role": "assistant", "content": null})"), HasSubstr("messages[0].content: found null"));
  EXPECT_THAT(error(R"({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "x"}}]})"),
              HasSubstr("messages[0].tool_calls[0].function.arguments: found \"x\""));
  EXPECT_THAT(error(R"({"role": "assistant", "tool_calls": 1})"), HasSubstr("tool_calls: found 1"));
}

TEST(Shapes, EveryPreferenceBecomesTheSameRanking) {
  const std::pair<const char*, const char*> cases[] = {
      {"TRL preference", R"({"prompt": "q", "chosen": "good", "rejected": "bad"})"},
      {"TRL preference, conversational",
       R"({"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "good"}], "rejected": [{"role": "assistant", "content": "bad"}]})"},
      {"TRL preference",
       R"({"prompt": "q", "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "bad"}], "messages": []})"},
      {"TRL preference, implicit prompt",
       R"({"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "bad"}]})"},
      {"HH-RLHF transcripts",
       R"({"chosen": "\n\nHuman: q\n\nAssistant: good", "rejected": "\n\nHuman: q\n\nAssistant: bad"})"},
      {"question with chosen and rejected", R"({"system": "", "question": "q", "chosen": "good", "rejected": "bad"})"},
      {"question with two replies", R"({"question": "q", "response_j": "good", "response_k": "bad"})"},
      {"scored replies",
       R"({"instruction": "q", "completions": [{"response": "good", "overall_score": 9}, {"response": "bad", "overall_score": 2.5}]})"},
      {"scored replies", R"({"prompt": "q", "responses": ["good", "bad"], "scores": ["0.5", "-1"]})"},
      {"scored replies", R"({"prompt": "q", "responses": [{"text": "good", "rank": 1}, {"text": "bad", "rank": 2}]})"},
      {"ranked replies",
       R"({"messages": [{"role": "user", "content": "q"}], "responses": [{"text": "good", "rank": 0}, {"text": "bad", "rank": 1}]})"},
  };
  for (const auto& [name, text] : cases) {
    EXPECT_EQ(shape(text), name) << text;
    const Ranking got = ranking(text);
    EXPECT_EQ(got.prompt, (Messages{{"user", "q"}})) << text;
    ASSERT_EQ(got.responses.size(), 2u) << text;
    EXPECT_EQ(got.responses[0].text, "good") << text;
    EXPECT_EQ(got.responses[0].rank, 0) << text;
    EXPECT_EQ(got.responses[1].text, "bad") << text;
    EXPECT_EQ(got.responses[1].rank, 1) << text;
  }
  const Ranking tied = ranking(R"({"prompt": "q", "responses": ["a", "b", "c"], "scores": [1, 3, 1]})");
  EXPECT_EQ(tied.responses[0].rank, 1);
  EXPECT_EQ(tied.responses[1].rank, 0);
  EXPECT_EQ(tied.responses[2].rank, 1);
  const auto all_tied = ranking_of_row(row(R"({"prompt": "q", "responses": ["a", "b"], "scores": [1, 1]})"));
  EXPECT_TRUE(all_tied.ok() && !*all_tied);
}

TEST(Shapes, JudgedRepliesAreSeenAndPassedOver) {
  const std::pair<const char*, const char*> cases[] = {
      {"KTO", R"({"prompt": "q", "completion": "a", "label": false})"},
      {"KTO", R"({"prompt": "q", "completion": "a", "label": "False"})"},  // of a table
      {"KTO, conversational",
       R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "label": false})"},
      {"judged replies", R"({"context": "[{\"role\": \"user\", \"text\": \"q\"}]", "generation": "a", "reward": 0.0})"},
  };
  for (const auto& [name, text] : cases) {
    ASSERT_EQ(shape(text), name) << text;
    const auto read = shape_of(row(text))->read(row(text));
    ASSERT_TRUE(read.ok() && *read) << error_of(read);
    EXPECT_EQ((*read)->messages, (Messages{{"user", "q"}}));
    EXPECT_EQ((*read)->responses[0].text, "a");
    EXPECT_FALSE((*read)->desirable);
    const auto compared = ranking_of_row(row(text));
    EXPECT_TRUE(compared.ok() && !*compared) << text;
  }
  EXPECT_EQ(shape(R"({"prompt": "q", "completion": "a", "label": "sports"})"), "prompt and completion");
  EXPECT_TRUE(is_rejected_reply(row(cases[0].second)));
  EXPECT_FALSE(is_rejected_reply(row(R"({"prompt": "q", "completion": "a", "label": true})")));
  EXPECT_FALSE(is_rejected_reply(row(R"({"prompt": "q", "completion": "a"})")));
}

TEST(Shapes, SaysWhatIsAmbiguousAndWhatIsNearest) {
  const auto error = [](const std::string& text, const std::string& name = "") {
    return error_of(demonstration_of_row(row(text), name));
  };
  const std::string both =
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "instruction": "x", "output": "y"})";
  EXPECT_THAT(error(both), AllOf(HasSubstr("both OpenAI messages"), HasSubstr("and Alpaca"), HasSubstr("--shape")));
  EXPECT_EQ(error(both, "Alpaca"), "no error");
  EXPECT_EQ(demonstration_of_row(row(both), "openai-messages")->messages, kExchange);
  EXPECT_THAT(error(both, "ShareGPT"), HasSubstr("which is not ShareGPT"));
  EXPECT_THAT(error(both, "TRL preference"), HasSubstr("expected one for demonstrations: "));
  EXPECT_THAT(error(R"({"Prompt": "q", "Completions": "a"})"),
              AllOf(HasSubstr("--map prompt=Prompt,completion=Completions"),
                    HasSubstr("map = { prompt = \"Prompt\", completion = \"Completions\" }")));
  EXPECT_THAT(error(R"({"instruction": "q", "reply": "a"})"),
              HasSubstr("the nearest shape is Alpaca, which lacks \"output\" (--map NAME=COLUMN, or "));
  EXPECT_THAT(error(R"({"prompt": "q", "chosen": "a", "rejected": "b"})"), HasSubstr("this is TRL preference"));
  EXPECT_THAT(error_of(ranking_of_row(row(R"({"messages": []})"))), HasSubstr("this is OpenAI messages"));
  EXPECT_THAT(error_of(ranking_of_row(row(R"({"prompt": "q", "completion": "a"})"))),
              HasSubstr("which has demonstrations"));
}

TEST(Shapes, ColumnsAreRenamed) {
  json r = row(R"({"question": "q", "completion": "old", "answer": "a"})");
  ASSERT_TRUE(rename_columns(r, *parse_map("prompt=question,completion=answer")).ok());
  EXPECT_EQ(r, row(R"({"prompt": "q", "completion": "a"})"));
  json swapped = row(R"({"chosen": "bad", "rejected": "good"})");
  ASSERT_TRUE(rename_columns(swapped, *parse_map("chosen=rejected,rejected=chosen")).ok());
  EXPECT_EQ(swapped, row(R"({"chosen": "good", "rejected": "bad"})"));
  EXPECT_THAT(error_of(rename_columns(r, {{"prompt", "Frage"}})),
              HasSubstr("found completion, prompt, expected a column \"Frage\""));
  for (const char* bad : {"", "prompt", "=x", "x=", "a=b,"}) EXPECT_FALSE(parse_map(bad).ok()) << bad;
}

TEST(Shapes, NamesAreDifferentAndFound) {
  std::set<std::string> names;
  for (const Shape& shape : shapes()) {
    EXPECT_TRUE(names.insert(shape.name).second) << shape.name;
    EXPECT_EQ(shape_named(shape.name), &shape);
  }
  EXPECT_EQ(shape_named("nothing"), nullptr);
}

}  // namespace
}  // namespace loquat
