// KTO (kto.h).
#include "train/kto.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "data/encode.h"
#include "data/unpaired.h"
#include "train/needed.h"
#include "train/preference.h"

namespace loquat {

KtoLoss kto_loss(double log_ratio, double kl, bool desirable, const KtoOptions& options) {
  const double sign = desirable ? 1 : -1;
  const double weight = desirable ? options.desirable_weight : options.undesirable_weight;
  const double s = sigmoid(sign * options.beta * (log_ratio - kl));
  return {weight * (1 - s), -weight * sign * options.beta * s * (1 - s)};
}

std::vector<size_t> mismatched(std::span<const size_t> groups, uint64_t seed) {
  const size_t n = groups.size();
  std::vector<size_t> order(n), partner(n);
  std::iota(order.begin(), order.end(), size_t{0});
  Rng(seed, "kto.mismatched").shuffle(order);
  // Backwards round the ring: where the next item's group is another, it is the one; else it is what the next one has
  // or, in a run of equal groups, the item that ends the run.
  size_t change = n;
  for (size_t i = 0; i < n && change == n; ++i) {
    if (groups[order[i]] != groups[order[(i + 1) % n]]) change = i;
  }
  if (change == n) return {};
  for (size_t step = 0; step < n; ++step) {
    const size_t i = (change + n - step) % n, next = (i + 1) % n;
    partner[order[i]] = groups[order[i]] != groups[order[next]] ? order[next] : partner[order[next]];
  }
  return partner;
}

namespace {

struct JudgedReply {
  Reply reply;
  Reply other;  // the same prompt with the reply to another
  bool desirable = false;
};

class KtoStage : public PreferenceStage {
 public:
  KtoStage(const StageContext& context, const KtoOptions& options)
      : PreferenceStage(context, options.training, options.lora, options.epochs), options_(options) {}

  Status prepare() {
    TRY_STATUS(load_policy(options_.policy));
    TRY_STATUS(read());
    if (!add_mismatched(train_))
      return Err(
          "rankings: all judged replies answer one prompt; expected at least two prompts: the KL term is estimated "
          "from replies to other ones");
    if (!add_mismatched(valid_)) {
      note(context_, "kto: no validation: all held-out replies answer one prompt");
      valid_.clear();
    }
    note_balance();
    TRY(const auto reference, load_reference(options_.reference.empty() ? options_.policy : options_.reference));
    for (std::vector<JudgedReply>* items : {&train_, &valid_}) {
      ReplyPass pass(*reference, options_.training.micro_tokens, false, *context_.ranks);
      const std::vector<double> own = pass.log_probs(replies_of(*items)), others = pass.log_probs(others_of(*items));
      for (size_t i = 0; i < items->size(); ++i) {
        (*items)[i].reply.reference = own[i];
        (*items)[i].other.reference = others[i];
      }
    }
    start(train_.size(), options_.batch, "kto.order");
    return {};
  }

 private:
  Status read() {
    TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
    const PreferenceFiles files{options_.rankings, options_.valid_rankings, options_.valid_fraction};
    const int64_t positions = model_->config().max_positions;
    for (const bool set_apart : {false, true}) {
      for (const std::string& path : set_apart ? options_.valid_rankings : options_.rankings) {
        TRY(const std::vector<UnpairedReply> items, read_unpaired(path));
        int64_t too_long = 0;
        for (const UnpairedReply& item : items) {
          auto encoded = encode_ranking(chat, {item.id, item.prompt, {{item.reply, 0, 0, {}}}}, positions);
          if (!encoded.ok()) {
            ++too_long;
            continue;
          }
          TokenSequence& sequence = encoded->responses[0];
          const int64_t prompt = static_cast<int64_t>(sequence.tokens.size()) - count_targets(sequence);
          auto& into = set_apart || held_out(item.prompt, files, context_.seed) ? valid_ : train_;
          into.push_back({{std::move(sequence.tokens), prompt, 0}, {}, item.desirable});
        }
        note_too_long(context_, path, too_long, positions);
      }
    }
    if (train_.empty()) return Err("rankings: no judged reply to train on");
    return {};
  }

  // Fixed for the whole run, so that the reference's log-probabilities are computed once. False where all the replies
  // answer one prompt.
  bool add_mismatched(std::vector<JudgedReply>& items) const {
    std::map<std::vector<int32_t>, size_t> seen;
    std::vector<size_t> prompts;
    for (const JudgedReply& item : items) {
      std::vector<int32_t> prompt(item.reply.tokens.begin(), item.reply.tokens.begin() + item.reply.prompt);
      prompts.push_back(seen.emplace(std::move(prompt), seen.size()).first->second);
    }
    const std::vector<size_t> partner = mismatched(prompts, context_.seed);
    if (partner.empty()) return items.empty();
    const auto most = static_cast<size_t>(model_->config().max_positions);
    for (size_t i = 0; i < items.size(); ++i) {
      const Reply &own = items[i].reply, &from = items[partner[i]].reply;
      Reply& other = items[i].other;
      other.prompt = own.prompt;
      other.tokens.assign(own.tokens.begin(), own.tokens.begin() + own.prompt);
      other.tokens.insert(other.tokens.end(), from.tokens.begin() + from.prompt, from.tokens.end());
      if (other.tokens.size() > most) other.tokens.resize(most);
    }
    return true;
  }

  void note_balance() const {
    const auto wanted = static_cast<double>(count_desirable(train_)) * options_.desirable_weight;
    const double unwanted =
        static_cast<double>(train_.size() - static_cast<size_t>(count_desirable(train_))) * options_.undesirable_weight;
    if (unwanted > 0 && wanted >= unwanted && wanted <= unwanted * 4 / 3 + 1e-9) return;
    note(context_, fmt::format("kto: weight times number is {:.6g} for wanted and {:.6g} for unwanted replies; the "
                               "paper has the first from 1 to 4/3 times the second (desirable_weight, "
                               "undesirable_weight)",
                               wanted, unwanted));
  }

  PreferenceFigures train_on(std::span<const size_t> items, uint64_t dropout_seed, StepResult& result) override {
    std::vector<const Reply*> replies, others;
    for (const size_t i : items) {
      replies.push_back(&train_[i].reply);
      others.push_back(&train_[i].other);
      result.tokens += static_cast<int64_t>(train_[i].other.tokens.size());
    }
    const double kl = reference_point(others);
    PreferenceFigures figures;
    const auto n = static_cast<double>(items.size());
    result.tokens +=
        pass_->train(replies, 1, dropout_seed, [&](size_t i, std::span<const double> sums, std::span<double> slopes) {
          slopes[0] = count(train_[items[i]], sums[0], kl, figures).slope / n;
        });
    figures.add_ranks(*context_.ranks);
    result.metrics["kl"] = kl;
    return figures;
  }

  PreferenceFigures validate(StageReport& report) override {
    report.figures["desirable"] = static_cast<double>(count_desirable(train_));
    report.figures["undesirable"] = static_cast<double>(train_.size()) - report.figures["desirable"];
    report.figures["valid_replies"] = static_cast<double>(valid_.size());
    PreferenceFigures figures;
    if (valid_.empty()) return figures;
    const double kl = reference_point(others_of(valid_));
    const std::vector<double> sums = pass_->log_probs(replies_of(valid_));
    for (size_t i = 0; i < valid_.size(); ++i) count(valid_[i], sums[i], kl, figures);
    return figures;
  }

  double reference_point(std::span<const Reply* const> others) {
    const std::vector<double> sums = pass_->log_probs(others);
    double kl = 0;
    for (size_t i = 0; i < others.size(); ++i) kl += sums[i] - others[i]->reference;
    return std::max(0.0, kl / static_cast<double>(others.size()));
  }

  KtoLoss count(const JudgedReply& item, double logp, double kl, PreferenceFigures& f) const {
    const double log_ratio = logp - item.reply.reference;
    const KtoLoss loss = kto_loss(log_ratio, kl, item.desirable, options_);
    f.loss += loss.loss;
    f.items += 1;
    f.right += item.desirable == (log_ratio > kl) ? 1 : 0;
    (item.desirable ? f.chosen : f.rejected) += 1;
    (item.desirable ? f.chosen_reward : f.rejected_reward) += options_.beta * log_ratio;
    (item.desirable ? f.chosen_logp : f.rejected_logp) += logp;
    return loss;
  }

  static int64_t count_desirable(const std::vector<JudgedReply>& items) {
    return std::count_if(items.begin(), items.end(), [](const JudgedReply& item) { return item.desirable; });
  }
  static std::vector<const Reply*> replies_of(const std::vector<JudgedReply>& items) {
    std::vector<const Reply*> out;
    for (const JudgedReply& item : items) out.push_back(&item.reply);
    return out;
  }
  static std::vector<const Reply*> others_of(const std::vector<JudgedReply>& items) {
    std::vector<const Reply*> out;
    for (const JudgedReply& item : items) out.push_back(&item.other);
    return out;
  }

  const KtoOptions& options_;
  std::vector<JudgedReply> train_, valid_;
};

}  // namespace

TrainingOptions KtoOptions::defaults() {
  TrainingOptions training;
  training.lr = 5e-7;  // the paper's, for 1 to 30 B parameters
  training.final_fraction = 0;
  training.warmup_steps = 10;
  return training;
}

Result<KtoOptions> KtoOptions::read(Settings& settings) {
  return read_options(settings, KtoOptions{});
}

Result<StageReport> run_kto(const StageContext& context, const KtoOptions& options) {
  TRY_STATUS(need_model("kto", "policy", options.policy));
  TRY_STATUS(need_data("kto", "rankings", options.rankings));
  StageHash hash("kto", context);
  hash.add("options", canonical_options(options));
  TRY_STATUS(hash.add_model(options.policy));
  if (!options.reference.empty()) TRY_STATUS(hash.add_model(options.reference));
  TRY_STATUS(hash.add_files(options.rankings));
  TRY_STATUS(hash.add_files(options.valid_rankings));
  const StageIdentity identity{"kto", hash.hex(), context.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<KtoStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
