#include "recipe/estimate.h"

#include <algorithm>
#include <chrono>

#include "infer/generate.h"
#include "model/model.h"
#include "redteam/attack.h"
#include "store/files.h"

namespace loquat::recipe {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The shortest time of a few runs, each of at least one call: the machine is shared.
template <typename F>
double shortest(double budget, F&& f) {
  f();  // takes its memory
  double best = 1e30;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point begin = Clock::now();
    f();
    best = std::min(best, since(begin));
  } while (since(start) < budget);
  return best;
}

Batch probe_batch(const ModelConfig& config, int64_t sequences, int64_t length) {
  Batch batch;
  std::vector<int32_t> tokens(static_cast<size_t>(length));
  for (int64_t b = 0; b < sequences; ++b) {
    for (int64_t t = 0; t < length; ++t)
      tokens[static_cast<size_t>(t)] =
          static_cast<int32_t>(mix64(static_cast<uint64_t>(b * length + t)) % static_cast<uint64_t>(config.vocab_size));
    batch.add(tokens);
  }
  return batch;
}

// Mean tokens of a prompt with its reply, and of a reply, in the town's chats; files of people's own run longer.
struct Lengths {
  double chat, reply, prompt;
};
Lengths lengths_of(const RecipePlan& plan) {
  if (plan.world == "town") return {56, 18, 38};
  return {200, 80, 120};
}

}  // namespace

Speeds probe_speeds(const RecipePlan& plan, const Kernels& kernels, DType compute) {
  const ModelConfig config = plan.base.model_config(plan.vocab_size);
  Speeds speeds;
  if (!config.validate().ok()) return {1e4, 3e4, 1e4};  // the stage itself will say what is wrong
  Model model(config, kernels, compute, true);
  model.init(Rng(1, "probe"));
  model.refresh();
  const int64_t length = std::min<int64_t>(64, config.max_positions);
  const Batch batch = probe_batch(config, std::max<int64_t>(1, 2048 / length), length);
  std::vector<int64_t> rows;
  for (int64_t t = 0; t + 1 < batch.rows(); ++t) rows.push_back(t);
  std::vector<int32_t> targets(batch.tokens.begin() + 1, batch.tokens.end());
  const std::vector<float> dlogprob(rows.size(), -1.0f / static_cast<float>(rows.size()));
  const double budget = plan.scale == "smoke" ? 0.05 : 1.0;
  speeds.train = static_cast<double>(batch.rows()) / shortest(budget, [&] {
                   const Mat hidden = model.forward(batch, {.keep_for_backward = true});
                   const Model::LogProbs logprobs = model.log_probs(hidden, rows, targets);
                   model.zero_grads();
                   model.backward(batch, model.log_probs_backward(hidden, rows, targets, 1, logprobs, dlogprob));
                   model.refresh();
                 });
  speeds.forward = static_cast<double>(batch.rows()) / shortest(budget / 2, [&] { model.forward(batch); });
  std::vector<GenerationRequest> requests(128);
  const int64_t prompt = std::min<int64_t>(32, config.max_positions / 2),
                reply = std::min<int64_t>(16, config.max_positions / 4);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt.assign(batch.tokens.begin(), batch.tokens.begin() + prompt);
    requests[i].prompt[0] = static_cast<int32_t>(i);
    requests[i].sampling.max_tokens = reply;
    requests[i].seed = i;
  }
  speeds.generate = 128.0 * static_cast<double>(reply) / shortest(budget / 2, [&] { generate(model, requests); });
  return speeds;
}

std::map<std::string, double> estimate_seconds(const RecipePlan& plan, const Speeds& speeds) {
  const Lengths n = lengths_of(plan);
  std::map<std::string, double> s;
  const bool is_town = plan.world == "town";
  const double document_tokens = is_town ? 1.35 * static_cast<double>(plan.town.document_words + plan.town.lesson_words)
                                         : static_cast<double>(plan.files.max_text_bytes) / 4;
  double base_tokens = plan.base.steps > 0    ? static_cast<double>(plan.base.steps * plan.base.batch_tokens)
                       : plan.base.tokens > 0 ? static_cast<double>(plan.base.tokens)
                                              : plan.base.epochs * document_tokens;
  const double demonstrations = is_town ? static_cast<double>(plan.town.demonstrations) : 20000;
  const auto sft_tokens = [&](const SftOptions& o, double items) {
    return items * n.chat * static_cast<double>(o.epochs) / std::max(0.05, 1 - o.pretrain_fraction);
  };
  s["world"] = document_tokens / 2e6;
  s["tokenizer"] = document_tokens / 2e6;
  s["base"] = base_tokens / speeds.train;
  s["sft"] = sft_tokens(plan.sft, demonstrations) / speeds.train;
  s["reference"] = sft_tokens(plan.reference, demonstrations) / speeds.train;
  const double k = 0.5 * static_cast<double>(plan.comparisons.replies_low + plan.comparisons.replies_high);
  const double prompts = is_town ? static_cast<double>(plan.town.comparison_prompts) : 10000;
  const double replies =
      prompts * k + static_cast<double>(plan.comparisons.test_prompts * plan.comparisons.test_replies);
  s["comparisons"] = replies * n.reply / speeds.generate;
  double reward_tokens = prompts * k * 0.6 * n.chat * static_cast<double>(plan.reward.epochs);
  s["heldout_reward"] = plan.heldout_reward_share * reward_tokens / speeds.train;
  if (plan.contrasts.any()) {
    const auto own = static_cast<double>(plan.contrasts.samples);
    const double each = 1 + own + static_cast<double>(plan.contrasts.made.swapped + plan.contrasts.made.others);
    s["contrasts"] = demonstrations * own * n.reply / speeds.generate;
    reward_tokens += demonstrations * each * n.chat * static_cast<double>(plan.reward.epochs);
  }
  s["reward"] = reward_tokens / speeds.train;
  const double candidates = static_cast<double>(plan.sft.epochs * plan.select.prompts);
  s["select"] = candidates * (n.reply / speeds.generate + n.chat / speeds.forward);
  const double episodes = static_cast<double>(plan.ppo.episodes);
  s["ppo"] = episodes * (n.reply / speeds.generate + 3 * n.chat / speeds.forward +
                         static_cast<double>(plan.ppo.inner_epochs) * 2 * n.chat / speeds.train +
                         plan.ppo.ptx_per_episode *
                             static_cast<double>(plan.ppo.ptx_length > 0 ? plan.ppo.ptx_length : plan.base.context) /
                             speeds.train);
  if (is_town) {
    const auto families = static_cast<double>(redteam::attack_families().size());
    const double tests = 2.0 * static_cast<double>(plan.town.test_helpful) +
                         7.0 * static_cast<double>(plan.town.test_other) +
                         families * static_cast<double>(plan.eval.attacks_per_family * plan.eval.attack_tries);
    for (const char* model : {"base", "sft", "reference", "ppo", "adversarial"})
      s[std::string("eval_") + model] = tests * n.reply / speeds.generate;
    const AdversarialOptions& a = plan.adversarial;
    const double attempts =
        families * static_cast<double>(a.attempts_per_family) + static_cast<double>(a.attacker_attempts);
    const double ordinary =
        static_cast<double>(a.ordinary_prompts) + families * static_cast<double>(a.benign_per_family);
    s["adversarial"] = (attempts + ordinary * static_cast<double>(a.best_of)) * n.reply / speeds.generate +
                       sft_tokens(a.sft, ordinary + 0.3 * attempts) / speeds.train;
  }
  return s;
}

}  // namespace loquat::recipe
