// Talking to a model folder: templates, streams, limits, text scores.
#include "infer/chat_engine.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "infer/utf8_stream.h"
#include "store/files.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ChatEngine : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::vector<std::string> texts = {"Where is the bakery? The bakery is by the harbour.",
                                            "When does the ferry leave? At nine, and again at four in the afternoon.",
                                            "Grüße aus Köln, 東京 and Łódź."};
    auto trained = Tokenizer::train(texts, {.vocab_size = 290, .special_tokens = loquat_special_tokens()});
    ASSERT_TRUE(trained.ok()) << trained.error();
    tokenizer_ = new Tokenizer(*std::move(trained));
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  ChatEngine() {
    ModelConfig c;
    c.vocab_size = tokenizer_->vocab_size();
    c.hidden_size = 32;
    c.num_layers = 2;
    c.num_heads = 2;
    c.num_kv_heads = 1;
    c.head_dim = 16;
    c.intermediate_size = 48;
    c.max_positions = 64;
    Model model(c, kernels(), DType::kF32, false);
    model.init(Rng(8));
    for (float& v : model.values()) v *= 3;
    EXPECT_TRUE(save_model(model, folder_.path()).ok());
    EXPECT_TRUE(tokenizer_->save(folder_.path()).ok());
    auto loaded = ChatModel::load(folder_.path(), kernels());
    EXPECT_TRUE(loaded.ok()) << loaded.error();
    chat_ = *std::move(loaded);
  }

  static const Kernels& kernels() { return *all_kernels().back(); }

  static Tokenizer* tokenizer_;
  TestFolder folder_;
  std::unique_ptr<ChatModel> chat_;
  const Messages question_ = {{"user", "Where is the bakery?"}};
};
Tokenizer* ChatEngine::tokenizer_ = nullptr;

TEST_F(ChatEngine, StreamedPiecesAreTheReply) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::string joined;
    const auto reply = chat_->reply(question_, {.max_tokens = 40, .seed = seed}, [&](std::string_view piece) {
      EXPECT_TRUE(is_utf8(piece));
      joined += piece;
      return true;
    });
    ASSERT_TRUE(reply.ok()) << reply.error();
    EXPECT_EQ(joined, reply->text);
    for (const auto& control : loquat_special_tokens()) EXPECT_THAT(reply->text, testing::Not(HasSubstr(control)));
    EXPECT_TRUE(reply->ended || reply->tokens == 40);
  }
}

TEST_F(ChatEngine, ListenerCanStop) {
  int pieces = 0;
  const auto reply = chat_->reply(question_, {.max_tokens = 40, .seed = 3},
                                  [&](std::string_view piece) { return piece.empty() || ++pieces < 2; });
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(pieces, 2);
  EXPECT_LT(reply->tokens, 40);
}

TEST_F(ChatEngine, ManyAtOnceAndOneAloneSayTheSame) {
  const ReplyParams params{.temperature = 0.9f, .max_tokens = 20, .seed = 77};
  const std::vector<Messages> many = {question_, {{"system", "Be brief."}, {"user", "When?"}}, question_};
  const auto replies = chat_->replies(many, params);
  ASSERT_EQ(replies.size(), 3u);
  const auto alone = chat_->reply(question_, params);
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(replies[0].text, alone->text);
  EXPECT_EQ(replies[0].tokens, alone->tokens);
  EXPECT_NE(replies[0].text, replies[2].text) << "the same conversation, another index";
  EXPECT_EQ(chat_->replies(many, params)[1].text, replies[1].text);
}

// More callers than may be under way at once is another test's (generate_test.cc); here some stop early, and one
// scores.
TEST_F(ChatEngine, RepliesAtTheSameTimeSayWhatEachSaysAlone) {
  constexpr int kCallers = 16;
  const auto conversation = [&](int i) {
    return Messages{{"system", i % 3 ? "Be brief." : "Be kind."}, {"user", std::string(static_cast<size_t>(i), 'w')}};
  };
  const auto params = [](int i) {
    return ReplyParams{.temperature = i % 4 ? 1.0f : 0.0f, .max_tokens = 5 + i, .seed = static_cast<uint64_t>(i)};
  };
  std::vector<std::string> alone, together(kCallers);
  for (int i = 0; i < kCallers; ++i) alone.push_back(chat_->reply(conversation(i), params(i))->text);
  const std::vector<std::string> texts = {"The bakery is on the square."};
  const double logprob = chat_->score(texts)[0].logprob;
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      const auto enough = [](std::string_view piece) { return piece.empty(); };
      EXPECT_TRUE(chat_->reply(conversation(i), params(i + 1), enough).ok());
      together[i] = chat_->reply(conversation(i), params(i))->text;
    });
  }
  for (int i = 0; i < 5; ++i) EXPECT_EQ(chat_->score(texts)[0].logprob, logprob);
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(together, alone);
}

TEST_F(ChatEngine, StopsAtTheTokensThatItsFolderNames) {
  std::vector<int32_t> all(static_cast<size_t>(tokenizer_->vocab_size()));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i);
  ASSERT_TRUE(
      write_file(folder_ / "generation_config.json", fmt::format("{{\"eos_token_id\": [{}]}}", fmt::join(all, ", ")))
          .ok());
  const auto loaded = ChatModel::load(folder_.path(), kernels());
  ASSERT_TRUE(loaded.ok()) << loaded.error();
  const auto reply = (*loaded)->reply(question_, {.max_tokens = 40});
  ASSERT_TRUE(reply.ok());
  EXPECT_TRUE(reply->ended);
  EXPECT_EQ(reply->tokens, 1);
  EXPECT_EQ((*loaded)->replies(std::vector<Messages>{question_}, {.max_tokens = 40})[0].tokens, 1);
  put_bytes(folder_ / "generation_config.json", "{\"eos_token_id\": \"x\"}");
  EXPECT_FALSE(ChatModel::load(folder_.path(), kernels()).ok());
}

TEST_F(ChatEngine, AConversationThatTheTemplateRefusesHasNoReply) {
  const Messages strange = {{"narrator", "Once"}};
  EXPECT_FALSE(chat_->reply(strange, {}).ok());
  const auto replies = chat_->replies(std::vector{strange, question_}, {.max_tokens = 5});
  EXPECT_NE(replies[0].error.find("narrator"), std::string::npos);
  EXPECT_EQ(replies[1].error, "");
  EXPECT_EQ(replies[1].text, chat_->replies(std::vector{question_, question_}, {.max_tokens = 5})[1].text);
}

TEST_F(ChatEngine, SaysWhenThePromptDoesNotFit) {
  const Messages endless = {{"user", std::string(500, 'x')}};
  const auto reply = chat_->reply(endless, {});
  ASSERT_FALSE(reply.ok());
  EXPECT_THAT(reply.error(), AllOf(HasSubstr("tokens"), HasSubstr("context 64")));
  const auto replies = chat_->replies(std::vector{endless, question_}, {.max_tokens = 5});
  EXPECT_FALSE(replies[0].prompt_fits);
  EXPECT_EQ(replies[0].tokens, 0);
  EXPECT_TRUE(replies[1].prompt_fits);
  EXPECT_GT(replies[1].tokens, 0);
}

TEST_F(ChatEngine, ScoresAreSumsOfLogProbs) {
  const std::vector<std::string> texts = {"The bakery is by the harbour.", "", "When does the ferry leave?"};
  const auto scores = chat_->score(texts);
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[0].bytes, 29);
  EXPECT_EQ(scores[1].logprob, 0);
  EXPECT_EQ(scores[1].tokens, 0);
  std::vector<int32_t> tokens = {tokenizer_->special(kEndOfText)};
  for (int32_t t : tokenizer_->encode(texts[2])) tokens.push_back(t);
  Batch batch;
  batch.add(tokens);
  std::vector<int64_t> rows;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) rows.push_back(static_cast<int64_t>(i));
  const auto out = chat_->model().log_probs(chat_->model().forward(batch), rows, std::span(tokens).subspan(1));
  double sum = 0;
  for (float l : out.logprob) sum += static_cast<double>(l);
  EXPECT_DOUBLE_EQ(scores[2].logprob, sum);
  EXPECT_EQ(scores[2].tokens, static_cast<int64_t>(rows.size()));
}

TEST_F(ChatEngine, LongTextsAreScoredWhole) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "The ferry leaves at nine. ";
  const auto whole = chat_->score(std::vector{text})[0];
  EXPECT_GT(whole.tokens, 200);
  EXPECT_LT(whole.logprob, -1.0 * static_cast<double>(whole.tokens));
  // Near what the parts give by themselves: nothing is left out or counted twice.
  const auto half = chat_->score(std::vector{text.substr(0, text.size() / 2)})[0];
  EXPECT_NEAR(whole.logprob, 2 * half.logprob, 0.1 * std::abs(whole.logprob));
}

TEST_F(ChatEngine, RefusesWhatDoesNotFitTogether) {
  EXPECT_THAT(ChatModel::load(folder_ / "none", kernels()).error(), HasSubstr("none"));
  ModelConfig small = chat_->config();
  small.vocab_size = 100;
  Model model(small, kernels(), DType::kF32, false);
  model.init(Rng(1));
  ASSERT_TRUE(save_model(model, folder_.path()).ok());
  const auto loaded = ChatModel::load(folder_.path(), kernels());
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error(), AllOf(HasSubstr(folder_.path()), HasSubstr("vocab_size is 100")));
}

TEST(Utf8Stream, WaitsForWholeCharacters) {
  const std::string text = "aé東😀z";
  for (size_t step = 1; step <= 5; ++step) {
    Utf8Stream stream;
    std::string joined;
    for (size_t i = 0; i < text.size(); i += step) {
      const std::string piece = stream.push(std::string_view(text).substr(i, step));
      EXPECT_TRUE(is_utf8(piece));
      joined += piece;
    }
    EXPECT_EQ(joined + stream.finish(), text);
  }
}

TEST(Utf8Stream, ReplacesWhatIsNoText) {
  const auto joined = [](std::string_view bytes) {
    Utf8Stream stream;
    std::string out;
    for (char b : bytes) out += stream.push({&b, 1});
    return out + stream.finish();
  };
  EXPECT_EQ(joined("a\xFF"), "a\uFFFD");
  EXPECT_EQ(joined("\xC3(b"), "\uFFFD(b");
  EXPECT_EQ(joined("\x80"), "\uFFFD");
  EXPECT_EQ(joined("x\xE6\x9D"), "x\uFFFD");
  EXPECT_EQ(joined("\xED\xA0\x80!"), "\uFFFD\uFFFD\uFFFD!");  // a surrogate
  EXPECT_EQ(joined("\xF4\x90"), "\uFFFD\uFFFD");              // past U+10FFFF
  EXPECT_EQ(joined("\xC0\xAF"), "\uFFFD\uFFFD");              // overlong
}

}  // namespace
}  // namespace loquat
