#include "recipe/estimate.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string_view>

#include "data/source.h"
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

// Bytes of text in these files; packed ones hold about three times their size.
double text_bytes(const std::vector<std::string>& paths) {
  double bytes = 0;
  const auto sources = data_sources(paths);
  if (!sources.ok()) return 0;  // the stage itself will say what is wrong
  for (const DataSource& source : *sources)
    for (const std::string& path : source.files) {
      std::error_code error;
      const auto size = static_cast<double>(std::filesystem::file_size(path, error));
      if (!error) bytes += path.ends_with(".gz") || path.ends_with(".zst") ? 3 * size : size;
    }
  return bytes;
}

// How much text there is, in tokens of about four bytes and a half.
struct Sizes {
  double chat, reply;     // mean tokens of a prompt with its reply, and of a reply
  double documents;       // tokens to pretrain on
  double demonstrations;  // tokens of one epoch, as `comparisons`
  double comparisons;
};

Sizes sizes_of(const RecipePlan& plan) {
  constexpr double kBytes = 4.5;
  if (plan.world == "town") {
    const double chat = 34, k = 0.5 * static_cast<double>(plan.comparisons.replies_low + plan.comparisons.replies_high);
    // Of a prompt's K replies about six in ten are different and have ended.
    return {chat, 14, 1.35 * static_cast<double>(plan.town.document_words + plan.town.lesson_words),
            chat * static_cast<double>(plan.town.demonstrations),
            chat * 0.6 * k * static_cast<double>(plan.town.comparison_prompts)};
  }
  const FileData& f = plan.files;
  const double most = f.max_text_bytes > 0 ? static_cast<double>(f.max_text_bytes) : 1e300;
  const auto reply = static_cast<double>(plan.ppo.max_reply_tokens);
  return {2 * reply, reply, std::min(text_bytes(f.texts), most) / kBytes, text_bytes(f.demonstrations) / kBytes,
          text_bytes(f.comparisons) / kBytes};
}

// Of the methods beside PPO. A ranking of K replies has about K² / 3 pairs that are not tied.
void estimate_direct(const DirectPlan& direct, const Speeds& speeds, const Sizes& n, std::map<std::string, double>& s) {
  const double pairs = n.comparisons * 2, both = 1 / speeds.train, again = 1 / speeds.forward;
  if (direct.dpo) s["dpo"] = pairs * (static_cast<double>(direct.dpo->epochs) * both + again);
  if (direct.orpo) s["orpo"] = pairs * static_cast<double>(direct.orpo->epochs) * both;
  if (direct.kto) s["kto"] = n.comparisons * (static_cast<double>(direct.kto->epochs) * (both + again) + 2 * again);
  const auto group = [&](const GroupOptions& o) {
    return static_cast<double>(o.episodes) *
           (n.reply / speeds.generate + 2 * n.chat * again + static_cast<double>(o.inner_epochs) * n.chat * both);
  };
  if (direct.grpo) s["grpo"] = group(direct.grpo->group);
  if (direct.rloo) s["rloo"] = group(direct.rloo->group);
  if (direct.rejection) {
    const RejectionOptions& o = *direct.rejection;
    const double prompts = o.prompts_per_round > 0 ? static_cast<double>(o.prompts_per_round) : 1000;
    s["rejection"] = static_cast<double>(o.rounds) * prompts *
                     (static_cast<double>(o.n) * (n.reply / speeds.generate + n.chat * again) +
                      static_cast<double>(o.epochs) * n.chat * both);
  }
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
                   model.zero_grads();
                   model.backward(batch, model.likelihood_backward(hidden, rows, targets, dlogprob).dhidden);
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
  speeds.shares_prompts = kernels.shared_prefixes;
  speeds.generate = 128.0 * static_cast<double>(reply) / shortest(budget / 2, [&] { generate(model, requests); });
  return speeds;
}

std::map<std::string, double> estimate_seconds(const RecipePlan& plan, const Speeds& speeds) {
  const Sizes n = sizes_of(plan);
  std::map<std::string, double> s;
  const bool is_town = plan.world == "town";
  const double base_tokens = plan.base.steps > 0    ? static_cast<double>(plan.base.steps * plan.base.batch_tokens)
                             : plan.base.tokens > 0 ? static_cast<double>(plan.base.tokens)
                                                    : static_cast<double>(plan.base.epochs) * n.documents;
  const auto sft_tokens = [&](const SftOptions& o, double tokens) {
    return tokens * static_cast<double>(o.epochs) / std::max(0.05, 1 - o.pretrain_fraction);
  };
  s[is_town ? "world" : "data"] = n.documents / 4e6;
  s["tokenizer"] = n.documents / 8e6;
  s["base"] = base_tokens / speeds.train;
  s["sft"] = sft_tokens(plan.sft, n.demonstrations) / speeds.train;
  s["reference"] = plan.reference_is_sft ? 0 : sft_tokens(plan.reference, n.demonstrations) / speeds.train;
  const double k = 0.5 * static_cast<double>(plan.comparisons.replies_low + plan.comparisons.replies_high);
  const double replies = static_cast<double>(plan.town.comparison_prompts) * k +
                         static_cast<double>(plan.comparisons.test_prompts * plan.comparisons.test_replies);
  s["comparisons"] = replies * n.reply / speeds.generate;
  double reward_tokens = n.comparisons * static_cast<double>(plan.reward.epochs);
  // Of the sequences' tokens, the prompts' are trained on once for all of a prompt's replies; the text in the mix is a
  // share of all of them.
  const double once = speeds.shares_prompts ? 0.55 : 1.0;
  const double text = plan.reward.pretrain_fraction / (1 - plan.reward.pretrain_fraction);
  s["heldout_reward"] = plan.heldout_reward_share * reward_tokens * (once + text) / speeds.train;
  if (plan.contrasts.any()) {
    const auto own = static_cast<double>(plan.contrasts.samples);
    const double each = 1 + own + static_cast<double>(plan.contrasts.made.swapped + plan.contrasts.made.others) +
                        0.3 * static_cast<double>(plan.contrasts.made.repeated);
    s["contrasts"] = n.demonstrations / n.chat * own * n.reply / speeds.generate;
    reward_tokens += n.demonstrations * each * static_cast<double>(plan.reward.epochs);
  }
  s["reward"] = reward_tokens * (once + text) / speeds.train;
  const double candidates = static_cast<double>(plan.sft.epochs * plan.select.prompts);
  s["select"] = candidates * (n.reply / speeds.generate + n.chat / speeds.forward);
  const double episodes = static_cast<double>(plan.ppo.episodes);
  s["ppo"] = episodes * (n.reply / speeds.generate + 3 * n.chat / speeds.forward +
                         static_cast<double>(plan.ppo.inner_epochs) * 2 * n.chat / speeds.train +
                         plan.ppo.ptx_per_episode *
                             static_cast<double>(plan.ppo.ptx_length > 0 ? plan.ppo.ptx_length : plan.base.context) /
                             speeds.train);
  estimate_direct(plan.direct, speeds, n, s);
  if (is_town) {
    const auto families = static_cast<double>(redteam::attack_families().size());
    const double tests = 2.0 * static_cast<double>(plan.town.test_helpful) +
                         7.0 * static_cast<double>(plan.town.test_other) +
                         families * static_cast<double>(plan.eval.attacks_per_family * plan.eval.attack_tries);
    // Replies are read by the gold scorer too, and the base model's few-shot prompts are long.
    std::vector<std::string> models = plan.direct.names();
    models.insert(models.end(), {"base", "reference", "ppo", "adversarial"});
    if (!plan.reference_is_sft) models.push_back("sft");  // else the reference's measures are its own
    for (const std::string& model : models)
      s["eval_" + model] = (model == "base" ? 3.6 : 1.8) * tests * n.reply / speeds.generate;
    const AdversarialOptions& a = plan.adversarial;
    const double attempts =
        families * static_cast<double>(a.attempts_per_family) + static_cast<double>(a.attacker_attempts);
    const double ordinary =
        static_cast<double>(a.ordinary_prompts) + families * static_cast<double>(a.benign_per_family);
    s["adversarial"] = (attempts + ordinary * static_cast<double>(a.best_of)) * n.reply / speeds.generate +
                       sft_tokens(a.sft, n.chat * (ordinary + 0.3 * attempts)) / speeds.train;
  }
  return s;
}

}  // namespace loquat::recipe
