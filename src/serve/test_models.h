// For tests: tiny model folders with random weights.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "model/model.h"
#include "serve/backend.h"
#include "store/files.h"
#include "store/test_folder.h"

namespace loquat::serve {

inline const Tokenizer& test_tokenizer() {
  static const Tokenizer trained = [] {
    const std::vector<std::string> texts = {"Where is the bakery? The bakery is by the harbour."};
    return *Tokenizer::train(texts, {.vocab_size = 280, .special_tokens = loquat_special_tokens()});
  }();
  return trained;
}

inline void write_model(const std::string& folder, uint64_t seed, HeadKind head = HeadKind::kLanguage,
                        int64_t context = 64) {
  ModelConfig c;
  c.vocab_size = test_tokenizer().vocab_size();
  c.hidden_size = 32;
  c.num_layers = 1;
  c.num_heads = 2;
  c.num_kv_heads = 1;
  c.head_dim = 16;
  c.intermediate_size = 48;
  c.max_positions = context;
  c.head = head;
  Model model(c, *all_kernels().back(), DType::kF32, false);
  model.init(Rng(seed));
  ASSERT_TRUE(make_folders(folder).ok());
  ASSERT_TRUE(test_tokenizer().save(folder).ok());
  ASSERT_TRUE(save_model(model, folder).ok());
}

// Takes the events of one call, from whatever thread.
class Collector {
 public:
  struct Choice {
    std::string reasoning, text;
    std::vector<TokenLogprob> prompt, tokens;
    std::optional<Finish> finish;
    Usage usage;
    int events_after_finish = 0;
  };

  std::function<void(GenerateEvent&&)> sink() {
    return [this](GenerateEvent&& event) {
      std::lock_guard lock(mutex_);
      Choice& choice = choices_[event.choice];
      choice.events_after_finish += choice.finish.has_value();
      choice.reasoning += event.reasoning;
      choice.text += event.text;
      for (auto& one : event.prompt) choice.prompt.push_back(std::move(one));
      for (auto& one : event.tokens) choice.tokens.push_back(std::move(one));
      if (event.finish) choice.finish = event.finish, choice.usage = event.usage, ++finished_;
      if (!event.text.empty()) ++pieces_;
      changed_.notify_all();
    };
  }
  std::map<int, Choice> wait(int choices = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finished_ >= choices; });
    return choices_;
  }
  void wait_for_pieces(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pieces_ >= n; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, Choice> choices_;
  int finished_ = 0, pieces_ = 0;
};

inline GenerateCall test_call(const std::string& text = "Where?", int64_t max_tokens = 8) {
  GenerateCall call;
  call.prompt = *ChatTemplate::make(test_tokenizer())->prompt({{"user", text}});
  call.sampling.max_tokens = max_tokens;
  call.seed = 3;
  return call;
}

// A call whose reply the model does not end itself.
inline GenerateCall long_call(int64_t max_tokens) {
  GenerateCall call = test_call("Where?", max_tokens);
  for (const std::string_view stop : {kEndOfTurn, kEndOfText})
    call.sampling.logit_bias.emplace_back(test_tokenizer().special(stop), -100.0f);
  return call;
}

// What the model writes, alone.
inline std::map<int, Collector::Choice> generated(ServedModel& model, const GenerateCall& call) {
  Collector collector;
  auto begun = model.generate(call, collector.sink());
  EXPECT_EQ(begun.index(), 0u);
  return collector.wait(call.n);
}

}  // namespace loquat::serve
