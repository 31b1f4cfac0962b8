// Direct preference optimisation (dpo.h).
#include "train/dpo.h"

#include <algorithm>
#include <cmath>

#include "data/encode.h"
#include "train/batches.h"
#include "train/lm_stage.h"
#include "train/reward.h"

namespace loquat {

DpoLoss dpo_loss(double margin, const DpoOptions& options) {
  if (options.loss == "ipo") {
    const double error = margin - 1 / (2 * options.beta);
    return {error * error, 2 * error};
  }
  const auto softplus = [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); };
  const double h = options.beta * margin, s = options.label_smoothing;
  // -(1 - s) log σ(h) - s log σ(-h)
  const double sigmoid = 1 / (1 + std::exp(-h));
  return {(1 - s) * softplus(-h) + s * softplus(h), options.beta * (sigmoid - (1 - s))};
}

namespace {

struct Pair {
  std::vector<int32_t> chosen, rejected;
  int64_t prompt = 0;
  double reference_margin = 0;
  int64_t tokens() const { return static_cast<int64_t>(chosen.size() + rejected.size()); }
};

class DpoStage : public Stage {
 public:
  DpoStage(const StageContext& context, const DpoOptions& options) : context_(context), options_(options) {}

  Status prepare() {
    TRY(models_, StageModels::make(*context_.kernels, context_.compute, context_.seed, options_.lora));
    LoadOptions load = models_.load_options();
    load.with_gradients = true;
    TRY(model_, load_model(options_.policy, *context_.kernels, load));
    TRY(Tokenizer tokenizer, Tokenizer::load(options_.policy));
    tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
    TRY_STATUS(read_pairs());
    if (train_.empty()) return Err("rankings: no pair that is not tied");
    load.with_gradients = false;
    const std::string reference_folder = options_.reference.empty() ? options_.policy : options_.reference;
    TRY(const auto reference, load_model(reference_folder, *context_.kernels, load));
    if (reference->config().vocab_size != model_->config().vocab_size) {
      return Err("policy and reference differ in vocabulary: {} and {}", model_->config().vocab_size,
                 reference->config().vocab_size);
    }
    precompute(*reference, train_);
    precompute(*reference, valid_);
    batches_ = EpochBatches(train_.size(), options_.batch, context_.seed, "dpo.order");
    schedule_ = options_.training.make_schedule(total_steps());
    optimizer_ = std::make_unique<Optimizer>(*model_, options_.training.optimizer_options());
    return {};
  }

  int64_t total_steps() const override { return batches_.steps_per_epoch() * options_.epochs; }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    batch_.clear();
    for (const size_t i : batches_.at(step)) batch_.push_back(&train_[i]);
    StepResult result;
    double loss = 0, margin_sum = 0, right = 0;
    const auto n = static_cast<double>(batch_.size());
    ForwardOptions forward;  // no dropout but the adapter's: the policy is compared with a reference that has none
    forward.keep_for_backward = true;
    forward.recompute = options_.training.recompute;
    forward.lora_dropout = static_cast<float>(options_.lora.dropout);
    const uint64_t seed = mix64(context_.seed ^ hash64("dpo.dropout") ^ mix64(static_cast<uint64_t>(step)));
    each_micro(batch_, [&](size_t begin, size_t end) {
      forward.dropout_seed = mix64(seed ^ mix64(begin));
      const Mat hidden = model_->forward(micro_.batch, forward);
      const auto now = model_->log_probs(hidden, micro_.rows, micro_.targets);
      slopes_.resize(now.logprob.size());
      for (size_t i = begin; i < end; ++i) {
        const double margin = margin_of(now.logprob, i - begin) - batch_[i]->reference_margin;
        const DpoLoss pair = dpo_loss(margin, options_);
        loss += pair.loss;
        margin_sum += margin;
        right += margin > 0 ? 1 : 0;
        const auto slope = static_cast<float>(pair.slope / n);
        const size_t b = 2 * (i - begin);
        for (int64_t t = micro_.first[b]; t < micro_.first[b + 1]; ++t) slopes_[static_cast<size_t>(t)] = slope;
        for (int64_t t = micro_.first[b + 1]; t < micro_.first[b + 2]; ++t) slopes_[static_cast<size_t>(t)] = -slope;
      }
      model_->backward(micro_.batch, model_->log_probs_backward(hidden, micro_.rows, micro_.targets, 1, now, slopes_));
      result.tokens += micro_.batch.rows();
    });
    const double lr = schedule_.at(step) * lr_scale;
    result.metrics["loss"] = loss / n;
    result.metrics["accuracy"] = right / n;
    result.metrics["margin"] = options_.beta * margin_sum / n;
    result.metrics["lr"] = lr;
    result.metrics["grad_norm"] = optimizer_->step(lr);
    last_loss_.add(loss / n);
    last_accuracy_.add(right / n);
    last_margin_.add(result.metrics["margin"]);
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, *model_, *optimizer_);
    state.texts["loss"] = last_loss_.text();
    state.texts["accuracy"] = last_accuracy_.text();
    state.texts["margin"] = last_margin_.text();
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, *model_, *optimizer_));
    TRY_STATUS(last_loss_.load(state, "loss"));
    TRY_STATUS(last_accuracy_.load(state, "accuracy"));
    return last_margin_.load(state, "margin");
  }

  Status finish(const std::string& out, StageReport& report) override {
    report.figures["loss"] = last_loss_.value();
    report.figures["accuracy"] = last_accuracy_.value();
    report.figures["margin"] = last_margin_.value();
    report.figures["pairs"] = static_cast<double>(train_.size());
    report.figures["valid_pairs"] = static_cast<double>(valid_.size());
    if (!valid_.empty()) {
      double loss = 0, right = 0;
      std::vector<const Pair*> pairs;
      for (const Pair& p : valid_) pairs.push_back(&p);
      each_micro(pairs, [&](size_t begin, size_t end) {
        const auto now = model_->log_probs(model_->forward(micro_.batch), micro_.rows, micro_.targets);
        for (size_t i = begin; i < end; ++i) {
          const double margin = margin_of(now.logprob, i - begin) - pairs[i]->reference_margin;
          loss += dpo_loss(margin, options_).loss;
          right += margin > 0 ? 1 : 0;
        }
      });
      report.figures["valid_loss"] = loss / static_cast<double>(valid_.size());
      report.figures["valid_accuracy"] = right / static_cast<double>(valid_.size());
    }
    return write_model_folder(*model_, *tokenizer_, out);
  }

 private:
  Status read_pairs() {
    TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
    const uint64_t seed = hash64("dpo.split", context_.seed);
    for (const bool valid : {false, true}) {
      for (const std::string& path : valid ? options_.valid_rankings : options_.rankings) {
        TRY(const std::vector<Ranking> items, read_rankings(path));
        int64_t too_long = 0;
        for (const Ranking& item : items) {
          uint64_t hash = seed;
          for (const Message& m : item.prompt) hash = hash64(m.content, hash64(m.role, hash));
          const bool held_out = valid || (options_.valid_rankings.empty() &&
                                          static_cast<double>(hash >> 11) * 0x1.0p-53 < options_.valid_fraction);
          if (!add_pairs(chat, item, held_out ? valid_ : train_)) ++too_long;
        }
        note_too_long(context_, path, too_long, model_->config().max_positions);
      }
    }
    return {};
  }

  // False where the prompt leaves no room for a reply.
  bool add_pairs(const ChatTemplate& chat, const Ranking& item, std::vector<Pair>& pairs) {
    const auto encoded = encode_ranking(chat, item, model_->config().max_positions);
    if (!encoded.ok()) return false;
    const std::vector<TokenSequence>& replies = encoded->responses;
    for (size_t i = 0; i < replies.size(); ++i) {
      for (size_t j = 0; j < replies.size(); ++j) {
        if (encoded->rank[i] >= encoded->rank[j]) continue;
        const auto prompt = static_cast<int64_t>(replies[i].tokens.size()) - count_targets(replies[i]);
        pairs.push_back({replies[i].tokens, replies[j].tokens, prompt, 0});
      }
    }
    return true;
  }

  void precompute(Model& reference, std::vector<Pair>& pairs) {
    std::vector<const Pair*> all;
    for (const Pair& p : pairs) all.push_back(&p);
    each_micro(all, [&](size_t begin, size_t end) {
      const auto result = reference.log_probs(reference.forward(micro_.batch), micro_.rows, micro_.targets);
      for (size_t i = begin; i < end; ++i) pairs[i].reference_margin = margin_of(result.logprob, i - begin);
    });
  }

  // Sequences 2 p and 2 p + 1 of the packed batch are pair p's chosen and rejected replies.
  template <typename F>
  void each_micro(const std::vector<const Pair*>& pairs, const F& f) {
    std::vector<int64_t> lengths;
    for (const Pair* p : pairs) lengths.push_back(p->tokens());
    for (const auto& [begin, end] : cut_by_tokens(lengths, options_.training.micro_tokens)) {
      micro_.clear();
      for (size_t i = begin; i < end; ++i) {
        micro_.add_reply(pairs[i]->chosen, pairs[i]->prompt);
        micro_.add_reply(pairs[i]->rejected, pairs[i]->prompt);
      }
      f(begin, end);
    }
  }

  double margin_of(const std::vector<float>& logprob, size_t pair) const {
    double margin = 0;
    const size_t b = 2 * pair;
    for (int64_t t = micro_.first[b]; t < micro_.first[b + 1]; ++t) margin += logprob[static_cast<size_t>(t)];
    for (int64_t t = micro_.first[b + 1]; t < micro_.first[b + 2]; ++t) margin -= logprob[static_cast<size_t>(t)];
    return margin;
  }

  const StageContext& context_;
  const DpoOptions& options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  StageModels models_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<Pair> train_, valid_;
  std::vector<const Pair*> batch_;
  EpochBatches batches_;
  LmBatch micro_;
  std::vector<float> slopes_;
  Schedule schedule_;
  RunningMean last_loss_, last_accuracy_, last_margin_;
};

}  // namespace

TrainingOptions DpoOptions::defaults() {
  TrainingOptions training;
  training.lr = 1e-6;
  training.final_fraction = 0;
  training.warmup_steps = 10;
  return training;
}

Result<DpoOptions> DpoOptions::read(Settings& settings) {
  return read_options(settings, DpoOptions{});
}

Result<StageReport> run_dpo(const StageContext& context, const DpoOptions& options) {
  if (options.policy.empty()) return Err("dpo: policy: expected a model's folder (--set policy=DIR)");
  StageHash hash("dpo", context);
  hash.add("options", canonical_options(options));
  TRY_STATUS(hash.add_model(options.policy));
  if (!options.reference.empty()) TRY_STATUS(hash.add_model(options.reference));
  TRY_STATUS(hash.add_files(options.rankings));
  TRY_STATUS(hash.add_files(options.valid_rankings));
  const StageIdentity identity{"dpo", hash.hex(), context.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<DpoStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
