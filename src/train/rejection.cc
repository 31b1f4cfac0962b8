// Rejection sampling fine-tuning (rejection.h).
#include "train/rejection.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "store/files.h"
#include "train/best_of.h"
#include "train/lm_stage.h"
#include "train/needed.h"
#include "train/rollout.h"

namespace loquat {
namespace {

using nlohmann::json;

struct Chosen {
  size_t prompt = 0;  // its number
  std::vector<int32_t> reply;
  float score = 0;
};

struct SampledSums {
  double replies = 0, reward = 0, prompts = 0, best = 0, length = 0, ended = 0;
};

class RejectionStage : public Stage {
 public:
  RejectionStage(const StageContext& context, const RejectionOptions& options) : context_(context), options_(options) {}

  Status prepare() {
    TRY(models_, StageModels::make(*context_.kernels, context_.compute, context_.seed, options_.lora));
    LoadOptions load = models_.load_options();
    TRY(reward_, load_reward_model(options_.reward, *context_.kernels, load));
    load.with_gradients = true;
    TRY(model_, load_model(options_.policy, *context_.kernels, load));
    if (reward_.model->config().vocab_size != model_->config().vocab_size)
      return Err("the models differ in vocabulary: {} and {}; they must share one tokenizer",
                 reward_.model->config().vocab_size, model_->config().vocab_size);
    TRY(Tokenizer tokenizer, Tokenizer::load(options_.policy));
    tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
    TRY_STATUS(read_prompt_files());
    index_ = std::make_unique<ShuffledIndex>(static_cast<int64_t>(prompts_.size()),
                                             mix64(context_.seed ^ hash64("rejection.prompts")));
    const auto all = static_cast<int64_t>(prompts_.size());
    asked_ = options_.prompts_per_round > 0 ? std::min(options_.prompts_per_round, all) : all;
    sampling_steps_ = (asked_ + options_.sample_prompts - 1) / options_.sample_prompts;
    tuning_steps_ = options_.epochs * ((most_kept(asked_) + options_.batch - 1) / options_.batch);
    schedule_ = options_.training.make_schedule(tuning_steps_);
    optimizer_ = std::make_unique<Optimizer>(*model_, options_.training.optimizer_options());
    pass_ = std::make_unique<LmPass>(*model_, options_.training.micro_tokens, options_.training.recompute);
    pass_->set_lora_dropout(options_.lora.dropout);
    return {};
  }

  int64_t total_steps() const override { return options_.rounds * (sampling_steps_ + tuning_steps_); }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    const int64_t of_round = sampling_steps_ + tuning_steps_, round = step / of_round, at = step % of_round;
    StepResult result;
    result.metrics["round"] = static_cast<double>(round + 1);
    if (at < sampling_steps_) {
      if (at == 0) {
        chosen_.clear();
        sums_ = {};
      }
      TRY_STATUS(sample(step, at, result));
    } else {
      if (sequences_round_ != round) TRY_STATUS(prepare_tuning(round));
      tune(at - sampling_steps_, lr_scale, result);
    }
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, *model_, *optimizer_);
    save_means(state, means_);
    json chosen = json::array();
    for (const Chosen& c : chosen_) chosen.push_back({c.prompt, c.score, c.reply});
    const SampledSums& s = sums_;
    state.texts["rejection"] = json{
        {"chosen", chosen},
        {"cursor", index_->cursor()},
        {"sums", {s.replies, s.reward, s.prompts, s.best, s.length, s.ended}},
        {"first", first_reward_}}.dump();
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, *model_, *optimizer_));
    TRY_STATUS(load_means(state, means_));
    const auto found = state.texts.find("rejection");
    const json j = found == state.texts.end() ? json() : json::parse(found->second, nullptr, false);
    if (!j.is_object()) return Err("the checkpoint lacks the state of rejection");
    chosen_.clear();
    for (const json& c : j["chosen"])
      chosen_.push_back({c[0].get<size_t>(), c[2].get<std::vector<int32_t>>(), c[1].get<float>()});
    index_->seek(j["cursor"].get<int64_t>());
    const auto s = j["sums"].get<std::vector<double>>();
    sums_ = {s[0], s[1], s[2], s[3], s[4], s[5]};
    first_reward_ = j["first"].get<double>();
    sequences_round_ = -1;
    return {};
  }

  Status finish(const std::string& out, StageReport& report) override {
    report.figures["first_reward"] = first_reward_;
    report.figures["reward"] = sums_.reward / sums_.replies;
    report.figures["best_reward"] = sums_.best / sums_.prompts;
    report.figures["kl_bound"] = best_of_n_kl(options_.n);
    report.figures["length"] = sums_.length / sums_.replies;
    report.figures["ended"] = sums_.ended / sums_.replies;
    report.figures["chosen"] = static_cast<double>(kept(chosen_).size());
    report.figures["loss"] = means_["loss"].value();
    return write_model_folder(*context_.ranks, *model_, *tokenizer_, out);
  }

 private:
  Status read_prompt_files() {
    TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
    const int64_t context = std::min(model_->config().max_positions, reward_.model->config().max_positions);
    const int64_t longest = std::min(options_.max_prompt_tokens, context - 1);
    for (const std::string& path : options_.prompts) {
      TRY(std::vector<Messages> items, read_prompts(path));
      for (Messages& item : items) {
        TRY(std::vector<int32_t> tokens, chat.prompt(item));
        if (static_cast<int64_t>(tokens.size()) > longest) continue;
        prompts_.push_back(std::move(item));
        tokens_.push_back(std::move(tokens));
      }
    }
    if (prompts_.empty()) return Err("prompts: none of at most {} tokens", longest);
    return {};
  }

  int64_t most_kept(int64_t replies) const {
    return std::max<int64_t>(1, std::llround(options_.keep_fraction * static_cast<double>(replies)));
  }

  Status sample(int64_t step, int64_t at, StepResult& result) {
    std::vector<size_t> numbers;
    std::vector<Messages> some;
    for (int64_t i = at * options_.sample_prompts; i < std::min(asked_, (at + 1) * options_.sample_prompts); ++i) {
      numbers.push_back(static_cast<size_t>(index_->next()));
      some.push_back(prompts_[numbers.back()]);
    }
    const uint64_t seed = mix64(hash64("rejection.sample", context_.seed) ^ mix64(static_cast<uint64_t>(step)));
    const BestOfOptions sampling{options_.n,
                                 options_.temperature,
                                 options_.max_reply_tokens,
                                 options_.unended_score,
                                 options_.training.micro_tokens,
                                 seed};
    TRY(const auto replies, sample_and_score(*model_, reward_, *tokenizer_, some, sampling));
    SampledSums now;
    for (size_t i = 0; i < some.size(); ++i) {
      float best = -std::numeric_limits<float>::infinity();
      for (const ScoredReply& r : replies[i]) {
        now.replies += 1;
        now.reward += r.score;
        now.length += static_cast<double>(r.tokens.size());
        now.ended += r.ended ? 1 : 0;
        best = std::max(best, r.score);
        if (!std::isfinite(r.score)) return Err("{}: a reply's score is not a number", options_.reward);
        result.tokens += static_cast<int64_t>(2 * r.tokens.size());
      }
      now.prompts += 1;
      now.best += best;
      const int64_t chosen = best_reply(replies[i]);
      if (chosen < 0) continue;
      const ScoredReply& reply = replies[i][static_cast<size_t>(chosen)];
      chosen_.push_back({numbers[i], reply.tokens, reply.score});
    }
    if (step == 0) first_reward_ = now.reward / now.replies;
    auto& m = result.metrics;
    m["reward"] = now.reward / now.replies;
    m["best_reward"] = now.best / now.prompts;
    m["length"] = now.length / now.replies;
    m["ended"] = now.ended / now.replies;
    sums_ = {sums_.replies + now.replies, sums_.reward + now.reward, sums_.prompts + now.prompts,
             sums_.best + now.best,       sums_.length + now.length, sums_.ended + now.ended};
    return {};
  }

  // Those of the greatest scores, in the order in which they came.
  std::vector<const Chosen*> kept(const std::vector<Chosen>& chosen) const {
    std::vector<const Chosen*> all;
    for (const Chosen& c : chosen) all.push_back(&c);
    const auto count = std::min(all.size(), static_cast<size_t>(most_kept(asked_)));
    std::stable_sort(all.begin(), all.end(), [](const Chosen* a, const Chosen* b) { return a->score > b->score; });
    all.resize(count);
    std::sort(all.begin(), all.end());
    return all;
  }

  Status prepare_tuning(int64_t round) {
    const std::vector<const Chosen*> learned = kept(chosen_);
    if (learned.empty())
      return Err("rejection: none of {} replies ended: raise max_reply_tokens", static_cast<int64_t>(sums_.replies));
    sequences_.clear();
    std::string lines;
    for (const Chosen* c : learned) {
      const std::vector<int32_t>& prompt = tokens_[c->prompt];
      TokenSequence sequence{prompt, std::vector<uint8_t>(prompt.size(), 0)};
      sequence.tokens.insert(sequence.tokens.end(), c->reply.begin(), c->reply.end());
      sequence.is_target.resize(sequence.tokens.size(), 1);
      sequences_.push_back(std::move(sequence));
      json messages = json::array();
      for (const Message& m : prompts_[c->prompt]) messages.push_back({{"role", m.role}, {"content", m.content}});
      messages.push_back({{"role", "assistant"}, {"content", tokenizer_->decode(c->reply, true)}});
      lines += json{{"messages", messages}, {"reward", c->score}}.dump(-1, ' ', false, json::error_handler_t::replace);
      lines += "\n";
    }
    // Where prompts were lost, since no reply to them ended, batches are smaller and steps the same.
    const int64_t steps = tuning_steps_ / options_.epochs, count = static_cast<int64_t>(sequences_.size());
    batches_ = EpochBatches(sequences_.size(), (count + steps - 1) / steps, context_.seed,
                            fmt::format("rejection.order.{}", round));
    sequences_round_ = round;
    return write_file(fmt::format("{}/chosen-{:02}.jsonl", context_.work, round + 1), lines);
  }

  void tune(int64_t at, double lr_scale, StepResult& result) {
    std::vector<const TokenSequence*> batch;
    for (const size_t i : batches_.at(at)) batch.push_back(&sequences_[i]);
    const auto targets = static_cast<double>(count_targets(batch));
    const uint64_t round = hash64("rejection.dropout", static_cast<uint64_t>(sequences_round_));
    const uint64_t dropout_seed = mix64(context_.seed ^ round ^ mix64(static_cast<uint64_t>(at)));
    const LmSum sum = pass_->train(batch, 1 / targets, 0, dropout_seed);
    const double lr = schedule_.at(at) * lr_scale;
    result.metrics["loss"] = -sum.logprob / targets;
    result.metrics["lr"] = lr;
    result.metrics["grad_norm"] = optimizer_->step(lr);
    result.tokens = sum.tokens;
    means_["loss"].add(result.metrics["loss"]);
  }

  const StageContext& context_;
  const RejectionOptions& options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  StageModels models_;
  std::unique_ptr<Model> model_;
  RewardModel reward_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<LmPass> pass_;
  std::unique_ptr<ShuffledIndex> index_;
  std::vector<Messages> prompts_;
  std::vector<std::vector<int32_t>> tokens_;  // of the prompts
  std::vector<Chosen> chosen_;                // of this round
  SampledSums sums_;                          // of this round
  std::vector<TokenSequence> sequences_;
  int64_t sequences_round_ = -1;
  EpochBatches batches_;
  Schedule schedule_;
  std::map<std::string, RunningMean> means_;
  int64_t asked_ = 0, sampling_steps_ = 0, tuning_steps_ = 0;
  double first_reward_ = 0;
};

}  // namespace

TrainingOptions RejectionOptions::defaults() {
  TrainingOptions training;
  training.lr = 1e-5;
  training.final_fraction = 0.1;
  return training;
}

Result<RejectionOptions> RejectionOptions::read(Settings& settings) {
  return read_options(settings, RejectionOptions{});
}

Result<StageReport> run_rejection(const StageContext& context, const RejectionOptions& options) {
  TRY_STATUS(only_alone(context, "rejection"));
  TRY_STATUS(need_model("rejection", "policy", options.policy));
  TRY_STATUS(need_model("rejection", "reward", options.reward));
  TRY_STATUS(need_data("rejection", "prompts", options.prompts));
  StageHash hash("rejection", context);
  hash.add("options", canonical_options(options));
  TRY_STATUS(hash.add_model(options.policy));
  TRY_STATUS(hash.add_model(options.reward));
  TRY_STATUS(hash.add_files(options.prompts));
  const StageIdentity identity{"rejection", hash.hex(), context.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<RejectionStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
