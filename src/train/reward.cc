// Training the reward model (reward.h).
#include "train/reward.h"

#include <algorithm>
#include <cmath>

#include "data/encode.h"
#include "store/files.h"
#include "train/batches.h"
#include "train/lm_stage.h"
#include "train/needed.h"

namespace loquat {
namespace {

struct Accuracy {
  double value = std::nan(""), low = std::nan(""), high = std::nan("");
  int64_t pairs = 0;
};

// Of right ÷ pairs; resampled by prompt, since pairs of one prompt are not independent.
Accuracy bootstrap_accuracy(const std::vector<PairSum>& prompts, uint64_t seed) {
  Accuracy accuracy;
  int64_t right = 0;
  for (const PairSum& p : prompts) {
    accuracy.pairs += p.pairs;
    right += p.right;
  }
  if (accuracy.pairs == 0) return accuracy;
  accuracy.value = static_cast<double>(right) / static_cast<double>(accuracy.pairs);
  Rng rng(seed, "reward.bootstrap");
  std::vector<double> values;
  for (int draw = 0; draw < 1000; ++draw) {
    int64_t drawn_right = 0, drawn_pairs = 0;
    for (size_t i = 0; i < prompts.size(); ++i) {
      const PairSum& p = rng.pick(prompts);
      drawn_right += p.right;
      drawn_pairs += p.pairs;
    }
    if (drawn_pairs > 0) values.push_back(static_cast<double>(drawn_right) / static_cast<double>(drawn_pairs));
  }
  std::sort(values.begin(), values.end());
  accuracy.low = values[values.size() * 25 / 1000];
  accuracy.high = values[values.size() * 974 / 1000];
  return accuracy;
}

class RewardStage : public Stage {
 public:
  RewardStage(const StageContext& context, const RewardOptions& options) : context_(context), options_(options) {}

  Status prepare() {
    TRY_STATUS(prepare_model());
    TRY(Tokenizer tokenizer, Tokenizer::load(options_.base));
    tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
    TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
    if (options_.likelihood > 0 && !model_->config().tie_embeddings)
      return Err("likelihood = {}: {} has no tied embeddings; a score model has no other language head",
                 options_.likelihood, options_.base);
    head_ = RewardHead(options_.likelihood, tokenizer_->special(kAssistant));
    TRY(train_, read(chat, options_.rankings));
    TRY(valid_, read(chat, options_.valid_rankings));
    if (options_.valid_rankings.empty()) split();
    if (train_.empty()) return Err("rankings: no prompt with two replies that are not tied");
    for (const std::string& path : options_.demonstrations) {
      // As rankings are: what leaves no room for a reply is left out.
      TRY(std::vector<TokenSequence> encoded, read_encoded(context_, chat, path, model_->config().max_positions, true));
      for (TokenSequence& sequence : encoded) demonstrations_.push_back(std::move(sequence.tokens));
    }
    if (options_.pretrain_fraction > 0) {
      if (!model_->config().tie_embeddings)
        return Err("pretrain_fraction = {}: {} has no tied embeddings; a score model has no other language head",
                   options_.pretrain_fraction, options_.base);
      TRY(mix_, PretrainMix::make(*tokenizer_, options_.pretrain_texts, options_.pretrain_fraction, 0,
                                  model_->config().max_positions, mix64(context_.seed ^ hash64("reward.mix"))));
      pass_ = std::make_unique<LmPass>(*model_, options_.training.micro_tokens, options_.training.recompute,
                                       *context_.ranks);
    }
    batches_ = EpochBatches(train_.size(), options_.batch, context_.seed, "reward.order");
    schedule_ = options_.training.make_schedule(total_steps());
    optimizer_ = std::make_unique<Optimizer>(*model_, options_.training.optimizer_options(), *context_.ranks);
    return {};
  }

  int64_t total_steps() const override { return batches_.steps_per_epoch() * options_.epochs; }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    batch_.clear();
    for (const size_t i : batches_.at(step)) batch_.push_back(&train_[i]);
    PairSum sum;
    StepResult result;
    const auto weight = static_cast<float>(1.0 / static_cast<double>(batch_.size()));
    const uint64_t seed = mix64(context_.seed ^ hash64("reward.dropout") ^ mix64(static_cast<uint64_t>(step)));
    each_micro(own_part(), [&](size_t micro, size_t begin, size_t end) {
      ForwardOptions forward;
      forward.keep_for_backward = true;
      forward.recompute = options_.training.recompute;
      forward.dropout = static_cast<float>(options_.dropout);
      forward.lora_dropout = static_cast<float>(options_.lora.dropout);
      forward.dropout_seed = mix64(seed ^ mix64((static_cast<uint64_t>(context_.ranks->rank()) << 32) + micro));
      const Mat hidden = model_->forward(packed_, forward);
      const std::vector<float> scores = head_.scores(*model_, hidden, packed_);
      dscores_.clear();
      add_pairs(scores, begin, end, sum, &dscores_);
      centred_ = dscores_;
      if (options_.centre > 0) add_centre(scores, begin, end);
      for (size_t i = 0; i < dscores_.size(); ++i) dscores_[i] *= weight, centred_[i] *= weight;
      model_->backward(packed_, head_.backward(*model_, hidden, centred_, dscores_));
      result.tokens += packed_.rows();
    });
    add_ranks(sum, result.tokens);
    int64_t read = 0;  // of all sequences, whether their prompt went through the model once or for each of them
    for (const RankedElement* element : batch_) {
      for (const auto& s : element->sequences) read += static_cast<int64_t>(s.size());
    }
    if (mix_ != nullptr) train_text(result, read);
    const double lr = schedule_.at(step) * lr_scale;
    result.metrics["loss"] = sum.loss / static_cast<double>(batch_.size());
    result.metrics["pair_accuracy"] =
        static_cast<double>(sum.right) / static_cast<double>(std::max<int64_t>(1, sum.pairs));
    result.metrics["lr"] = lr;
    result.metrics["grad_norm"] = optimizer_->step(lr);
    last_loss_.add(result.metrics["loss"]);
    last_accuracy_.add(result.metrics["pair_accuracy"]);
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, *model_, *optimizer_);
    state.texts["loss"] = last_loss_.text();
    state.texts["accuracy"] = last_accuracy_.text();
    if (mix_) state.texts["mix"] = mix_->text();
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, *model_, *optimizer_));
    TRY_STATUS(last_loss_.load(state, "loss"));
    if (mix_) TRY_STATUS(load_mix(state, *mix_));
    return last_accuracy_.load(state, "accuracy");
  }

  Status finish(const std::string& out, StageReport& report) override {
    report.figures["loss"] = last_loss_.value();
    report.figures["train_pair_accuracy"] = last_accuracy_.value();
    report.figures["prompts"] = static_cast<double>(train_.size());
    report.figures["valid_prompts"] = static_cast<double>(valid_.size());
    if (!valid_.empty()) evaluate(report);
    RewardModel plain;
    plain.model = std::move(model_);
    plain.head = std::move(head_);
    std::vector<std::vector<int32_t>> all;
    if (demonstrations_.empty()) {
      for (const RankedElement& e : train_) all.insert(all.end(), e.sequences.begin(), e.sequences.end());
    }
    const auto rewards =
        rewards_of(plain, demonstrations_.empty() ? all : demonstrations_, options_.training.micro_tokens);
    double mean = 0, square = 0;
    for (const float r : rewards) mean += r;
    mean /= static_cast<double>(rewards.size());
    for (const float r : rewards) square += (r - mean) * (r - mean);
    report.figures["reward_bias"] = -mean;
    report.figures["reward_std"] = std::sqrt(square / static_cast<double>(rewards.size()));
    model_ = std::move(plain.model);
    TRY_STATUS(on_first(*context_.ranks, [&]() -> Status {
      TRY_STATUS(make_folders(out));
      return save_reward_json(out, -mean, 1, options_.likelihood);
    }));
    return write_model_folder(*context_.ranks, *model_, *tokenizer_, out);
  }

 private:
  Status prepare_model() {
    TRY(const ModelConfig config, read_model_config(options_.base));
    TRY(models_, StageModels::make(*context_.kernels, context_.compute, context_.seed, options_.lora));
    LoadOptions load = models_.load_options();
    load.with_gradients = true;
    load.head = HeadKind::kScore;
    load.allow_new_head = true;
    TRY(model_, load_model(options_.base, *context_.kernels, load));
    if (config.head != HeadKind::kScore) model_->init_head(Rng(context_.seed, "reward.head"));
    return {};
  }

  // A prompt whose replies are all tied says nothing: it is left out. So is one that leaves no room for a reply.
  Result<std::vector<RankedElement>> read(const ChatTemplate& chat, const std::vector<std::string>& paths) {
    std::vector<RankedElement> elements;
    for (const std::string& path : paths) {
      TRY(const std::vector<Ranking> items, read_rankings(path));
      int64_t too_long = 0;
      for (const Ranking& item : items) {
        auto encoded = encode_ranking(chat, item, model_->config().max_positions);
        if (!encoded.ok()) {
          ++too_long;
          continue;
        }
        RankedElement element;
        element.ranks = std::move(encoded->rank);
        for (TokenSequence& response : encoded->responses) element.sequences.push_back(std::move(response.tokens));
        const bool tied = std::all_of(element.ranks.begin(), element.ranks.end(),
                                      [&](int32_t rank) { return rank == element.ranks[0]; });
        if (tied) continue;
        if (context_.kernels->shared_prefixes) element.shared = std::max<size_t>(common_prompt(element), 1) - 1;
        elements.push_back(std::move(element));
      }
      note_too_long(context_, path, too_long, model_->config().max_positions);
    }
    return elements;
  }

  // The tokens up to the last <|assistant|> that all sequences have in common, with it.
  size_t common_prompt(const RankedElement& element) const {
    const auto& a = element.sequences[0];
    size_t common = a.size();
    for (const auto& b : element.sequences) {
      common = std::min(common,
                        static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin()));
    }
    const int32_t assistant = tokenizer_->special(kAssistant);
    while (common > 0 && a[common - 1] != assistant) --common;
    return common;
  }

  // By prompt: replies to one prompt, and repeated prompts, never lie on both sides.
  void split() {
    const uint64_t seed = hash64("reward.split", context_.seed);
    std::vector<RankedElement> kept;
    for (RankedElement& element : train_) {
      uint64_t hash = seed;
      for (size_t i = 0, end = common_prompt(element); i < end; ++i)
        hash = mix64(hash ^ static_cast<uint64_t>(element.sequences[0][i]));
      const bool held_out = static_cast<double>(mix64(hash) >> 11) * 0x1.0p-53 < options_.valid_fraction;
      (held_out ? valid_ : kept).push_back(std::move(element));
    }
    train_ = std::move(kept);
  }

  // The prompts of batch_ that this rank takes.
  const std::vector<const RankedElement*>& own_part() {
    std::vector<int64_t> lengths;
    for (const RankedElement* e : batch_) lengths.push_back(e->tokens());
    const auto [begin, end] = part_of(lengths, *context_.ranks);
    own_.assign(batch_.begin() + static_cast<std::ptrdiff_t>(begin), batch_.begin() + static_cast<std::ptrdiff_t>(end));
    return own_;
  }

  // From this rank's sums to those of all.
  void add_ranks(PairSum& sum, int64_t& tokens) {
    double sums[] = {sum.loss, static_cast<double>(sum.pairs), static_cast<double>(sum.right),
                     static_cast<double>(tokens)};
    context_.ranks->all_reduce(sums);
    sum = {sums[0], static_cast<int64_t>(sums[1]), static_cast<int64_t>(sums[2])};
    tokens = static_cast<int64_t>(sums[3]);
  }

  // Whole prompts together, since a pair's gradient needs both scores.
  template <typename F>
  void each_micro(const std::vector<const RankedElement*>& elements, const F& f) {
    elements_ = &elements;
    std::vector<int64_t> lengths;
    for (const RankedElement* e : elements) lengths.push_back(e->tokens());
    size_t micro = 0;
    for (const auto& [begin, end] : cut_by_tokens(lengths, options_.training.micro_tokens)) {
      packed_.clear();
      for (size_t i = begin; i < end; ++i) elements[i]->pack(packed_);
      f(micro++, begin, end);
    }
  }

  void add_pairs(std::span<const float> scores, size_t begin, size_t end, PairSum& sum, std::vector<float>* dscores) {
    size_t at = 0;
    for (size_t i = begin; i < end; ++i) {
      const RankedElement& e = *(*elements_)[i];
      const size_t k = e.sequences.size();
      const PairSum one = pairwise_loss(scores.subspan(at, k), e.ranks, dscores != nullptr ? &one_dscores_ : nullptr);
      if (dscores != nullptr) dscores->insert(dscores->end(), one_dscores_.begin(), one_dscores_.end());
      sum.loss += one.loss;
      sum.pairs += one.pairs;
      sum.right += one.right;
      at += k;
    }
  }

  void train_text(StepResult& result, int64_t read) {
    const auto windows = pointers(mix_->due(read));
    if (windows.empty()) return;
    const int64_t targets = count_targets(windows);
    const LmSum sum = pass_->train(windows, 1.0 / static_cast<double>(targets));
    result.metrics["text_loss"] = -sum.logprob / static_cast<double>(targets);
    result.tokens += sum.tokens;
  }

  void add_centre(std::span<const float> scores, size_t begin, size_t end) {
    size_t at = 0;
    for (size_t i = begin; i < end; ++i) {
      const size_t k = (*elements_)[i]->sequences.size();
      centre_loss(scores.subspan(at, k), options_.centre, std::span(centred_).subspan(at, k));
      at += k;
    }
  }

  void evaluate(StageReport& report) {
    std::vector<const RankedElement*> elements;
    for (const RankedElement& e : valid_) elements.push_back(&e);
    std::vector<PairSum> prompts, longer;
    double loss = 0;
    each_micro(elements, [&](size_t, size_t begin, size_t end) {
      const std::vector<float> scores = head_.scores(*model_, model_->forward(packed_), packed_);
      size_t at = 0;
      for (size_t i = begin; i < end; ++i) {
        const RankedElement& e = *elements[i];
        std::vector<float> lengths;
        for (const auto& s : e.sequences) lengths.push_back(static_cast<float>(s.size()));
        prompts.push_back(pairwise_loss(std::span(scores).subspan(at, lengths.size()), e.ranks, nullptr));
        longer.push_back(pairwise_loss(lengths, e.ranks, nullptr));
        for (float& length : lengths) length = -length;
        const PairSum shorter = pairwise_loss(lengths, e.ranks, nullptr);
        shorter_right_ += shorter.right;
        loss += prompts.back().loss;
        at += lengths.size();
      }
    });
    const Accuracy accuracy = bootstrap_accuracy(prompts, context_.seed);
    const Accuracy by_length = bootstrap_accuracy(longer, context_.seed);
    report.figures["pair_accuracy"] = accuracy.value;
    report.figures["pair_accuracy_low"] = accuracy.low;
    report.figures["pair_accuracy_high"] = accuracy.high;
    report.figures["pairs"] = static_cast<double>(accuracy.pairs);
    report.figures["longer_accuracy"] = by_length.value;
    report.figures["shorter_accuracy"] =
        static_cast<double>(shorter_right_) / static_cast<double>(std::max<int64_t>(1, accuracy.pairs));
    report.figures["valid_loss"] = loss / static_cast<double>(valid_.size());
  }

  const StageContext& context_;
  const RewardOptions& options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  StageModels models_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<RankedElement> train_, valid_;
  std::vector<std::vector<int32_t>> demonstrations_;
  std::vector<const RankedElement*> batch_, own_;
  const std::vector<const RankedElement*>* elements_ = nullptr;
  EpochBatches batches_;
  std::unique_ptr<PretrainMix> mix_;
  std::unique_ptr<LmPass> pass_;
  Batch packed_;
  RewardHead head_;
  std::vector<float> dscores_, one_dscores_, centred_;
  Schedule schedule_;
  RunningMean last_loss_, last_accuracy_;
  int64_t shorter_right_ = 0;
};

}  // namespace

TrainingOptions RewardOptions::defaults() {
  TrainingOptions training;
  training.lr = 9e-6;
  training.final_fraction = 0.1;
  return training;
}

RewardOptions RewardOptions::instructgpt() {
  return {};
}

Result<RewardOptions> RewardOptions::read(Settings& settings) {
  return read_options(settings, RewardOptions{});
}

Result<StageReport> run_reward(const StageContext& context, const RewardOptions& options) {
  TRY_STATUS(need_model("reward", "base", options.base));
  TRY_STATUS(need_data("reward", "rankings", options.rankings));
  StageHash hash("reward", context);
  hash.add("options", canonical_options(options));
  TRY_STATUS(hash.add_model(options.base));
  TRY_STATUS(hash.add_files(options.rankings));
  TRY_STATUS(hash.add_files(options.valid_rankings));
  TRY_STATUS(hash.add_mixture(options.demonstrations));  // each is read once here, whatever its weight in sft
  TRY_STATUS(hash.add_files(options.pretrain_texts));
  const StageIdentity identity{"reward", hash.hex(), context.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<RewardStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
