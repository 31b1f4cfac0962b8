// Steps in which replies are sampled and judged: comparisons for the reward model, and the choice of the SFT
// checkpoint.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/threads.h"
#include "data/contrast.h"
#include "data/encode.h"
#include "data/town/labelers.h"
#include "eval/pairs.h"
#include "recipe/steps.h"
#include "store/files.h"

namespace loquat::recipe {
namespace {

// The replies of one task, and who ranks them.
struct Sampled {
  town::Task task;
  std::vector<std::string> replies;  // different from one another
  std::vector<town::Verdict> verdicts;
};

// K replies to every task from one model; tasks with fewer than two different replies are left out.
Status sample_task_replies(Run& run, const std::string& model, std::span<const town::Task> tasks, int64_t low,
                           int64_t high, std::string_view stream, std::vector<Sampled>& out) {
  std::vector<Messages> prompts;
  std::vector<size_t> owner;
  for (size_t i = 0; i < tasks.size(); ++i) {
    const int64_t k = Rng(run.seed, std::string(stream) + tasks[i].id).between(low, high);
    for (int64_t j = 0; j < k; ++j) prompts.push_back(tasks[i].messages), owner.push_back(i);
  }
  const ComparisonOptions& options = run.plan.comparisons;
  TRY(const std::vector<ChatReply> replies, sample_replies(run, model, prompts, static_cast<float>(options.temperature),
                                                           options.max_tokens, run.seed_of(stream)));
  std::vector<Sampled> sampled(tasks.size());
  for (size_t i = 0; i < replies.size(); ++i) {
    std::vector<std::string>& mine = sampled[owner[i]].replies;
    // The reward model reads replies that ended; those that did not get PPO's fixed score.
    if (replies[i].ended && !replies[i].text.empty() &&
        std::find(mine.begin(), mine.end(), replies[i].text) == mine.end())
      mine.push_back(replies[i].text);
  }
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (sampled[i].replies.size() < 2) continue;
    sampled[i].task = tasks[i];
    out.push_back(std::move(sampled[i]));
  }
  return {};
}

// Every candidate answers its share of the tasks, so that the comparisons show replies of several ages.
Status sample_from_candidates(Run& run, const std::vector<town::Task>& tasks, int64_t low, int64_t high,
                              std::string_view stream, std::vector<Sampled>& out) {
  TRY(const std::vector<std::string> candidates, sft_candidates(run));
  for (size_t c = 0; c < candidates.size(); ++c) {
    const size_t begin = tasks.size() * c / candidates.size(), end = tasks.size() * (c + 1) / candidates.size();
    TRY_STATUS(sample_task_replies(run, candidates[c], std::span(tasks).subspan(begin, end - begin), low, high,
                                   fmt::format("{} {}", stream, c), out));
    run.board.update(static_cast<int64_t>(c + 1), static_cast<int64_t>(candidates.size()), 0, std::string(stream));
  }
  return {};
}

// What the labelers see of each reply, before their own noise.
void judge(Run& run, std::vector<Sampled>& sampled) {
  const town::GoldScorer& gold = run.gold();
  parallel_for(static_cast<int64_t>(sampled.size()), [&](int64_t i) {
    Sampled& s = sampled[static_cast<size_t>(i)];
    for (const std::string& reply : s.replies) s.verdicts.push_back(gold.score(s.task, reply));
  });
}

std::vector<Ranking> rank_all(Run& run, std::span<const Sampled> sampled, const std::vector<town::Labeler>& labelers,
                              std::string_view stream) {
  Rng draw(run.seed, stream);
  std::vector<const town::Labeler*> who;
  for (size_t i = 0; i < sampled.size(); ++i) who.push_back(&draw.pick(labelers));
  std::vector<Ranking> rankings(sampled.size());
  parallel_for(static_cast<int64_t>(sampled.size()), [&](int64_t i) {
    const Sampled& s = sampled[static_cast<size_t>(i)];
    rankings[static_cast<size_t>(i)] =
        town::rank_scored_replies(*who[static_cast<size_t>(i)], s.task, s.replies, s.verdicts);
  });
  return rankings;
}

std::set<std::string> texts_of(const std::vector<town::Task>& tasks) {
  std::set<std::string> texts;
  for (const town::Task& task : tasks) texts.insert(task.messages.back().content);
  return texts;
}

}  // namespace

Status rank_comparisons(Run& run, StageRecord& record) {
  const ComparisonOptions& options = run.plan.comparisons;
  const std::vector<town::Task> tasks =
      town::make_training_tasks(run.world(), run.plan.town.comparison_prompts, "comparisons");
  std::vector<town::Task> tests =
      town::make_training_tasks(run.world(), options.test_prompts * 5 / 4 + 10, "comparisons test");
  std::set<std::string> seen = texts_of(tasks);
  for (const town::TaskDemonstration& made : town::make_demonstrations(run.world(), run.plan.town.demonstrations))
    seen.insert(made.task.messages.back().content);  // the contrasts' prompts
  std::erase_if(tests, [&](const town::Task& t) { return seen.count(t.messages.back().content) != 0; });
  if (tests.size() > static_cast<size_t>(options.test_prompts)) tests.resize(static_cast<size_t>(options.test_prompts));

  std::vector<Sampled> sampled, tested;
  TRY_STATUS(sample_from_candidates(run, tasks, options.replies_low, options.replies_high, "comparisons", sampled));
  TRY_STATUS(
      sample_from_candidates(run, tests, options.test_replies, options.test_replies, "comparisons test", tested));

  if (sampled.empty() || tested.empty())
    return Err(
        "no prompt got two different replies that ended: the SFT candidates are too weak to compare; give base or sft "
        "more training, or comparisons.max_tokens more room (it is {})",
        options.max_tokens);
  judge(run, sampled);
  judge(run, tested);
  const std::vector<town::Labeler> training = town::make_labelers(run.world(), false);
  const std::vector<town::Labeler> heldout = town::make_labelers(run.world(), true);
  TRY_STATUS(write_rankings(run.folder.data("rankings.jsonl"), rank_all(run, sampled, training, "labelers")));
  const auto share = std::span<const Sampled>(sampled).first(
      static_cast<size_t>(run.plan.heldout_reward_share * static_cast<double>(sampled.size())));
  if (!share.empty())
    TRY_STATUS(write_rankings(run.folder.data("rankings_watching.jsonl"),
                              rank_all(run, share, training, "watching labelers")));
  const std::vector<Ranking> first = rank_all(run, tested, heldout, "test labelers");
  const std::vector<Ranking> second = rank_all(run, tested, heldout, "test labelers, again");
  TRY_STATUS(write_rankings(run.folder.data("rankings_test.jsonl"), first));
  std::vector<Ranking> gold;
  for (const Sampled& s : tested) gold.push_back(town::gold_ranking(s.task, s.replies, s.verdicts));
  TRY_STATUS(write_rankings(run.folder.data("rankings_gold.jsonl"), gold));
  put(record, "labeler_agreement", eval::ranking_agreement(first, second));
  record.figures["prompts"] = static_cast<double>(sampled.size());
  return {};
}

Status make_contrasts(Run& run, StageRecord& record) {
  const ContrastPlan& plan = run.plan.contrasts;
  if (!plan.any()) return {};
  std::vector<Demonstration> all;
  for (const std::string& path : demonstration_files(run)) {
    TRY(std::vector<Demonstration> read, read_demonstrations(path));
    std::move(read.begin(), read.end(), std::back_inserter(all));
  }
  std::vector<std::vector<std::string>> samples;
  if (plan.samples > 0) {
    std::vector<Messages> prompts;
    for (const Demonstration& demonstration : all)
      prompts.insert(prompts.end(), static_cast<size_t>(plan.samples),
                     Messages(demonstration.messages.begin(), demonstration.messages.end() - 1));
    TRY(const std::vector<ChatReply> replies,
        sample_replies(run, run.folder.model("reference"), prompts, 1, run.plan.comparisons.max_tokens,
                       run.seed_of("contrast samples")));
    samples.resize(all.size());
    for (size_t i = 0; i < replies.size(); ++i)
      if (replies[i].ended) samples[i / static_cast<size_t>(plan.samples)].push_back(replies[i].text);
  }
  const std::vector<Ranking> rankings = contrasts(all, samples, plan.made, Rng(run.seed, "contrasts"));
  if (rankings.empty()) return Err("contrasts: no demonstration has a word to change or a sample beside it");
  record.figures["prompts"] = static_cast<double>(rankings.size());
  return write_rankings(run.folder.data("contrasts.jsonl"), rankings);
}

namespace {

// A reply that did not end gets PPO's score for it, in the unit of the scores of those that did.
void count_unended(std::vector<double>& scores, const std::vector<ChatReply>& replies, const PpoOptions& ppo) {
  double n = 0, sum = 0, square = 0;
  for (size_t i = 0; i < scores.size(); ++i)
    if (replies[i].ended) n += 1, sum += scores[i], square += scores[i] * scores[i];
  double mean = 0, deviation = 1;
  if (ppo.normalise_rewards && n > 0) mean = sum / n, deviation = std::sqrt(std::max(0.0, square / n - mean * mean));
  for (size_t i = 0; i < scores.size(); ++i)
    if (!replies[i].ended) scores[i] = mean + ppo.unended_score * deviation;
}

// Those of the first `most` prompts that leave room for a whole reply.
Result<std::vector<Messages>> prompts_with_room(Run& run, std::vector<Messages> prompts, int64_t most) {
  TRY(const ModelConfig config, read_model_config(run.folder.model("reward")));
  TRY(const Tokenizer tokenizer, Tokenizer::load(run.folder.file("tokenizer")));
  TRY(const ChatTemplate chat, ChatTemplate::make(tokenizer));
  // What ends the reply is one token more.
  const int64_t limit = config.max_positions - run.plan.select.max_tokens - 1;
  std::vector<Messages> kept;
  for (Messages& prompt : prompts) {
    if (static_cast<int64_t>(kept.size()) == most) break;
    if (encode_prompt(chat, prompt, limit, "").ok()) kept.push_back(std::move(prompt));
  }
  if (kept.empty())
    return Err("{}: no prompt leaves room for {} tokens of a reply in a context of {}",
               run.folder.data("ppo_prompts.jsonl"), run.plan.select.max_tokens, config.max_positions);
  return kept;
}

}  // namespace

Status select_sft(Run& run, StageRecord& record) {
  TRY(const std::vector<std::string> candidates, sft_candidates(run));
  std::vector<Messages> prompts;
  if (run.plan.world == "town") {
    for (const town::Task& task : town::make_training_tasks(run.world(), run.plan.select.prompts, "select"))
      prompts.push_back(task.messages);
  } else {
    TRY(prompts, read_prompts(run.folder.data("ppo_prompts.jsonl")));
    TRY(prompts, prompts_with_room(run, std::move(prompts), run.plan.select.prompts));
  }
  size_t best = 0;
  double best_mean = 0;
  for (size_t c = 0; c < candidates.size(); ++c) {
    TRY(const std::vector<ChatReply> replies,
        sample_replies(run, candidates[c], prompts, 1, run.plan.select.max_tokens, run.seed_of("select")));
    std::vector<std::string> texts;
    for (const ChatReply& reply : replies) texts.push_back(reply.text);
    TRY(std::vector<double> scores, reward_scores(run, run.folder.model("reward"), prompts, texts));
    count_unended(scores, replies, run.plan.ppo);
    double mean = 0;
    for (const double score : scores) mean += score / static_cast<double>(scores.size());
    record.figures[fmt::format("reward_epoch_{:02}", c + 1)] = mean;
    if (c == 0 || mean > best_mean) best = c, best_mean = mean;
    run.board.update(static_cast<int64_t>(c + 1), static_cast<int64_t>(candidates.size()), 0, "");
  }
  record.figures["chosen_epoch"] = static_cast<double>(best + 1);
  return copy_model(candidates[best], run.folder.model("sft"));
}

}  // namespace loquat::recipe
