// The on-policy loop without a critic (group_policy.h).
#include "train/group_policy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "data/questions.h"
#include "train/lm_stage.h"
#include "train/policy_pass.h"
#include "train/rule_reward.h"

namespace loquat {
namespace {

class GroupStage : public Stage {
 public:
  GroupStage(const StageContext& context, const GroupOptions& options, const GroupMethod& method)
      : context_(context), options_(options), method_(method), guards_(options.guard) {}

  Status prepare() {
    TRY(rules_, parse_rules(options_.rules));
    TRY_STATUS(load_models());
    TRY_STATUS(read_prompt_files());
    optimizer_ = std::make_unique<Optimizer>(*policy_, options_.training.optimizer_options());
    pass_ = std::make_unique<PolicyPass>(method_.name(), *policy_, options_.temperature, options_.training);
    index_ = std::make_unique<ShuffledIndex>(static_cast<int64_t>(prompts_.size()),
                                             mix64(context_.seed ^ hash64("group.prompts")));
    schedule_ = options_.training.make_schedule(total_steps());
    return {};
  }

  int64_t total_steps() const override {
    const int64_t iteration = options_.batch * options_.replies;
    return (options_.episodes + iteration - 1) / iteration;
  }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    StepResult result;
    std::vector<size_t> asked;
    std::vector<Episode> episodes = sample(step, asked);
    for (const Episode& e : episodes) {
      if (e.reply() == 0) return Err("{}: a prompt leaves no room for a reply in the context", method_.name());
      result.tokens += e.reply();
    }
    Judges judges{reference_.get(), reward_.model ? &reward_ : nullptr, nullptr,
                  held_out_.model ? &held_out_ : nullptr};
    result.tokens += score_episodes(episodes, judges,
                                    {options_.temperature, options_.unended_score, options_.training.micro_tokens});
    apply_rules(episodes, asked, result);
    describe(episodes, result);
    if (context_.on_rollout) show(episodes, step, result);
    if (!has_first_) first_reward_ = result.metrics["reward"];
    has_first_ = true;
    if (options_.shuffle_rewards) shuffle(episodes, step);
    method_.advantages(episodes, options_.replies);
    const double lr = schedule_.at(step) * lr_scale;
    TRY_STATUS(update(episodes, step, lr, result));
    result.metrics["lr"] = lr;
    watch(episodes, result);
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, *policy_, *optimizer_);
    guards_.save(state);
    state.texts["group"] = fmt::format("{} {:a} {}", index_->cursor(), first_reward_, has_first_ ? 1 : 0);
    save_means(state, means_);
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, *policy_, *optimizer_));
    TRY_STATUS(guards_.load(state));
    const auto found = state.texts.find("group");
    long long cursor = 0;
    int has_first = 0;
    if (found == state.texts.end() ||
        std::sscanf(found->second.c_str(), "%lld %la %d", &cursor, &first_reward_, &has_first) != 3)
      return Err("the checkpoint lacks the state of {}", method_.name());
    has_first_ = has_first != 0;
    index_->seek(cursor);
    return load_means(state, means_);
  }

  Status finish(const std::string& out, StageReport& report) override {
    for (const auto& [name, mean] : means_) report.figures[name] = mean.value();
    report.figures["first_reward"] = first_reward_;
    return write_model_folder(*policy_, *tokenizer_, out);
  }

 private:
  Status load_models() {
    TRY(models_, StageModels::make(*context_.kernels, context_.compute, context_.seed, options_.lora));
    LoadOptions load = models_.load_options();
    TRY(reference_,
        load_model(options_.reference.empty() ? options_.policy : options_.reference, *context_.kernels, load));
    if (!options_.reward.empty()) {
      TRY(reward_, load_reward_model(options_.reward, *context_.kernels, load));
    }
    if (!options_.held_out_reward.empty()) {
      TRY(held_out_, load_reward_model(options_.held_out_reward, *context_.kernels, load));
    }
    load.with_gradients = true;
    TRY(policy_, load_model(options_.policy, *context_.kernels, load));
    TRY(Tokenizer tokenizer, Tokenizer::load(options_.policy));
    tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
    context_length_ = policy_->config().max_positions;
    for (const Model* m : {reference_.get(), reward_.model.get(), held_out_.model.get()}) {
      if (m == nullptr) continue;
      if (m->config().vocab_size != policy_->config().vocab_size)
        return Err("the models differ in vocabulary: {} and {}; they must share one tokenizer", m->config().vocab_size,
                   policy_->config().vocab_size);
      context_length_ = std::min(context_length_, m->config().max_positions);
    }
    return {};
  }

  Status read_prompt_files() {
    TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
    end_of_turn_ = chat.end_of_turn();
    const bool needs_answer =
        std::any_of(rules_.begin(), rules_.end(), [](const Rule& rule) { return rule.needs_answer; });
    const int64_t longest = std::min(options_.max_prompt_tokens, context_length_ - 1);
    for (const std::string& path : options_.prompts) {
      TRY(std::vector<Question> items, read_questions(path));
      for (size_t i = 0; i < items.size(); ++i) {
        if (needs_answer && !items[i].answer)
          return Err("{}: prompt {}: found no \"answer\", expected one for the rule \"exact\"", path, i + 1);
        TRY(std::vector<int32_t> tokens, chat.prompt(items[i].prompt));
        if (static_cast<int64_t>(tokens.size()) > longest) continue;
        prompts_.push_back(std::move(tokens));
        answers_.push_back(items[i].answer.value_or(""));
      }
    }
    if (prompts_.empty()) return Err("prompts: none of at most {} tokens", longest);
    return {};
  }

  // A prompt's replies lie side by side, so that sampling, scoring and training compute it once.
  std::vector<Episode> sample(int64_t step, std::vector<size_t>& asked) {
    std::vector<const std::vector<int32_t>*> prompts;
    std::vector<uint64_t> seeds;
    const uint64_t seed = hash64("group.sample", context_.seed) ^ mix64(static_cast<uint64_t>(step));
    for (int64_t i = 0; i < options_.batch; ++i) {
      const auto prompt = static_cast<size_t>(index_->next());
      for (int64_t k = 0; k < options_.replies; ++k) {
        asked.push_back(prompt);
        prompts.push_back(&prompts_[prompt]);
        seeds.push_back(mix64(seed ^ mix64(static_cast<uint64_t>(i * options_.replies + k) + 1)));
      }
    }
    return sample_episodes(*policy_, prompts, seeds,
                           {options_.temperature, options_.max_reply_tokens, end_of_turn_, options_.sample_batch});
  }

  void apply_rules(std::vector<Episode>& episodes, const std::vector<size_t>& asked, StepResult& result) const {
    if (rules_.empty()) return;
    std::vector<double> held(rules_.size());
    for (size_t i = 0; i < episodes.size(); ++i) {
      Episode& e = episodes[i];
      if (!e.ended) {
        e.score = static_cast<float>(options_.unended_score);
        continue;
      }
      const std::string text = tokenizer_->decode(std::span(e.tokens).subspan(static_cast<size_t>(e.prompt)), true);
      for (size_t r = 0; r < rules_.size(); ++r) {
        if (!rules_[r].holds({text, e.reply(), answers_[asked[i]]})) continue;
        held[r] += 1;
        e.score += static_cast<float>(rules_[r].weight);
      }
    }
    for (size_t r = 0; r < rules_.size(); ++r)
      result.metrics["rewards/" + rules_[r].name] = held[r] / static_cast<double>(episodes.size());
  }

  void describe(const std::vector<Episode>& episodes, StepResult& result) const {
    double reward = 0, kl = 0, length = 0, ended = 0, held_out = 0, deviation = 0, flat = 0;
    for (const Episode& e : episodes) {
      for (size_t t = 0; t < e.logprob.size(); ++t) kl += static_cast<double>(e.logprob[t]) - e.reference[t];
      reward += e.score;
      length += static_cast<double>(e.reply());
      ended += e.ended ? 1 : 0;
      held_out += e.held_out;
    }
    const auto n = static_cast<double>(episodes.size()), k = static_cast<double>(options_.replies);
    for (size_t begin = 0; begin < episodes.size(); begin += static_cast<size_t>(options_.replies)) {
      double mean = 0, square = 0;
      const auto group = std::span(episodes).subspan(begin, static_cast<size_t>(options_.replies));
      for (const Episode& e : group) mean += e.score / k;
      for (const Episode& e : group) square += (e.score - mean) * (e.score - mean);
      deviation += std::sqrt(square / (k - 1));
      flat += std::all_of(group.begin(), group.end(), [&](const Episode& e) { return e.score == group[0].score; });
    }
    auto& m = result.metrics;
    m["reward"] = reward / n;
    m["reward_std"] = deviation / (n / k);
    m["zero_std"] = flat / (n / k);
    m["kl"] = kl / n;
    m["kl_per_token"] = kl / length;
    m["length"] = length / n;
    m["ended"] = ended / n;
    if (held_out_.model != nullptr) m["held_out_reward"] = held_out / n;
  }

  void show(const std::vector<Episode>& episodes, int64_t step, StepResult& result) const {
    std::vector<RolloutSample> samples;
    for (const Episode& e : episodes) {
      const std::span<const int32_t> tokens(e.tokens);
      samples.push_back(
          {tokenizer_->decode(tokens.first(e.prompt)), tokenizer_->decode(tokens.subspan(e.prompt), true), e.ended});
    }
    context_.on_rollout(step, result.metrics["kl"], result.metrics["reward"], samples);
  }

  void shuffle(std::vector<Episode>& episodes, int64_t step) const {
    std::vector<float> scores;
    for (const Episode& e : episodes) scores.push_back(e.score);
    Rng(mix64(context_.seed ^ mix64(static_cast<uint64_t>(step))), "group.shuffle").shuffle(scores);
    for (size_t i = 0; i < episodes.size(); ++i) episodes[i].score = scores[i];
  }

  Status update(const std::vector<Episode>& episodes, int64_t iteration, double lr, StepResult& result) {
    PolicySums sums;
    double loss = 0, low = 0, high = 0, grad_norm = 0, updates = 0;
    std::vector<size_t> order(static_cast<size_t>(options_.batch));
    std::vector<const Episode*> chosen;
    for (int64_t epoch = 0; epoch < options_.inner_epochs; ++epoch) {
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      const auto pass = static_cast<uint64_t>(iteration * options_.inner_epochs + epoch);
      Rng(mix64(context_.seed ^ mix64(pass)), "group.minibatches").shuffle(order);
      for (size_t begin = 0; begin < order.size(); begin += static_cast<size_t>(options_.minibatch)) {
        const size_t end = std::min(order.size(), begin + static_cast<size_t>(options_.minibatch));
        chosen.clear();
        MinibatchSize size;
        for (size_t i = begin * static_cast<size_t>(options_.replies); i < end * static_cast<size_t>(options_.replies);
             ++i) {
          const auto k = static_cast<size_t>(options_.replies);
          chosen.push_back(&episodes[order[i / k] * k + i % k]);
          size.replies += 1;
          if (method_.counts(*chosen.back())) size.tokens += static_cast<double>(chosen.back()->reply());
        }
        const auto slopes_of = [&](const Episode& e, std::span<const float> now, std::span<float> slopes) {
          std::fill(slopes.begin(), slopes.end(), 0.0f);
          if (!method_.counts(e)) return;
          const ReplyLoss reply = method_.loss(e, now, size, slopes);
          loss += reply.loss;
          low += reply.clipped_low;
          high += reply.clipped_high;
        };
        TRY(const int64_t tokens, pass_->run(chosen, updates == 0, sums, slopes_of));
        result.tokens += tokens;
        grad_norm += optimizer_->step(lr);
        updates += 1;
      }
    }
    auto& m = result.metrics;
    m["loss"] = loss / updates;
    m["ratio"] = sums.ratio / sums.tokens;
    m["clip_fraction"] = (low + high) / sums.tokens;
    m["clip_fraction/low"] = low / sums.tokens;
    m["clip_fraction/high"] = high / sums.tokens;
    m["entropy"] = sums.entropy / sums.tokens;
    m["update_kl"] = sums.approximate_kl / sums.tokens;
    m["grad_norm"] = grad_norm / updates;
    return {};
  }

  void watch(const std::vector<Episode>& episodes, StepResult& result) {
    auto& m = result.metrics;
    for (const auto& [name, value] : m) {
      if (name != "lr" && name != "grad_norm" && std::isfinite(value)) means_[name].add(value);
    }
    IterationFigures figures{m["kl"], m["length"], m["ended"], m["entropy"], m["reward"], std::nullopt};
    if (held_out_.model != nullptr) {
      figures.held_out = m["held_out_reward"];
      figures.held_out_deviation = moments_of(episodes, &Episode::held_out).deviation;
    }
    result.trip = guards_.watch(figures);
    result.suspicious = guards_.suspicious();
  }

  const StageContext& context_;
  const GroupOptions& options_;
  const GroupMethod& method_;
  PpoGuards guards_;
  std::vector<Rule> rules_;
  std::unique_ptr<Tokenizer> tokenizer_;
  StageModels models_;
  std::unique_ptr<Model> policy_, reference_;
  RewardModel reward_, held_out_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<PolicyPass> pass_;
  std::unique_ptr<ShuffledIndex> index_;
  std::vector<std::vector<int32_t>> prompts_;
  std::vector<std::string> answers_;  // of the prompts
  std::map<std::string, RunningMean> means_;
  Schedule schedule_;
  int64_t context_length_ = 0;
  int32_t end_of_turn_ = -1;
  double first_reward_ = 0;
  bool has_first_ = false;
};

}  // namespace

TrainingOptions GroupOptions::defaults() {
  TrainingOptions training;
  training.lr = 1e-6;
  training.schedule = "constant";
  training.warmup_steps = 10;
  training.warmup_from = 0.1;
  return training;
}

Result<StageReport> run_group(const StageContext& given, const GroupOptions& options, const GroupMethod& method,
                              const std::string& settings) {
  const std::string name = method.name();
  if (options.policy.empty()) return Err("{}: policy: expected a model's folder (--set policy=DIR)", name);
  if (options.reward.empty() && options.rules.empty())
    return Err("{}: expected reward (a reward model's folder) or rules", name);
  if (options.replies < 2)
    return Err("{}: replies: found {}, expected at least 2: a reply is compared with others to its prompt", name,
               options.replies);
  if (options.lora.rank > 0 && options.lora.dropout > 0)  // as in PPO
    return Err("{}: lora_dropout = {}: expected 0, since it samples from the policy that it trains", name,
               options.lora.dropout);
  StageContext context = given;
  if (options.checkpoint_iterations > 0)
    context.checkpoint_every = std::min(context.checkpoint_every, options.checkpoint_iterations);
  StageHash hash(name, context);
  hash.add("options", settings);
  for (const std::string& folder : {options.policy, options.reference, options.reward, options.held_out_reward}) {
    hash.add("model", folder.empty() ? "none" : "");
    if (!folder.empty()) TRY_STATUS(hash.add_model(folder));
  }
  TRY_STATUS(hash.add_files(options.prompts));
  const StageIdentity identity{name, hash.hex(), options.guard.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<GroupStage>(context, options, method);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
