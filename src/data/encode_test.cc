#include "data/encode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/threads.h"
#include "data/jsonl.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class EncodeTest : public testing::Test {
 protected:
  static Tokenizer make() {
    const std::vector<std::string> texts{"x"};
    return *Tokenizer::train(texts, {.vocab_size = 262, .special_tokens = loquat_special_tokens()});  // bytes alone
  }
  std::string text(const std::vector<int32_t>& tokens) const { return tokenizer_.decode(tokens); }
  std::string targets(const TokenSequence& s) const {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < s.tokens.size(); ++i) {
      if (s.is_target[i]) ids.push_back(s.tokens[i]);
    }
    return tokenizer_.decode(ids);
  }
  const Tokenizer tokenizer_ = make();
  const ChatTemplate chat_ = *ChatTemplate::make(tokenizer_);
  // Every turn takes its letters and two control tokens: 6, 4, 5, 4, 5.
  const Demonstration item_{
      "ex-1", {{"system", "SSSS"}, {"user", "u1"}, {"assistant", "aa1"}, {"user", "u2"}, {"assistant", "aa2"}}};
};

TEST_F(EncodeTest, TheMaskIsTheRepliesAndTheirEnds) {
  const auto got = encode_demonstration(chat_, item_, 24);
  ASSERT_TRUE(got.ok()) << got.error();
  EXPECT_EQ(text(got->tokens),
            "<|system|>SSSS<|end|><|user|>u1<|end|><|assistant|>aa1<|end|><|user|>u2<|end|><|assistant|>aa2<|end|>");
  EXPECT_EQ(targets(*got), "aa1<|end|>aa2<|end|>");
  EXPECT_EQ(got->is_target[0], 0);
  EXPECT_EQ(got->tokens.size(), got->is_target.size());
}

TEST_F(EncodeTest, RepliesOfWeightZeroAreNoTargets) {
  Demonstration item = item_;
  item.untrained = {2};
  EXPECT_EQ(targets(*encode_demonstration(chat_, item, 24)), "aa2<|end|>");
  EXPECT_EQ(targets(*encode_demonstration(chat_, item, 14)), "aa2<|end|>");  // cut: the masked one is gone
  item.untrained = {4};
  EXPECT_EQ(targets(*encode_demonstration(chat_, item, 24)), "aa1<|end|>");
  EXPECT_FALSE(encode_demonstration(chat_, item, 14).ok());  // nothing is left to learn
}

TEST_F(EncodeTest, CutsWholeTurnsFromTheLeft) {
  const auto at = [&](int64_t context) {
    const auto got = encode_demonstration(chat_, item_, context);
    EXPECT_TRUE(got.ok()) << got.error();
    EXPECT_LE(static_cast<int64_t>(got->tokens.size()), context);
    return text(got->tokens);
  };
  const std::string last = "<|user|>u2<|end|><|assistant|>aa2<|end|>";
  EXPECT_EQ(at(23), "<|system|>SSSS<|end|>" + last);  // u1 and its reply go together
  EXPECT_EQ(at(15), "<|system|>SSSS<|end|>" + last);
  EXPECT_EQ(at(14), last);
  EXPECT_EQ(at(9), last);
  EXPECT_EQ(at(8), "<|user|>u2<|end|><|assistant|>aa2");  // then the reply, from the right
  EXPECT_EQ(at(6), "<|user|>u2<|end|><|assistant|>a");
}

TEST_F(EncodeTest, AnEmptyMaskIsAnErrorThatNamesTheExample) {
  for (const int64_t context : {5, 4, 1, 0}) {
    const auto got = encode_demonstration(chat_, item_, context);
    ASSERT_FALSE(got.ok()) << context;
    EXPECT_THAT(got.error(),
                AllOf(HasSubstr("example ex-1"), HasSubstr("the loss mask is empty"), HasSubstr("takes 9 tokens")));
  }
  const auto got = encode_demonstration(chat_, {"ex-2", {{"user", "only a question"}}}, 100);
  ASSERT_FALSE(got.ok());
  EXPECT_THAT(got.error(), AllOf(HasSubstr("ex-2"), HasSubstr("no assistant's turn")));
  EXPECT_FALSE(encode_demonstration(chat_, {"ex-3", {}}, 100).ok());
}

TEST_F(EncodeTest, AllAtOnceAsOneByOneAndTheFirstErrorIsTold) {
  std::vector<Demonstration> items(300, item_);
  const auto all = encode_demonstrations(chat_, items, 15);
  ASSERT_TRUE(all.ok()) << all.error();
  ASSERT_EQ(all->size(), 300u);
  EXPECT_EQ((*all)[299].tokens, encode_demonstration(chat_, item_, 15)->tokens);
  items[200] = {"later", {{"user", "u"}}};
  items[70] = {"earlier", {{"user", "u"}}};
  const auto bad = encode_demonstrations(chat_, items, 15);
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error(), HasSubstr("earlier"));
}

TEST_F(EncodeTest, APromptKeepsItsLastTurn) {
  const Messages prompt{{"system", "S"}, {"user", "u1"}, {"assistant", "a1"}, {"user", "u2"}};
  const auto at = [&](int64_t limit) { return text(*encode_prompt(chat_, prompt, limit, "p")); };
  EXPECT_EQ(at(100), "<|system|>S<|end|><|user|>u1<|end|><|assistant|>a1<|end|><|user|>u2<|end|><|assistant|>");
  EXPECT_EQ(*encode_prompt(chat_, prompt, 100, "p"), *chat_.prompt(prompt));
  EXPECT_EQ(at(15), "<|system|>S<|end|><|user|>u2<|end|><|assistant|>");
  EXPECT_EQ(at(7), "<|user|>u2<|end|><|assistant|>");
  EXPECT_EQ(at(5), "<|user|>u2<|end|><|assistant|>");
  const auto bad = encode_prompt(chat_, prompt, 4, "p-9");
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error(), AllOf(HasSubstr("prompt p-9"), HasSubstr("takes 5 tokens, expected at most 4")));
}

TEST_F(EncodeTest, ResponsesShareTheirPrompt) {
  const Ranking item{"r", {{"user", "u1"}, {"assistant", "a1"}, {"user", "u2"}}, {{"good", 0}, {"x", 1}, {"y", 1}}};
  const auto whole = encode_ranking(chat_, item, 100);
  ASSERT_TRUE(whole.ok()) << whole.error();
  EXPECT_THAT(whole->rank, ElementsAre(0, 1, 1));
  EXPECT_EQ(text(whole->responses[1].tokens),
            "<|user|>u1<|end|><|assistant|>a1<|end|><|user|>u2<|end|><|assistant|>x<|end|>");
  EXPECT_EQ(targets(whole->responses[0]), "good<|end|>");
  const auto cut = encode_ranking(chat_, item, 17);  // 12 + 1 and 5 would be one too many
  ASSERT_TRUE(cut.ok()) << cut.error();
  EXPECT_EQ(text(cut->responses[0].tokens), "<|user|>u2<|end|><|assistant|>good<|end|>");
  EXPECT_EQ(text(cut->responses[1].tokens), "<|user|>u2<|end|><|assistant|>x<|end|>");
  const auto tight = encode_ranking(chat_, item, 7);
  ASSERT_TRUE(tight.ok()) << tight.error();
  EXPECT_EQ(text(tight->responses[0].tokens), "<|user|>u2<|end|><|assistant|>go");
  EXPECT_EQ(text(tight->responses[1].tokens), "<|user|>u2<|end|><|assistant|>x<|end|>");
  const auto bad = encode_ranking(chat_, item, 5);
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error(), HasSubstr("example r"));
}

TEST(EncodeForeign, AModelsOwnTemplateIsCutAsAWhole) {
  const TestFolder folder;
  ASSERT_TRUE(
      Tokenizer::train(std::vector<std::string>{"x"}, {.vocab_size = 259, .special_tokens = {"<e>", "<u>", "<a>"}})
          ->save(folder.path())
          .ok());
  put_bytes(folder / "tokenizer_config.json", R"({"eos_token": "<e>"})");
  put_bytes(folder / "chat_template.jinja",
            "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
            "{{ '<u>' if m.role == 'user' else '<a>' }}{{ m.content | trim }}"
            "<e>{% endfor %}"
            "{% if add_generation_prompt %}<a>{% endif %}");
  const Tokenizer tokenizer = *Tokenizer::load(folder.path());
  const ChatTemplate chat = *ChatTemplate::make(tokenizer);
  const auto text = [&](const std::vector<int32_t>& tokens) { return tokenizer.decode(tokens); };
  const Demonstration talk{"ex", {{"user", "u1"}, {"assistant", " a1"}, {"user", "u2"}, {"assistant", "a2 "}}};
  EXPECT_THAT(encode_demonstration(chat, {"ex-9", {{"system", "x"}, {"assistant", "y"}}}, 100).error(),
              AllOf(HasSubstr("ex-9"), HasSubstr("no system")));
  // 4 tokens a turn, and one that opens a reply while one counts.
  EXPECT_EQ(text(encode_demonstration(chat, talk, 17)->tokens), "<u>u1<e><a>a1<e><u>u2<e><a>a2<e>");
  EXPECT_EQ(text(encode_demonstration(chat, talk, 15)->tokens), "<u>u2<e><a>a2<e>");
  EXPECT_EQ(text(encode_demonstration(chat, talk, 7)->tokens), "<u>u2<e><a>a2");
  EXPECT_EQ(text(*encode_prompt(chat, {{"user", "u1"}, {"assistant", "a1"}, {"user", "u2"}}, 9, "p")), "<u>u2<e><a>");
  EXPECT_THAT(encode_prompt(chat, {{"user", "u2"}}, 4, "p").error(), HasSubstr("takes 5 tokens"));
  const auto ranking = encode_ranking(chat, {"r", {{"user", "u1"}}, {{"x", 0, 0, {}}, {"yy", 1, 0, {}}}}, 20);
  ASSERT_TRUE(ranking.ok()) << ranking.error();
  EXPECT_EQ(text(ranking->responses[1].tokens), "<u>u1<e><a>yy<e>");
  const auto result = encode_demonstration(chat, {"ex-9", {{"tool", "x"}, {"assistant", "y"}}}, 100);
  // Without tools in its template a result is a turn of the user's.
  ASSERT_TRUE(result.ok()) << result.error();
  EXPECT_THAT(text(result->tokens), HasSubstr("<u><tool_response>\nx"));
}

// What a model is shown while it learns to call is what it is shown when it is asked to.
TEST(EncodeTools, StandWhereServingPutsThem) {
  const auto tokenizer = Tokenizer::train(std::vector<std::string>{"weather in town call tool name"},
                                          {.vocab_size = 300, .special_tokens = loquat_special_tokens()});
  ASSERT_TRUE(tokenizer.ok());
  const auto chat = ChatTemplate::make(*tokenizer);
  ASSERT_TRUE(chat.ok()) << chat.error();
  const std::string line =
      R"({"messages":[{"role":"user","content":"weather?"},{"role":"assistant","content":"","tool_calls":[)"
      R"({"id":"1","type":"function","function":{"name":"weather","arguments":"{\"town\":\"X\"}"}}]}],)"
      R"("tools":[{"type":"function","function":{"name":"weather"}}]})";
  const auto item = demonstration_from_json(line);
  ASSERT_TRUE(item.ok()) << item.error();
  EXPECT_EQ(demonstration_from_json(to_json(*item))->tools, item->tools);
  const auto encoded = encode_demonstration(*chat, *item, 4096);
  ASSERT_TRUE(encoded.ok()) << encoded.error();
  const auto asked = chat->prompt({item->messages[0]}, {.tools = item->tools});
  ASSERT_TRUE(asked.ok()) << asked.error();
  ASSERT_GT(encoded->tokens.size(), asked->size());
  EXPECT_TRUE(std::equal(asked->begin(), asked->end(), encoded->tokens.begin()));
  EXPECT_THAT(tokenizer->decode(*asked), HasSubstr("weather\""));
  EXPECT_FALSE(demonstration_from_json(R"({"messages":[{"role":"assistant","content":"x"}],"tools":7})").ok());
}

}  // namespace
}  // namespace loquat
