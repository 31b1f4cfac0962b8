// Prompts into the cache, with the logits of each one's last token, as generation begins.
#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "measure/bench.h"
#include "measure/noise.h"
#include "model/kv_cache.h"

namespace loquat::measure {
namespace {

constexpr int64_t kPrompt = 512;

}  // namespace

Status bench_prefill(Recorder& recorder) {
  const BenchOptions& options = recorder.options();
  const ModelConfig& config = options.config;
  const int64_t length = std::min(config.max_positions, kPrompt), sequences = std::max<int64_t>(1, options.batch);
  const double cached = cache_bytes(config, options.compute, static_cast<double>(sequences * length));
  TRY_STATUS(
      check_memory(recorder.kernels(), serving_bytes(options) + cached, fmt::format("the model {}", options.params)));
  const int64_t before = recorder.held();
  const auto model = random_serving_model(config, recorder.kernels(), options.compute, options.weights, options.seed);
  recorder.count_model(*model, before, 0);
  KvCache cache(config, recorder.kernels(), options.compute, sequences, length);  // a page each
  recorder.memory().cache = static_cast<int64_t>(cached);

  Rng rng(options.seed, "measure.prefill");
  Batch batch;
  std::vector<int32_t> pages(static_cast<size_t>(sequences));
  std::iota(pages.begin(), pages.end(), 0);
  std::vector<CachedSequence> sequences_cached;
  std::vector<int64_t> last_rows;
  for (int64_t b = 0; b < sequences; ++b) {
    batch.add(random_tokens(rng, length, config.vocab_size));
    sequences_cached.push_back({std::span(pages).subspan(b, 1), 0});
    last_rows.push_back(batch.rows() - 1);
  }
  std::vector<float> logits(static_cast<size_t>(sequences * config.vocab_size));
  const Timing timing = recorder.watch().repeat(
      [&] { model->logits(model->forward_cached(batch, cache, sequences_cached), last_rows, logits.data()); });
  const std::vector<Pass> passes(static_cast<size_t>(sequences), Pass{0, length, 1});
  recorder.add_tokens("prompt", fmt::format("{} x {} tokens", sequences, length),
                      static_cast<double>(sequences * length),
                      forward_work(config, options.compute, passes, true, options.weights), timing);
  return {};
}

}  // namespace loquat::measure
