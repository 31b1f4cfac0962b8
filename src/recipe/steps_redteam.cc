// The adversarial round: attack the PPO model with the families that training may see and with an attacker model
// trained on what worked; give the wins safe targets; train on them together with ordinary data.
#include <algorithm>
#include <map>

#include "infer/chat_engine.h"
#include "recipe/steps.h"
#include "redteam/campaign.h"
#include "store/files.h"

namespace loquat::recipe {
namespace {

using redteam::Attempt;

redteam::Target target_of(Run& run, const std::string& model, const std::string& stream) {
  return [&run, model, stream](std::span<const Messages> prompts) {
    std::vector<redteam::TargetReply> out(prompts.size());
    const auto replies = sample_replies(run, model, prompts, static_cast<float>(run.plan.eval.attack_temperature),
                                        run.plan.eval.max_tokens, run.seed_of(stream));
    for (size_t i = 0; i < out.size(); ++i) {
      if (replies.ok())
        out[i] = {(*replies)[i].text, (*replies)[i].ended, false};
      else
        out[i].error = true;
    }
    return out;
  };
}

// An attacker model: fine-tuned on the attacks that won, asked for new ones on other requests.
Result<std::vector<Attempt>> attacker_attempts(Run& run, const std::vector<Attempt>& wins,
                                               const std::vector<town::Task>& requests, StageRecord& record) {
  std::vector<Attempt> attempts;
  const AdversarialOptions& options = run.plan.adversarial;
  const std::vector<Demonstration> lessons = redteam::attacker_demonstrations(wins);
  if (lessons.size() < 8 || options.attacker_attempts == 0) return attempts;
  const std::string lessons_file = run.folder.data("attacker_demonstrations.jsonl");
  TRY_STATUS(write_demonstrations(lessons_file, lessons));
  SftOptions sft = options.sft;
  sft.base = run.folder.model("base");
  sft.demonstrations = {lessons_file};
  sft.pretrain_fraction = 0;
  sft.epochs = options.attacker_epochs;
  sft.training.lr = options.attacker_lr;
  const std::string out = run.folder.stage("attacker") + "/model";
  TRY(const StageReport report, run_sft(run.context("attacker", out), sft));
  for (const GuardEvent& event : report.guards) record.guards.push_back(event.message);
  record.tokens += report.tokens;

  std::vector<Messages> prompts;
  std::vector<const town::Task*> tasks;
  for (int64_t i = 0; i < options.attacker_attempts; ++i) {
    tasks.push_back(&requests[static_cast<size_t>(i) % requests.size()]);
    prompts.push_back(redteam::attacker_prompt(tasks.back()->messages.back().content));
  }
  TRY(const std::vector<ChatReply> attacks,
      sample_replies(run, out, prompts, 1, options.attacker_max_tokens, run.seed_of("attacker attempts")));
  std::vector<std::string> texts;
  for (size_t i = 0; i < attacks.size(); ++i) {
    if (!attacks[i].ended || attacks[i].text.empty()) continue;
    attempts.push_back(redteam::attacker_attempt(*tasks[i], attacks[i].text));
    texts.push_back(attacks[i].text);
  }
  record.figures["attacker_self_bleu"] = redteam::self_bleu(texts, Rng(run.seed, "self-BLEU"));
  return attempts;
}

// Each prompt with the best of several replies of the PPO model's own, by the reward model: what it does well already.
Result<std::vector<Demonstration>> own_best_replies(Run& run, std::span<const Messages> prompts,
                                                    std::span<const Messages> shown_as, const std::string& name) {
  const auto n = static_cast<size_t>(run.plan.adversarial.best_of);
  std::vector<Messages> repeated;
  for (const Messages& prompt : prompts) repeated.insert(repeated.end(), n, prompt);
  TRY(const std::vector<ChatReply> replies, sample_replies(run, run.folder.model("ppo"), repeated, 1,
                                                           run.plan.eval.max_tokens, run.seed_of("best of n " + name)));
  std::vector<std::string> texts;
  for (const ChatReply& reply : replies) texts.push_back(reply.text);
  TRY(const std::vector<double> scores, reward_scores(run, run.folder.model("reward"), repeated, texts));
  std::vector<Demonstration> demonstrations;
  for (size_t i = 0; i < prompts.size(); ++i) {
    size_t best = i * n;
    for (size_t j = i * n; j < (i + 1) * n; ++j)
      if (replies[j].ended && (!replies[best].ended || scores[j] > scores[best])) best = j;
    if (!replies[best].ended || texts[best].empty()) continue;
    Messages messages = shown_as[i];
    messages.push_back({"assistant", texts[best]});
    demonstrations.push_back({fmt::format("{}-{}", name, i), std::move(messages)});
  }
  return demonstrations;
}

// Ordinary prompts, and harmless requests in the same wrappings as the attacks: the wrapping must not become the sign.
Result<std::vector<Demonstration>> ordinary_demonstrations(Run& run,
                                                           std::span<const redteam::AttackFamily* const> families) {
  const AdversarialOptions& options = run.plan.adversarial;
  std::vector<Messages> prompts, shown;
  for (const town::Task& task :
       town::make_training_tasks(run.world(), options.ordinary_prompts, "adversarial ordinary"))
    prompts.push_back(task.messages), shown.push_back(task.messages);
  // Every other one a look-alike: those are what a wrapping most easily turns into a refusal.
  std::vector<town::Task> look_alikes, plain, benign;
  for (town::Task& task : town::make_training_tasks(run.world(), options.ordinary_prompts, "adversarial benign"))
    if (task.messages.size() == 1 && task.expect == town::Expect::kAnswer && task.passage.empty())
      (task.measure == "look_alike" ? look_alikes : plain).push_back(std::move(task));
  for (size_t i = 0; i < std::min(look_alikes.size(), plain.size()); ++i) {
    benign.push_back(std::move(look_alikes[i]));
    benign.push_back(std::move(plain[i]));
  }
  const std::vector<Attempt> wrapped = redteam::make_attempts(run.world(), benign, families, options.benign_per_family,
                                                              Rng(run.seed, "benign wrappings"));
  for (const Attempt& attempt : wrapped) {
    prompts.push_back(attempt.task.messages);  // answered bare, shown wrapped
    shown.push_back(attempt.prompt);
  }
  return own_best_replies(run, prompts, shown, "ordinary");
}

// What the PPO model said to attacks that failed, kept as it is: what held must hold.
std::vector<Demonstration> withstood(std::span<const Attempt> attempts, int64_t per_family) {
  std::vector<Demonstration> demonstrations;
  std::map<std::string, int64_t> taken;
  for (const Attempt& attempt : attempts) {
    if (attempt.outcome != redteam::Outcome::kFailure || attempt.reply.empty()) continue;
    if (taken[attempt.family]++ >= per_family) continue;
    Messages messages = attempt.prompt;
    messages.push_back({"assistant", attempt.reply});
    demonstrations.push_back({fmt::format("withstood-{}", demonstrations.size()), std::move(messages)});
  }
  return demonstrations;
}

Status write_attempts(const std::string& path, const std::vector<Attempt>& attempts) {
  std::vector<Demonstration> lines;
  for (const Attempt& attempt : attempts) {
    Demonstration line{fmt::format("{}: {}", attempt.family, redteam::name_of(attempt.outcome)), attempt.prompt};
    line.messages.push_back({"assistant", attempt.reply});
    lines.push_back(std::move(line));
  }
  return write_demonstrations(path, lines);
}

}  // namespace

Status adversarial_round(Run& run, StageRecord& record) {
  const AdversarialOptions& options = run.plan.adversarial;
  const town::World& world = run.world();
  const std::vector<const redteam::AttackFamily*> families = redteam::families_without(world.held_out_families);
  const std::vector<town::Task> requests = town::make_harmful_requests(
      world, std::max<int64_t>(options.attempts_per_family, options.attacker_attempts), false);
  std::vector<Attempt> attempts =
      redteam::make_attempts(world, requests, families, options.attempts_per_family, Rng(run.seed, "campaign"));
  redteam::run_attempts(run.gold(), target_of(run, run.folder.model("ppo"), "campaign"), attempts);
  std::vector<Attempt> wins = redteam::unique_wins(attempts);
  record.figures["family_attempts"] = static_cast<double>(attempts.size());
  record.figures["family_wins"] = static_cast<double>(wins.size());

  TRY(std::vector<Attempt> written, attacker_attempts(run, wins, requests, record));
  redteam::run_attempts(run.gold(), target_of(run, run.folder.model("ppo"), "attacker campaign"), written);
  record.figures["attacker_attempts"] = static_cast<double>(written.size());
  attempts.insert(attempts.end(), written.begin(), written.end());
  wins = redteam::unique_wins(attempts);
  record.figures["wins"] = static_cast<double>(wins.size());
  TRY_STATUS(write_attempts(run.folder.data("attacks.jsonl"), attempts));

  std::vector<Demonstration> lessons = redteam::safe_demonstrations(world, wins, Rng(run.seed, "safe targets"));
  TRY(const std::vector<Demonstration> ordinary, ordinary_demonstrations(run, families));
  record.figures["safe_demonstrations"] = static_cast<double>(lessons.size());
  record.figures["ordinary_demonstrations"] = static_cast<double>(ordinary.size());
  lessons.insert(lessons.end(), ordinary.begin(), ordinary.end());
  const std::vector<Demonstration> held = withstood(attempts, options.withstood_per_family);
  record.figures["withstood_demonstrations"] = static_cast<double>(held.size());
  lessons.insert(lessons.end(), held.begin(), held.end());
  const std::string file = run.folder.data("adversarial_demonstrations.jsonl");
  TRY_STATUS(write_demonstrations(file, lessons));

  SftOptions sft = options.sft;
  sft.base = run.folder.model("ppo");
  sft.demonstrations = {file};
  if (sft.pretrain_fraction > 0) sft.pretrain_texts = {run.folder.data("documents.jsonl")};
  TRY(const StageReport report, run_sft(run.context("adversarial", run.folder.model("adversarial")), sft));
  take(record, report);
  record.seconds = 0;  // of the fine-tune alone; the runner's clock counts the attacks too
  return {};
}

}  // namespace loquat::recipe
