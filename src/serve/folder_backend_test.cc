// FolderBackend with real model folders: tiny, with random weights, written by the test.
#include "serve/folder_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "infer/chat_engine.h"
#include "store/files.h"
#include "store/test_folder.h"

namespace loquat::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FolderBackendTest : public testing::Test {
 protected:
  static const Kernels& kernels() { return *all_kernels().back(); }

  static const Tokenizer& tokenizer() {
    static const Tokenizer trained = [] {
      const std::vector<std::string> texts = {"Where is the bakery? The bakery is by the harbour."};
      return *Tokenizer::train(texts, {.vocab_size = 280, .special_tokens = loquat_special_tokens()});
    }();
    return trained;
  }

  static void write_model(const std::string& folder, uint64_t seed, HeadKind head = HeadKind::kLanguage) {
    ModelConfig c;
    c.vocab_size = tokenizer().vocab_size();
    c.hidden_size = 32;
    c.num_layers = 1;
    c.num_heads = 2;
    c.num_kv_heads = 1;
    c.head_dim = 16;
    c.intermediate_size = 48;
    c.max_positions = 64;
    c.head = head;
    Model model(c, kernels(), DType::kF32, false);
    model.init(Rng(seed));
    ASSERT_TRUE(make_folders(folder).ok());
    ASSERT_TRUE(tokenizer().save(folder).ok());
    ASSERT_TRUE(save_model(model, folder).ok());
  }

  std::vector<std::string> ids() {
    std::vector<std::string> found;
    for (const ModelInfo& model : backend_.models()) found.push_back(model.id);
    return found;
  }

  static ChatCall call(const std::string& model, const std::string& text = "Where?") {
    ChatCall c;
    c.model = model;
    c.messages = {{"user", text}};
    c.max_tokens = 8;
    c.seed = 3;
    return c;
  }

  // The reply, whose pieces must add up to its text.
  ChatResult reply(const ChatCall& c) {
    std::string pieces;
    const auto result = backend_.reply(c, [&](std::string_view piece) {
      pieces += piece;
      return true;
    });
    EXPECT_TRUE(result.ok()) << result.error();
    if (!result.ok()) return {};
    EXPECT_EQ(pieces, result->text);
    return *result;
  }

  TestFolder folder_;
  FolderBackend backend_{folder_.path(), kernels(), DType::kF32};
};

TEST_F(FolderBackendTest, FindsModelsAsTheyAppear) {
  EXPECT_TRUE(ids().empty());
  const auto none = backend_.check(call("ppo"));
  ASSERT_TRUE(none);
  EXPECT_EQ(none->status, 404);
  EXPECT_THAT(none->message, HasSubstr("none yet"));
  write_model(folder_ / "models/ppo", 1);
  write_model(folder_ / "models/base", 2);
  write_model(folder_ / "models/another", 3);
  write_model(folder_ / "models/reward", 4, HeadKind::kScore);
  EXPECT_THAT(ids(), ElementsAre("base", "ppo", "another"));  // a reward model does not talk
  EXPECT_FALSE(backend_.check(call("ppo")));
  EXPECT_TRUE(backend_.check(call("reward")));
}

TEST_F(FolderBackendTest, ServesAModelsOwnFolder) {
  write_model(folder_ / "mine", 1);
  FolderBackend backend(folder_ / "mine", kernels(), DType::kF32);
  ASSERT_EQ(backend.models().size(), 1u);
  EXPECT_EQ(backend.models()[0].id, "mine");
  EXPECT_GT(backend.models()[0].created, 1'600'000'000);
}

TEST_F(FolderBackendTest, RepliesAsTheModelDoesAndTheSeedDecides) {
  write_model(folder_ / "models/sft", 1);
  const ChatCall c = call("sft");
  const ChatResult first = reply(c);
  EXPECT_EQ(first.text, reply(c).text);
  const auto prompt = ChatTemplate::make(tokenizer())->prompt(c.messages);
  EXPECT_EQ(first.prompt_tokens, static_cast<int64_t>(prompt.size()));
  EXPECT_EQ(first.completion_tokens, 8);
  EXPECT_EQ(first.finish, Finish::kLength);
  const auto model = *ChatModel::load(folder_ / "models/sft", kernels(), DType::kF32);
  const auto own = model->reply(c.messages, {.temperature = 1, .top_p = 1, .max_tokens = 8, .seed = 3},
                                [](std::string_view) { return true; });
  ASSERT_TRUE(own.ok()) << own.error();
  EXPECT_EQ(first.text, own->text);
}

TEST_F(FolderBackendTest, AClientThatGoesAwayEndsTheReply) {
  write_model(folder_ / "models/sft", 1);
  ChatCall c = call("sft");
  c.max_tokens = 0;
  int pieces = 0;
  const auto result = backend_.reply(c, [&](std::string_view piece) { return piece.empty() || ++pieces < 2; });
  ASSERT_TRUE(result.ok()) << result.error();
  EXPECT_EQ(result->finish, Finish::kCancelled);
  EXPECT_EQ(pieces, 2);
}

TEST_F(FolderBackendTest, APromptThatFillsTheContextIsRefused) {
  write_model(folder_ / "models/sft", 1);
  const auto error = backend_.check(call("sft", std::string(100, 'z')));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status, 400);
  EXPECT_EQ(error->code, "context_length_exceeded");
  EXPECT_EQ(error->param, "messages");
}

TEST_F(FolderBackendTest, AModelThatWasWrittenAnewIsLoadedAnew) {
  write_model(folder_ / "models/sft", 1);
  const std::string before = reply(call("sft")).text;
  write_model(folder_ / "models/sft", 99);
  EXPECT_NE(reply(call("sft")).text, before);
}

TEST_F(FolderBackendTest, ADamagedModelIsAnErrorAndNotACrash) {
  write_model(folder_ / "models/sft", 1);
  put_bytes(folder_ / "models/sft/model.safetensors", "damaged");
  const auto error = backend_.check(call("sft"));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status, 500);
  EXPECT_THAT(error->message, HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace loquat::serve
