// Pretraining (pretrain.h).
#include "train/pretrain.h"

#include <algorithm>
#include <cmath>

#include "data/mixture.h"
#include "data/source.h"
#include "model/architectures.h"
#include "train/batches.h"
#include "train/lm_stage.h"
#include "train/needed.h"

namespace loquat {
namespace {

class PretrainStage : public Stage {
 public:
  PretrainStage(const StageContext& context, const PretrainOptions& options) : context_(context), options_(options) {}

  Status prepare() {
    const std::string folder = options_.tokenizer.empty() ? options_.base : options_.tokenizer;
    TRY(Tokenizer tokenizer, Tokenizer::load(folder));
    tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
    TRY_STATUS(read_streams());
    TRY_STATUS(make_model());
    const int64_t length = options_.sequence_length > 0 ? options_.sequence_length : model_->config().max_positions;
    if (length < 2 || length > model_->config().max_positions) {
      return Err("sequence_length = {}: expected 2 to the context of {}", length, model_->config().max_positions);
    }
    length_ = length;
    TRY_STATUS(make_samplers());
    if (!first_stream_.empty()) {
      first_ = std::make_unique<StreamSampler>(&first_stream_, length, mix64(context_.seed ^ hash64("pretrain.first")));
      if (first_->windows() < 1)
        return Err("first_texts hold {} tokens: expected one window of {}", first_stream_.size(), length);
    }
    windows_per_step_ = std::max<int64_t>(1, options_.batch_tokens / length);
    total_ = options_.steps;
    if (total_ == 0 && options_.tokens > 0)
      total_ = (options_.tokens + options_.batch_tokens - 1) / options_.batch_tokens;
    if (total_ == 0) {
      const double windows =
          options_.epochs * static_cast<double>(windows_per_epoch()) + static_cast<double>(first_windows());
      total_ = std::max<int64_t>(1, std::llround(windows / static_cast<double>(windows_per_step_)));
    }
    schedule_ = options_.training.make_schedule(total_);
    optimizer_ = std::make_unique<Optimizer>(*model_, options_.training.optimizer_options(), *context_.ranks);
    pass_ =
        std::make_unique<LmPass>(*model_, options_.training.micro_tokens, options_.training.recompute, *context_.ranks);
    return {};
  }

  int64_t total_steps() const override { return total_; }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    batch_.clear();
    for (int64_t i = 0; i < windows_per_step_; ++i) batch_.push_back(window(step * windows_per_step_ + i));
    const auto sequences = pointers(batch_);
    const int64_t targets = count_targets(sequences);
    const LmSum sum = pass_->train(sequences, 1.0 / static_cast<double>(targets));
    const double lr = schedule_.at(step) * lr_scale;
    StepResult result;
    result.metrics["loss"] = -sum.logprob / static_cast<double>(targets);
    result.metrics["lr"] = lr;
    result.metrics["grad_norm"] = optimizer_->step(lr);
    result.tokens = windows_per_step_ * length_;
    last_loss_.add(result.metrics["loss"]);
    const bool evaluates = options_.eval_every > 0 && (step + 1) % options_.eval_every == 0;
    if (evaluates && !valid_.empty()) {
      result.metrics["valid_bits_per_byte"] =
          bits_per_byte(*model_, *tokenizer_, valid_, length_, options_.training.micro_tokens, *context_.ranks);
    }
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, *model_, *optimizer_);
    state.texts["loss"] = last_loss_.text();
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, *model_, *optimizer_));
    return last_loss_.load(state, "loss");
  }

  Status finish(const std::string& out, StageReport& report) override {
    report.figures["loss"] = last_loss_.value();
    for (size_t s = 0; s < weights_.size(); ++s) {
      const int64_t drawn = std::max<int64_t>(0, total_ * windows_per_step_ - first_windows());
      report.figures[fmt::format("source_{:02}_epochs", s + 1)] = mixture_.passes(static_cast<int32_t>(s), drawn);
    }
    report.figures["parameters"] = static_cast<double>(model_->config().param_count());
    if (!valid_.empty()) {
      const auto windows = eval_windows(valid_, length_);
      const LmSum sum = pass_->evaluate(pointers(windows));
      report.figures["valid_loss"] = -sum.logprob / static_cast<double>(std::max<int64_t>(1, sum.targets));
      report.figures["valid_bits_per_byte"] =
          bits_per_byte(*model_, *tokenizer_, valid_, length_, options_.training.micro_tokens, *context_.ranks);
    }
    return write_model_folder(*context_.ranks, *model_, *tokenizer_, out);
  }

 private:
  int64_t first_windows() const { return first_ == nullptr ? 0 : first_->windows(); }
  // The windows of first_texts in their order, then those of texts.
  TokenSequence window(int64_t index) {
    if (index < first_windows()) return window_at(*first_, index);
    index -= first_windows();
    if (weights_.empty()) return window_at(samplers_[0], index);
    const Mixture::Draw draw = mixture_.at(index);
    return window_at(samplers_[static_cast<size_t>(draw.source)], draw.number);
  }

  static TokenSequence window_at(StreamSampler& sampler, int64_t cursor) {
    sampler.seek(cursor);
    return sampler.next();
  }

  int64_t windows_per_epoch() const { return weights_.empty() ? samplers_[0].windows() : mixture_.epoch_size(); }

  // One of all texts, or one of each weighted source.
  Status make_samplers() {
    std::vector<int64_t> windows;
    for (size_t s = 0; s < streams_.size(); ++s) {
      const std::string name = s == 0 ? "pretrain.order" : fmt::format("pretrain.order.{}", s);
      if (streams_[s].size() < 2) return Err("texts: source {} holds {} tokens", s + 1, streams_[s].size());
      samplers_.emplace_back(&streams_[s], length_, mix64(context_.seed ^ hash64(name)));
      windows.push_back(samplers_.back().windows());
      if (windows.back() < 1)
        return Err("the texts hold {} tokens: expected at least one window of {}", streams_[s].size(), length_);
    }
    if (!weights_.empty()) mixture_ = Mixture(windows, weights_, mix64(context_.seed ^ hash64("pretrain.mixture")));
    return {};
  }

  static Result<std::vector<std::string>> read_all(const std::vector<std::string>& paths) {
    std::vector<std::string> texts;
    for (const std::string& path : paths) {
      TRY(std::vector<std::string> more, read_texts(path));
      for (std::string& text : more) texts.push_back(std::move(text));
    }
    return texts;
  }

  Status read_streams() {
    TRY(const std::vector<DataSource> sources, data_sources(options_.texts));
    if (sources.empty()) return Err("texts: no document to pretrain on");
    TRY(std::vector<std::string> valid, read_all(options_.valid_texts));
    TRY(const std::vector<std::string> first, read_all(options_.first_texts));
    if (!first.empty()) first_stream_ = token_stream(*tokenizer_, first);
    weights_ = mixture_weights(sources);
    if (weights_.empty()) {
      TRY_STATUS(add_stream(options_.texts, valid));
    } else {
      for (size_t s = 0; s < sources.size(); ++s) {
        note(context_, fmt::format("source {}: {}, weight {}", s + 1, sources[s].name, weights_[s]));
        TRY_STATUS(add_stream({sources[s].path()}, valid));
      }
    }
    valid_ = token_stream(*tokenizer_, valid);
    return {};
  }

  // A stream of these files; its last documents are held out where there are no valid_texts.
  Status add_stream(const std::vector<std::string>& paths, std::vector<std::string>& valid) {
    TRY(std::vector<std::string> texts, read_all(paths));
    if (options_.valid_texts.empty() && options_.valid_fraction > 0 && texts.size() > 1) {
      const auto keep = static_cast<size_t>(
          std::max(1.0, std::floor(static_cast<double>(texts.size()) * (1 - options_.valid_fraction))));
      valid.insert(valid.end(), texts.begin() + static_cast<std::ptrdiff_t>(keep), texts.end());
      texts.resize(keep);
    }
    streams_.push_back(token_stream(*tokenizer_, texts));
    return {};
  }

  Status make_model() {
    if (!options_.base.empty()) {
      LoadOptions load;
      load.compute = context_.compute;
      load.with_gradients = true;
      TRY(model_, load_model(options_.base, *context_.kernels, load));
      if (model_->config().vocab_size < tokenizer_->vocab_size()) {
        return Err("{}: a vocabulary of {}, but the tokenizer has {}", options_.base, model_->config().vocab_size,
                   tokenizer_->vocab_size());
      }
      return {};
    }
    ModelConfig config = options_.model_config(tokenizer_->vocab_size());
    config.eos_token =
        tokenizer_->special(kEndOfTurn) >= 0 ? tokenizer_->special(kEndOfTurn) : tokenizer_->special(kEndOfText);
    config.bos_token = tokenizer_->special(kEndOfText);
    config.pad_token = tokenizer_->special(kPad);
    TRY_STATUS(config.validate());
    model_ = std::make_unique<Model>(config, *context_.kernels, context_.compute, true);
    model_->init(Rng(context_.seed, "pretrain.init"));
    model_->refresh();
    return {};
  }

  const StageContext& context_;
  const PretrainOptions& options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<LmPass> pass_;
  std::unique_ptr<StreamSampler> first_;       // nullptr where there are no first_texts
  std::vector<std::vector<int32_t>> streams_;  // of all texts, or of each weighted source
  std::vector<StreamSampler> samplers_;        // of each stream
  std::vector<double> weights_;                // of the sources; none: one stream
  Mixture mixture_;
  std::vector<int32_t> first_stream_, valid_;
  std::vector<TokenSequence> batch_;
  Schedule schedule_;
  RunningMean last_loss_;
  int64_t length_ = 0, windows_per_step_ = 0, total_ = 0;
};

}  // namespace

ModelConfig PretrainOptions::model_config(int64_t vocab_size) const {
  ModelConfig config;
  config.architecture = architecture;
  config.features = architecture_of(config).features;
  config.vocab_size = vocab_size;
  config.hidden_size = hidden_size;
  config.num_layers = num_layers;
  config.num_heads = num_heads;
  config.num_kv_heads = num_kv_heads;
  config.head_dim = head_dim > 0 ? head_dim : hidden_size / num_heads;
  config.intermediate_size = intermediate_size > 0 ? intermediate_size : (hidden_size * 8 / 3 + 31) / 32 * 32;
  config.max_positions = context;
  config.rope_theta = static_cast<float>(rope_theta);
  config.tie_embeddings = tie_embeddings;
  return config;
}

TrainingOptions PretrainOptions::defaults() {
  TrainingOptions training;
  training.lr = 1e-3;
  training.warmup_steps = 20;
  training.weight_decay = 0.1;
  return training;
}

Result<PretrainOptions> PretrainOptions::read(Settings& settings) {
  return read_options(settings, PretrainOptions{});
}

Result<StageReport> run_pretrain(const StageContext& context, const PretrainOptions& options) {
  if (options.tokenizer.empty() && options.base.empty())
    return Err("pretrain: tokenizer: expected a folder with tokenizer.json (--set tokenizer=DIR)");
  if (options.first_texts.empty()) TRY_STATUS(need_data("pretrain", "texts", options.texts));
  StageHash hash("pretrain", context);
  hash.add("options", canonical_options(options));
  TRY_STATUS(hash.add_mixture(options.texts));
  TRY_STATUS(hash.add_files(options.first_texts));
  TRY_STATUS(hash.add_files(options.valid_texts));
  if (!options.base.empty()) TRY_STATUS(hash.add_model(options.base));
  if (!options.tokenizer.empty()) TRY_STATUS(hash.add_file(options.tokenizer + "/tokenizer.json"));
  const StageIdentity identity{"pretrain", hash.hex(), context.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<PretrainStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
