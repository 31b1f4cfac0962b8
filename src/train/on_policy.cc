// The part that the on-policy stages share (on_policy.h).
#include "train/on_policy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "data/questions.h"

namespace loquat {

Status OnPolicy::load_models(const std::string& critic) {
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
  if (!critic.empty()) {
    TRY(critic_, load_reward_model(critic, *context_.kernels, load));
  }
  TRY(Tokenizer tokenizer, Tokenizer::load(options_.policy));
  tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
  context_length_ = policy_->config().max_positions;
  for (const Model* m : {reference_.get(), reward_.model.get(), critic_.model.get(), held_out_.model.get()}) {
    if (m == nullptr) continue;
    if (m->config().vocab_size != policy_->config().vocab_size) {
      return Err("the models differ in vocabulary: {} and {}; they must share one tokenizer", m->config().vocab_size,
                 policy_->config().vocab_size);
    }
    context_length_ = std::min(context_length_, m->config().max_positions);
  }
  return {};
}

Status OnPolicy::read_prompts(bool answers) {
  TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
  end_of_turn_ = chat.end_of_turn();
  const int64_t longest = std::min(options_.max_prompt_tokens, context_length_ - 1);
  for (const std::string& path : options_.prompts) {
    TRY(std::vector<Question> items, read_questions(path));
    for (size_t i = 0; i < items.size(); ++i) {
      if (answers && !items[i].answer)
        return Err("{}: prompt {}: found no \"answer\", expected one for the rule \"exact\"", path, i + 1);
      TRY(std::vector<int32_t> tokens, chat.prompt(items[i].prompt));
      if (static_cast<int64_t>(tokens.size()) > longest) continue;
      prompts_.push_back(std::move(tokens));
      answers_.push_back(items[i].answer.value_or(""));
    }
  }
  if (prompts_.empty()) return Err("prompts: none of at most {} tokens", longest);
  index_ = std::make_unique<ShuffledIndex>(static_cast<int64_t>(prompts_.size()),
                                           mix64(context_.seed ^ hash64(label_ + ".prompts")));
  return {};
}

std::vector<Episode> OnPolicy::sample(int64_t step, int64_t batch, int64_t replies, std::vector<size_t>* asked) {
  std::vector<const std::vector<int32_t>*> prompts;
  std::vector<uint64_t> seeds;
  const uint64_t seed = hash64(label_ + ".sample", context_.seed) ^ mix64(static_cast<uint64_t>(step));
  for (int64_t i = 0; i < batch; ++i) {
    const auto prompt = static_cast<size_t>(index_->next());
    for (int64_t k = 0; k < replies; ++k) {
      if (asked != nullptr) asked->push_back(prompt);
      prompts.push_back(&prompts_[prompt]);
      seeds.push_back(mix64(seed ^ mix64(static_cast<uint64_t>(i * replies + k) + 1)));
    }
  }
  return sample_episodes(*policy_, prompts, seeds, sampling());
}

int64_t OnPolicy::score(std::vector<Episode>& episodes) {
  const auto there = [](RewardModel& model) { return model.model != nullptr ? &model : nullptr; };
  return score_episodes(episodes, {reference_.get(), there(reward_), there(critic_), held_out()}, scoring());
}

void OnPolicy::describe(const std::vector<Episode>& episodes, int64_t step, StepResult& result) {
  double reward = 0, kl = 0, length = 0, ended = 0, held_out = 0;
  for (const Episode& e : episodes) {
    double episode_kl = 0;
    for (size_t t = 0; t < e.logprob.size(); ++t) episode_kl += static_cast<double>(e.logprob[t]) - e.reference[t];
    reward += e.score;
    kl += episode_kl;
    length += static_cast<double>(e.reply());
    ended += e.ended ? 1 : 0;
    held_out += e.held_out;
  }
  const auto n = static_cast<double>(episodes.size());
  auto& m = result.metrics;
  m["reward"] = reward / n;
  m["kl"] = kl / n;
  m["kl_per_token"] = kl / length;
  m["length"] = length / n;
  m["ended"] = ended / n;
  if (held_out_.model != nullptr) m["held_out_reward"] = held_out / n;
  if (!has_first_) first_reward_ = m["reward"];
  has_first_ = true;
  if (!context_.on_rollout) return;
  std::vector<RolloutSample> samples;
  for (const Episode& e : episodes) {
    const auto tokens = std::span(e.tokens);
    const auto prompt = static_cast<size_t>(e.prompt);
    samples.push_back(
        {tokenizer_->decode(tokens.first(prompt)), tokenizer_->decode(tokens.subspan(prompt), true), e.ended});
  }
  context_.on_rollout(step, m["kl"], m["reward"], samples);
}

void OnPolicy::shuffle_scores(std::vector<Episode>& episodes, int64_t step) const {
  if (!options_.shuffle_rewards) return;
  std::vector<float> scores;
  for (const Episode& e : episodes) scores.push_back(e.score);
  Rng(mix64(context_.seed ^ mix64(static_cast<uint64_t>(step))), label_ + ".shuffle").shuffle(scores);
  for (size_t i = 0; i < episodes.size(); ++i) episodes[i].score = scores[i];
}

void OnPolicy::watch(const std::vector<Episode>& episodes, StepResult& result) {
  auto& m = result.metrics;
  for (const auto& [name, value] : m) {
    if (name != "lr" && !name.ends_with("grad_norm") && std::isfinite(value)) means_[name].add(value);
  }
  IterationFigures figures{m["kl"], m["length"], m["ended"], m["entropy"], m["reward"], std::nullopt};
  if (held_out_.model != nullptr) {
    figures.held_out = m["held_out_reward"];
    figures.held_out_deviation = moments_of(episodes, &Episode::held_out).deviation;
  }
  result.trip = guards_.watch(figures);
  result.suspicious = guards_.suspicious();
}

void OnPolicy::save(CheckpointState& state) const {
  guards_.save(state);
  state.texts["on_policy"] = fmt::format("{} {:a} {}", index_->cursor(), first_reward_, has_first_ ? 1 : 0);
  save_means(state, means_);
}

Status OnPolicy::load(const CheckpointState& state) {
  TRY_STATUS(guards_.load(state));
  const auto found = state.texts.find("on_policy");
  long long cursor = 0;
  int has_first = 0;
  if (found == state.texts.end() ||
      std::sscanf(found->second.c_str(), "%lld %la %d", &cursor, &first_reward_, &has_first) != 3)
    return Err("the checkpoint lacks the state of sampling");
  has_first_ = has_first != 0;
  index_->seek(cursor);
  return load_means(state, means_);
}

Status OnPolicy::finish(const std::string& out, StageReport& report) const {
  for (const auto& [name, mean] : means_) report.figures[name] = mean.value();
  report.figures["first_reward"] = first_reward_;
  return write_model_folder(*context_.ranks, *policy_, *tokenizer_, out);
}

Result<StageReport> run_on_policy(
    const StageContext& given, const OnPolicyOptions& options, const OnPolicyRun& run,
    const std::function<Result<std::unique_ptr<Stage>>(const StageContext& context)>& make) {
  TRY_STATUS(only_alone(given, run.name));
  // The sampler's log-probabilities are those of the first update, bit for bit: dropout would part them.
  if (options.lora.rank > 0 && options.lora.dropout > 0)
    return Err("{}: lora_dropout = {}: expected 0, since it samples from the policy that it trains", run.name,
               options.lora.dropout);
  StageContext context = given;
  if (options.checkpoint_iterations > 0)
    context.checkpoint_every = std::min(context.checkpoint_every, options.checkpoint_iterations);
  StageHash hash(run.name, context);
  hash.add("options", run.settings);
  for (const std::string& folder : run.models) {
    hash.add("model", folder.empty() ? "none" : "");
    if (!folder.empty()) TRY_STATUS(hash.add_model(folder));
  }
  TRY_STATUS(hash.add_files(options.prompts));
  TRY_STATUS(hash.add_files(run.files));
  const StageIdentity identity{run.name, hash.hex(), options.guard.max_rollbacks};
  return run_stage(context, identity, [&] { return make(context); });
}

}  // namespace loquat
