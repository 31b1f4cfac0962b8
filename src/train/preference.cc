// What the methods that learn from judged replies share (preference.h).
#include "train/preference.h"

#include <algorithm>
#include <cmath>

#include "data/encode.h"

namespace loquat {

double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

bool held_out(const Messages& prompt, const PreferenceFiles& files, uint64_t seed) {
  if (!files.valid_rankings.empty()) return false;
  uint64_t hash = hash64("dpo.split", seed);
  for (const Message& m : prompt) hash = hash64(m.content, hash64(m.role, hash));
  return static_cast<double>(hash >> 11) * 0x1.0p-53 < files.valid_fraction;
}

namespace {

// False where the prompt leaves no room for a reply.
bool add_pairs(const ChatTemplate& chat, const Ranking& item, int64_t positions, std::vector<ReplyPair>& pairs) {
  const auto encoded = encode_ranking(chat, item, positions);
  if (!encoded.ok()) return false;
  const std::vector<TokenSequence>& replies = encoded->responses;
  for (size_t i = 0; i < replies.size(); ++i) {
    for (size_t j = 0; j < replies.size(); ++j) {
      if (encoded->rank[i] >= encoded->rank[j]) continue;
      const auto prompt = static_cast<int64_t>(replies[i].tokens.size()) - count_targets(replies[i]);
      pairs.push_back({{replies[i].tokens, prompt, 0}, {replies[j].tokens, prompt, 0}});
    }
  }
  return true;
}

}  // namespace

Status read_pairs(const StageContext& context, const ChatTemplate& chat, int64_t positions,
                  const PreferenceFiles& files, std::vector<ReplyPair>& train, std::vector<ReplyPair>& valid) {
  for (const bool set_apart : {false, true}) {
    for (const std::string& path : set_apart ? files.valid_rankings : files.rankings) {
      TRY(const std::vector<Ranking> items, read_rankings(path));
      int64_t too_long = 0;
      for (const Ranking& item : items) {
        const bool out = set_apart || held_out(item.prompt, files, context.seed);
        if (!add_pairs(chat, item, positions, out ? valid : train)) ++too_long;
      }
      note_too_long(context, path, too_long, positions);
    }
  }
  if (train.empty()) return Err("rankings: no pair that is not tied");
  return {};
}

// --- passes --------------------------------------------------------------------------------------

template <typename F>
void ReplyPass::each_micro(std::span<const Reply* const> replies, size_t group, const F& f) {
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < replies.size(); i += group) {
    int64_t tokens = 0;
    for (size_t j = i; j < i + group; ++j) tokens += static_cast<int64_t>(replies[j]->tokens.size());
    lengths.push_back(tokens);
  }
  const auto [first, last] = part_of(lengths, ranks_);
  std::vector<PromptedReply> packed;
  for (const auto& [from, to] : cut_by_tokens(std::span(lengths).subspan(first, last - first), budget_)) {
    const size_t begin = first + from, end = first + to;
    packed.clear();
    for (size_t i = begin * group; i < end * group; ++i) packed.push_back({replies[i]->tokens, replies[i]->prompt});
    micro_.clear();
    micro_.add_replies(packed, model_.kernels().shared_prefixes);
    f(begin, end);
  }
}

double ReplyPass::sum_of(std::span<const float> logprob, size_t reply) const {
  double sum = 0;
  for (int64_t t = micro_.first[reply]; t < micro_.first[reply + 1]; ++t) sum += logprob[static_cast<size_t>(t)];
  return sum;
}

std::vector<double> ReplyPass::log_probs(std::span<const Reply* const> replies) {
  std::vector<double> sums(replies.size());
  each_micro(replies, 1, [&](size_t begin, size_t end) {
    const auto now = model_.log_probs(model_.forward(micro_.batch), micro_.rows, micro_.targets);
    for (size_t i = begin; i < end; ++i) sums[i] = sum_of(now.logprob, i - begin);
  });
  ranks_.all_reduce(sums);  // each is one rank's: the others hold zeros
  return sums;
}

int64_t ReplyPass::train(std::span<const Reply* const> replies, size_t group, uint64_t dropout_seed, const Slopes& f) {
  int64_t tokens = 0;
  ForwardOptions forward;
  forward.keep_for_backward = true;
  forward.recompute = recompute_;
  forward.lora_dropout = lora_dropout_;
  std::vector<double> sums(group), slopes(group);
  each_micro(replies, group, [&](size_t begin, size_t end) {
    forward.dropout_seed = mix64(dropout_seed ^ mix64(begin));
    const Mat hidden = model_.forward(micro_.batch, forward);
    const auto now = model_.log_probs(hidden, micro_.rows, micro_.targets);
    slopes_.resize(now.logprob.size());
    for (size_t i = begin; i < end; ++i) {
      const size_t first = (i - begin) * group;
      for (size_t j = 0; j < group; ++j) sums[j] = sum_of(now.logprob, first + j);
      f(i, sums, slopes);
      for (size_t j = 0; j < group; ++j)
        std::fill(slopes_.begin() + micro_.first[first + j], slopes_.begin() + micro_.first[first + j + 1],
                  static_cast<float>(slopes[j]));
    }
    model_.backward(micro_.batch, model_.log_probs_backward(hidden, micro_.rows, micro_.targets, 1, now, slopes_));
    tokens += micro_.batch.rows();
  });
  auto all = static_cast<double>(tokens);
  ranks_.all_reduce({&all, 1});
  return static_cast<int64_t>(all);
}

// --- the stage -----------------------------------------------------------------------------------

void PreferenceFigures::write(std::map<std::string, double>& m) const {
  m["loss"] = loss / items;
  m["rewards/accuracies"] = right / items;
  if (chosen > 0) {
    m["rewards/chosen"] = chosen_reward / chosen;
    m["logps/chosen"] = chosen_logp / chosen;
  }
  if (rejected > 0) {
    m["rewards/rejected"] = rejected_reward / rejected;
    m["logps/rejected"] = rejected_logp / rejected;
  }
  if (chosen > 0 && rejected > 0) m["rewards/margins"] = chosen_reward / chosen - rejected_reward / rejected;
}

void PreferenceFigures::add_ranks(Ranks& ranks) {
  double* const fields[] = {&loss,   &items,    &chosen_reward, &rejected_reward, &chosen_logp, &rejected_logp,
                            &chosen, &rejected, &right};
  std::vector<double> sums;
  for (const double* field : fields) sums.push_back(*field);
  ranks.all_reduce(sums);
  for (size_t i = 0; i < sums.size(); ++i) *fields[i] = sums[i];
}

Status PreferenceStage::load_policy(const std::string& folder) {
  TRY(models_, StageModels::make(*context_.kernels, context_.compute, context_.seed, lora_));
  LoadOptions load = models_.load_options();
  load.with_gradients = true;
  TRY(model_, load_model(folder, *context_.kernels, load));
  TRY(Tokenizer tokenizer, Tokenizer::load(folder));
  tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
  pass_ =
      std::make_unique<ReplyPass>(*model_, training_.micro_tokens, training_.recompute, *context_.ranks, lora_.dropout);
  return {};
}

Result<std::unique_ptr<Model>> PreferenceStage::load_reference(const std::string& folder) const {
  TRY(auto reference, load_model(folder, *context_.kernels, models_.load_options()));
  if (reference->config().vocab_size != model_->config().vocab_size) {
    return Err("policy and reference differ in vocabulary: {} and {}", model_->config().vocab_size,
               reference->config().vocab_size);
  }
  return reference;
}

void PreferenceStage::start(size_t items, int64_t batch, const std::string& stream) {
  batches_ = EpochBatches(items, batch, context_.seed, stream);
  schedule_ = training_.make_schedule(total_steps());
  optimizer_ = std::make_unique<Optimizer>(*model_, training_.optimizer_options(), *context_.ranks);
}

Result<StepResult> PreferenceStage::step(int64_t step, double lr_scale) {
  StepResult result;
  const uint64_t dropout_seed =
      mix64(context_.seed ^ hash64("preference.dropout") ^ mix64(static_cast<uint64_t>(step)));
  const PreferenceFigures figures = train_on(batches_.at(step), dropout_seed, result);
  figures.write(result.metrics);
  const double lr = schedule_.at(step) * lr_scale;
  result.metrics["lr"] = lr;
  result.metrics["grad_norm"] = optimizer_->step(lr);
  for (const auto& [name, value] : result.metrics) {
    if (name != "lr" && name != "grad_norm") means_[name].add(value);
  }
  return result;
}

Status PreferenceStage::save(CheckpointState& state) const {
  save_training(state, *model_, *optimizer_);
  save_means(state, means_);
  return {};
}

Status PreferenceStage::load(const CheckpointState& state) {
  TRY_STATUS(load_training(state, *model_, *optimizer_));
  return load_means(state, means_);
}

Status PreferenceStage::finish(const std::string& out, StageReport& report) {
  for (const auto& [name, mean] : means_) report.figures[name] = mean.value();
  const PreferenceFigures valid = validate(report);
  if (valid.items > 0) {
    std::map<std::string, double> metrics;
    valid.write(metrics);
    report.figures["valid_loss"] = metrics["loss"];
    report.figures["valid_accuracy"] = metrics["rewards/accuracies"];
    if (const auto margin = metrics.find("rewards/margins"); margin != metrics.end())
      report.figures["valid_margin"] = margin->second;
  }
  return write_model_folder(*context_.ranks, *model_, *tokenizer_, out);
}

// --- pairs ---------------------------------------------------------------------------------------

namespace {

std::vector<const Reply*> replies_of(const std::vector<ReplyPair>& pairs) {
  std::vector<const Reply*> replies;
  for (const ReplyPair& p : pairs) replies.insert(replies.end(), {&p.chosen, &p.rejected});
  return replies;
}

void count(const PairOutcome& pair, double chosen_logp, double rejected_logp, PreferenceFigures& f) {
  f.loss += pair.loss;
  f.chosen_reward += pair.chosen_reward;
  f.rejected_reward += pair.rejected_reward;
  f.chosen_logp += chosen_logp;
  f.rejected_logp += rejected_logp;
  f.right += pair.chosen_reward > pair.rejected_reward ? 1 : 0;
  f.items += 1;
  f.chosen += 1;
  f.rejected += 1;
}

}  // namespace

Status PairStage::read(const PreferenceFiles& files) {
  TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
  return read_pairs(context_, chat, model_->config().max_positions, files, train_, valid_);
}

void PairStage::precompute_reference(Model& reference) {
  for (std::vector<ReplyPair>* pairs : {&train_, &valid_}) {
    ReplyPass pass(reference, training_.micro_tokens, false, *context_.ranks);
    const std::vector<double> sums = pass.log_probs(replies_of(*pairs));
    for (size_t i = 0; i < pairs->size(); ++i) {
      (*pairs)[i].chosen.reference = sums[2 * i];
      (*pairs)[i].rejected.reference = sums[2 * i + 1];
    }
  }
}

PreferenceFigures PairStage::train_on(std::span<const size_t> items, uint64_t dropout_seed, StepResult& result) {
  std::vector<const Reply*> replies;
  for (const size_t i : items) replies.insert(replies.end(), {&train_[i].chosen, &train_[i].rejected});
  PreferenceFigures figures;
  const auto n = static_cast<double>(items.size());
  result.tokens +=
      pass_->train(replies, 2, dropout_seed, [&](size_t i, std::span<const double> sums, std::span<double> slopes) {
        const PairOutcome pair = judge(train_[items[i]], sums[0], sums[1]);
        count(pair, sums[0], sums[1], figures);
        for (const auto& [name, value] : pair.metrics) result.metrics[name] += value / n;
        slopes[0] = pair.chosen_slope / n;
        slopes[1] = pair.rejected_slope / n;
      });
  figures.add_ranks(*context_.ranks);
  add_ranks(*context_.ranks, result.metrics);
  return figures;
}

PreferenceFigures PairStage::validate(StageReport& report) {
  report.figures["pairs"] = static_cast<double>(train_.size());
  report.figures["valid_pairs"] = static_cast<double>(valid_.size());
  const std::vector<double> sums = pass_->log_probs(replies_of(valid_));
  PreferenceFigures figures;
  for (size_t i = 0; i < valid_.size(); ++i) {
    const double chosen = sums[2 * i], rejected = sums[2 * i + 1];
    count(judge(valid_[i], chosen, rejected), chosen, rejected, figures);
  }
  return figures;
}

}  // namespace loquat
