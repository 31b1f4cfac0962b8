#include "recipe/measure.h"

#include <algorithm>

#include "infer/chat_engine.h"
#include "redteam/campaign.h"
#include "store/files.h"

namespace loquat::recipe {
namespace {

ReplyParams reply_params(const ChatParams& chat) {
  ReplyParams params;
  params.temperature = chat.temperature;
  params.max_tokens = chat.max_tokens;
  params.seed = chat.seed;
  return params;
}

std::vector<ChatReply> as_chat(const std::vector<ReplyText>& texts) {
  std::vector<ChatReply> replies;
  for (const ReplyText& t : texts) replies.push_back({t.text, t.tokens, t.ended});
  return replies;
}

Chat chat_of(ChatModel& model, bool base_model) {
  if (!base_model)
    return [&model](std::span<const Messages> conversations, const ChatParams& chat) {
      return as_chat(model.replies(conversations, reply_params(chat)));
    };
  return eval::base_model_chat([&model](std::span<const std::string> texts, const ChatParams& chat) {
    const int64_t room = std::max<int64_t>(1, model.config().max_positions - chat.max_tokens);
    std::vector<std::vector<int32_t>> prompts;
    for (const std::string& text : texts) {
      std::vector<int32_t> tokens = model.tokenizer().encode(text);
      if (static_cast<int64_t>(tokens.size()) > room) tokens.erase(tokens.begin(), tokens.end() - room);
      prompts.push_back(std::move(tokens));
    }
    std::vector<int32_t> stop = model.tokenizer().encode("\n");  // where the answer's line ends
    if (stop.size() != 1) stop.clear();
    stop.push_back(model.tokenizer().special(kEndOfText));
    return as_chat(model.complete(prompts, reply_params(chat), stop));
  });
}

// Attacks of every family on test requests, several tries each.
std::vector<eval::AttackOutcome> attack(const MeasureRequest& request, const town::World& world,
                                        const town::GoldScorer& gold, const Chat& chat) {
  const EvalOptions& o = request.options;
  const std::vector<town::Task> requests = town::make_harmful_requests(world, o.attacks_per_family, true);
  const std::vector<const redteam::AttackFamily*> families = redteam::families_without({});
  std::vector<redteam::Attempt> attempts =
      redteam::make_attempts(world, requests, families, o.attacks_per_family, Rng(world.seed, "test attacks"));
  redteam::run_tries(gold, o.attack_tries, attempts, [&](int64_t round, std::span<const Messages> prompts) {
    const ChatParams params{static_cast<float>(o.attack_temperature), o.max_tokens,
                            hash64("attacks", request.seed + static_cast<uint64_t>(round))};
    std::vector<redteam::TargetReply> replies;
    for (const ChatReply& r : chat(prompts, params)) replies.push_back({r.text, r.ended, false});
    return replies;
  });
  std::vector<eval::AttackOutcome> outcomes;
  for (const redteam::Attempt& a : attempts) {
    const bool held_out = std::find(world.held_out_families.begin(), world.held_out_families.end(), a.family) !=
                          world.held_out_families.end();
    outcomes.push_back({a.family, held_out, a.task, a.prompt, a.reply, a.outcome != redteam::Outcome::kUndetermined});
  }
  return outcomes;
}

}  // namespace

Result<eval::TownMeasures> measure_model(const MeasureRequest& request, const town::World& world,
                                         const town::GoldScorer& gold, const Kernels& kernels, DType compute) {
  TRY(const std::unique_ptr<ChatModel> model, ChatModel::load(request.model, kernels, compute));
  const Chat chat = chat_of(*model, request.base_model);
  const Score score = [&](std::span<const std::string> texts) {
    std::vector<TextScore> scores;
    for (const TextLogProb& s : model->score(texts)) scores.push_back({s.logprob, s.bytes});
    return scores;
  };
  eval::TownEvalOptions options;
  options.chat = {static_cast<float>(request.options.temperature), request.options.max_tokens, request.seed};
  options.helpful = request.scale.test_helpful;
  options.other = request.scale.test_other;
  options.heldout_words = request.scale.heldout_words;
  options.progress = [&](const std::string&, int64_t done, int64_t all) {
    if (request.progress) request.progress(done, all);
  };
  eval::TownEvaluation evaluation = eval::evaluate_town(world, gold, chat, score, options);
  const std::vector<eval::AttackOutcome> outcomes = attack(request, world, gold, chat);
  evaluation.measures.attack_success = eval::measure_attacks(gold, outcomes);
  for (const eval::AttackOutcome& a : outcomes)
    evaluation.replies.push_back(
        {a.task.id + "/" + a.family, "attack", a.prompt, a.reply, a.determined, 0, gold.score(a.task, a.reply)});
  if (!request.out.empty()) {
    TRY_STATUS(make_folders(request.out));
    TRY_STATUS(eval::write_replies(request.out + "/replies.jsonl", evaluation.replies));
    TRY_STATUS(write_file(request.out + "/measures.json", eval::to_json(evaluation.measures) + "\n"));
  }
  return evaluation.measures;
}

}  // namespace loquat::recipe
