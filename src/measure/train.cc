// A step of pretraining: forward, backward and optimizer over full windows, by the functions that the stages use.
#include <fmt/core.h>

#include <algorithm>

#include "measure/bench.h"
#include "measure/noise.h"
#include "train/batches.h"
#include "train/optimizer.h"

namespace loquat::measure {
namespace {

constexpr int64_t kBatchTokens = 8192;
constexpr int64_t kMicroTokens = 8192;
constexpr int64_t kLoraTokens = 2048;  // a step's and a micro-batch's, so that activations do not outweigh the base
constexpr int64_t kLongest = 1024;
constexpr double kLearningRate = 1e-5;

// Windows of one token more than go through the model: the last is only predicted.
std::vector<TokenSequence> random_windows(int64_t count, int64_t length, int64_t vocab, uint64_t seed) {
  Rng rng(seed, "measure.train");
  std::vector<TokenSequence> windows(static_cast<size_t>(count));
  for (TokenSequence& window : windows) {
    window.tokens = random_tokens(rng, length + 1, vocab);
    window.is_target.assign(window.tokens.size(), 1);
    window.is_target[0] = 0;
  }
  return windows;
}

}  // namespace

Status bench_train(Recorder& recorder) {
  const BenchOptions& options = recorder.options();
  const ModelConfig& config = options.config;
  const bool lora = options.lora > 0;
  const int64_t length = std::min(config.max_positions, kLongest);
  const int64_t sequences =
      options.batch > 0 ? options.batch : std::max<int64_t>(1, (lora ? kLoraTokens : kBatchTokens) / length);
  const int64_t at_once = std::min(sequences, std::max<int64_t>(1, (lora ? kLoraTokens : kMicroTokens) / length));
  TRY_STATUS(check_memory(recorder.kernels(), training_bytes(options, at_once * length),
                          fmt::format("training {}", options.params)));

  std::shared_ptr<const Model> base;
  if (lora) {
    base = random_base(config, recorder.kernels(), options.compute, options.weights, options.seed);
    recorder.count_model(*base, 0, 0);
  }
  const int64_t before = recorder.held();
  const auto model = lora ? random_adapter(base, options.lora, HeadKind::kLanguage, true, options.seed)
                          : random_model(config, recorder.kernels(), options.compute, true, options.seed);
  const int64_t with_model = recorder.held();
  OptimizerOptions optimizer_options;
  optimizer_options.moments = options.moments;
  Optimizer optimizer(*model, optimizer_options);
  recorder.count_model(*model, before, recorder.held() - with_model);

  const auto windows = random_windows(sequences, length, config.vocab_size, options.seed);
  const auto batch = pointers(windows);
  const auto tokens = sequences * length;
  LmPass pass(*model, at_once * (length + 1), options.recompute);
  const auto timings = recorder.watch().repeat_parts(
      {[&] { pass.train(batch, 1.0 / static_cast<double>(tokens)); }, [&] { optimizer.step(kLearningRate); }});

  const std::vector<Pass> passes(static_cast<size_t>(sequences), Pass{0, length, length});
  const int64_t micro = (sequences + at_once - 1) / at_once;
  const Work training = lora ? lora_train_work(config, options.compute, options.weights, options.lora, passes, micro)
                             : train_work(config, options.compute, passes, micro);
  const Work update =
      lora ? lora_optimizer_work(config, options.compute, options.lora) : optimizer_work(config, options.compute);
  Work step = training;
  step += update;
  const std::string shape = fmt::format("{} x {} tokens", sequences, length);
  recorder.add_tokens("step", shape, static_cast<double>(tokens), step, timings[2]);
  recorder.add_tokens("forward, backward", shape, static_cast<double>(tokens), training, timings[0]);
  recorder.add_tokens("optimizer", shape, static_cast<double>(tokens), update, timings[1]);
  return {};
}

}  // namespace loquat::measure
