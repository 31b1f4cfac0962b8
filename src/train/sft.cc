// Supervised fine-tuning (sft.h).
#include "train/sft.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "data/encode.h"
#include "data/source.h"
#include "train/batches.h"
#include "train/lm_stage.h"
#include "train/mixed_batches.h"
#include "train/needed.h"

namespace loquat {
namespace {

class SftStage : public Stage {
 public:
  SftStage(const StageContext& context, const SftOptions& options) : context_(context), options_(options) {}

  Status prepare() {
    TRY(models_, StageModels::make(*context_.kernels, context_.compute, context_.seed, options_.lora));
    LoadOptions load = models_.load_options();
    load.with_gradients = true;
    TRY(model_, load_model(options_.base, *context_.kernels, load));
    TRY(Tokenizer tokenizer, Tokenizer::load(options_.base));
    tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
    TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
    TRY_STATUS(read_train(chat));
    TRY(valid_, read(chat, options_.valid_demonstrations));
    split();
    if (train_.empty()) return Err("demonstrations: no usable example");
    if (options_.pretrain_fraction > 0) {
      TRY(mix_,
          PretrainMix::make(*tokenizer_, options_.pretrain_texts, options_.pretrain_fraction, options_.pretrain_length,
                            model_->config().max_positions, mix64(context_.seed ^ hash64("sft.mix"))));
    }
    batches_ = MixedBatches(source_of_, weights_, options_.batch, context_.seed, "sft.order");
    schedule_ = options_.training.make_schedule(total_steps());
    optimizer_ = std::make_unique<Optimizer>(*model_, options_.training.optimizer_options(), *context_.ranks);
    pass_ =
        std::make_unique<LmPass>(*model_, options_.training.micro_tokens, options_.training.recompute, *context_.ranks);
    pass_->set_lora_dropout(options_.lora.dropout);
    valid_losses_.assign(static_cast<size_t>(options_.epochs), 0.0f);
    return {};
  }

  int64_t total_steps() const override { return batches_.steps_per_epoch() * options_.epochs; }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    draw_batch(step);
    const int64_t targets = count_targets(batch_);
    const LmSum sum = pass_->train(batch_, 1.0 / static_cast<double>(targets), options_.dropout,
                                   mix64(context_.seed ^ hash64("sft.dropout") ^ mix64(static_cast<uint64_t>(step))));
    const double lr = schedule_.at(step) * lr_scale;
    StepResult result;
    result.metrics["loss"] = -sum.logprob / static_cast<double>(targets);
    result.metrics["lr"] = lr;
    result.metrics["grad_norm"] = optimizer_->step(lr);
    result.tokens = sum.tokens;
    last_loss_.add(result.metrics["loss"]);
    if ((step + 1) % batches_.steps_per_epoch() == 0) TRY_STATUS(end_epoch(step / batches_.steps_per_epoch(), result));
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, *model_, *optimizer_);
    state.texts["loss"] = last_loss_.text();
    state.texts["sft"] = fmt::format("{} {:a}", best_epoch_, best_loss_);
    if (mix_) state.texts["mix"] = mix_->text();
    state.tensors["valid_losses"] = valid_losses_;
    if (!best_weights_.empty()) state.tensors["best.weights"] = best_weights_;
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, *model_, *optimizer_));
    TRY_STATUS(last_loss_.load(state, "loss"));
    TRY_STATUS(load_tensor(state, "valid_losses", valid_losses_));
    const auto found = state.texts.find("sft");
    long long best = 0;
    if (found == state.texts.end() || std::sscanf(found->second.c_str(), "%lld %la", &best, &best_loss_) != 2)
      return Err("the checkpoint lacks the state of sft");
    best_epoch_ = best;
    if (mix_) TRY_STATUS(load_mix(state, *mix_));
    best_weights_.clear();
    if (state.tensors.count("best.weights") != 0) {
      best_weights_.resize(model_->values().size());
      TRY_STATUS(load_tensor(state, "best.weights", best_weights_));
    }
    return {};
  }

  Status finish(const std::string& out, StageReport& report) override {
    report.figures["loss"] = last_loss_.value();
    for (size_t e = 0; e < valid_losses_.size() && !valid_.empty(); ++e) {
      report.figures[fmt::format("valid_loss_epoch_{:02}", e + 1)] = valid_losses_[e];
      report.figures["valid_loss"] = valid_losses_[e];
    }
    report.figures["best_epoch"] = static_cast<double>(best_epoch_);
    for (const auto& [name, passes] : batches_.passes(total_steps())) report.figures[name] = passes;
    report.figures["pretrain_share"] = mix_ ? mix_->share() : 0;
    if (options_.select == "valid" && !best_weights_.empty()) {
      model_->set_values(best_weights_);
    }
    return write_model_folder(*context_.ranks, *model_, *tokenizer_, out);
  }

 private:
  Result<std::vector<TokenSequence>> read(const ChatTemplate& chat, const std::vector<std::string>& paths) {
    std::vector<TokenSequence> sequences;
    for (const std::string& path : paths) {
      TRY(std::vector<TokenSequence> encoded,
          read_encoded(context_, chat, path, model_->config().max_positions, options_.leave_out_too_long));
      std::move(encoded.begin(), encoded.end(), std::back_inserter(sequences));
    }
    return sequences;
  }

  // With the source of each, where sources are weighted.
  Status read_train(const ChatTemplate& chat) {
    TRY(const std::vector<DataSource> sources, data_sources(options_.demonstrations));
    weights_ = mixture_weights(sources);
    if (weights_.empty()) {
      TRY(train_, read(chat, options_.demonstrations));
      source_of_.assign(train_.size(), 0);
      return {};
    }
    for (size_t s = 0; s < sources.size(); ++s) {
      note(context_, fmt::format("source {}: {}, weight {}", s + 1, sources[s].name, weights_[s]));
      TRY(std::vector<TokenSequence> more, read(chat, {sources[s].path()}));
      std::move(more.begin(), more.end(), std::back_inserter(train_));
      source_of_.resize(train_.size(), static_cast<int32_t>(s));
    }
    return {};
  }

  void split() {
    if (!options_.valid_demonstrations.empty()) return;
    auto count = static_cast<size_t>(static_cast<double>(train_.size()) * options_.valid_fraction);
    Rng rng(context_.seed, "sft.split");
    std::vector<size_t> order(train_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    rng.shuffle(order);
    std::vector<TokenSequence> kept;
    std::vector<int32_t> kept_source;
    for (size_t i = 0; i < order.size(); ++i) {
      (i < count ? valid_ : kept).push_back(std::move(train_[order[i]]));
      if (i >= count) kept_source.push_back(source_of_[order[i]]);
    }
    train_ = std::move(kept);
    source_of_ = std::move(kept_source);
  }

  void draw_batch(int64_t step) {
    batch_.clear();
    int64_t tokens = 0;
    for (const size_t i : batches_.at(step)) {
      batch_.push_back(&train_[i]);
      tokens += static_cast<int64_t>(train_[i].tokens.size());
    }
    if (mix_ == nullptr) return;
    for (const TokenSequence& window : mix_->due(tokens)) batch_.push_back(&window);
  }

  Status end_epoch(int64_t epoch, StepResult& result) {
    if (!valid_.empty()) {
      const LmSum sum = pass_->evaluate(pointers(valid_));
      const double loss = -sum.logprob / static_cast<double>(std::max<int64_t>(1, sum.targets));
      result.metrics["valid_loss"] = loss;
      valid_losses_[static_cast<size_t>(epoch)] = static_cast<float>(loss);
      if (best_epoch_ == 0 || loss < best_loss_) {
        best_epoch_ = epoch + 1;
        best_loss_ = loss;
        if (options_.select == "valid") best_weights_ = model_->host_values();
      }
    }
    if (!options_.keep_candidates) return {};
    return write_model_folder(*context_.ranks, *model_, *tokenizer_, candidate_folder(context_.work, epoch + 1));
  }

  const StageContext& context_;
  const SftOptions& options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  StageModels models_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<LmPass> pass_;
  std::unique_ptr<PretrainMix> mix_;
  std::vector<TokenSequence> train_, valid_;
  std::vector<const TokenSequence*> batch_;
  std::vector<int32_t> source_of_;  // of each of train_
  std::vector<double> weights_;     // of the sources; none: every example comes once an epoch
  MixedBatches batches_;
  std::vector<float> valid_losses_, best_weights_;
  Schedule schedule_;
  RunningMean last_loss_;
  int64_t best_epoch_ = 0;
  double best_loss_ = 0;
};

}  // namespace

TrainingOptions SftOptions::defaults() {
  TrainingOptions training;
  training.lr = 9.65e-6;
  training.final_fraction = 0.1;
  return training;
}

SftOptions SftOptions::instructgpt() {
  return {};
}

SftOptions SftOptions::instructgpt_reference() {
  SftOptions options;
  options.epochs = 2;
  options.pretrain_fraction = 0.1;
  return options;
}

Result<SftOptions> SftOptions::read(Settings& settings) {
  return read_options<SftOptions>(settings,
                                  {{"instructgpt", instructgpt()}, {"instructgpt_reference", instructgpt_reference()}});
}

std::string candidate_folder(const std::string& work, int64_t epoch) {
  return fmt::format("{}/candidates/epoch-{:02}", work, epoch);
}

Result<StageReport> run_sft(const StageContext& context, const SftOptions& options) {
  TRY_STATUS(need_model("sft", "base", options.base));
  TRY_STATUS(need_data("sft", "demonstrations", options.demonstrations));
  StageHash hash("sft", context);
  hash.add("options", canonical_options(options));
  TRY_STATUS(hash.add_model(options.base));
  TRY_STATUS(hash.add_mixture(options.demonstrations));
  TRY_STATUS(hash.add_files(options.valid_demonstrations));
  TRY_STATUS(hash.add_files(options.pretrain_texts));
  const StageIdentity identity{"sft", hash.hex(), context.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<SftStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
