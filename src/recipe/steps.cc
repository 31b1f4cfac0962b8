#include "recipe/steps.h"

#include <algorithm>

#include "infer/chat_engine.h"
#include "model/adapter_folder.h"
#include "store/files.h"
#include "train/reward.h"

namespace loquat::recipe {

Run::Run(RecipePlan plan, RunFolder folder, const Kernels* kernels, uint64_t seed, uint64_t world_seed,
         const std::atomic<bool>* stop)
    : plan(std::move(plan)),
      folder(std::move(folder)),
      board(this->folder.path(), this->plan.name, this->plan.scale),
      kernels(kernels),
      seed(seed),
      world_seed(world_seed),
      stop(stop) {}

const town::World& Run::world() {
  if (!world_) world_ = std::make_unique<town::World>(town::make_world(world_seed));
  return *world_;
}

const town::GoldScorer& Run::gold() {
  if (!gold_) gold_ = std::make_unique<town::GoldScorer>(world());
  return *gold_;
}

StageContext Run::context(const std::string& stage, const std::string& out) {
  StageContext context;
  context.out = out;
  context.work = folder.stage(stage);
  context.kernels = kernels;
  context.compute = compute();
  context.seed = seed_of(stage);
  context.checkpoint_every = plan.checkpoint_every;
  context.stop = stop;
  context.on_note = [this](const std::string& line) { board.note(line); };
  context.on_progress = [this](const StageProgress& p) {
    std::string detail;
    for (const char* name : {"loss", "reward", "kl"}) {
      const auto it = p.metrics.find(name);
      if (it != p.metrics.end()) detail += fmt::format("{}{} {:.3f}", detail.empty() ? "" : ", ", name, it->second);
    }
    board.update(p.step, p.total_steps, p.tokens_per_second, detail);
  };
  return context;
}

Result<std::vector<ChatReply>> sample_replies(Run& run, const std::string& folder, std::span<const Messages> prompts,
                                              float temperature, int64_t max_tokens, uint64_t seed) {
  TRY(const std::unique_ptr<ChatModel> model, ChatModel::load(folder, *run.kernels, run.compute()));
  ReplyParams params;
  params.temperature = temperature;
  params.max_tokens = max_tokens;
  params.seed = seed;
  std::vector<ChatReply> replies;
  for (const ReplyText& reply : model->replies(prompts, params)) {
    if (!reply.error.empty()) return Err("{}: {}", folder, reply.error);
    replies.push_back({reply.text, reply.tokens, reply.ended});
  }
  return replies;
}

Result<std::vector<double>> reward_scores(Run& run, const std::string& folder, std::span<const Messages> prompts,
                                          std::span<const std::string> replies) {
  TRY(RewardModel reward, load_reward_model(folder, *run.kernels, run.compute()));
  TRY(const Tokenizer tokenizer, Tokenizer::load(run.folder.file("tokenizer")));
  TRY(const ChatTemplate chat, ChatTemplate::make(tokenizer));
  std::vector<std::vector<int32_t>> sequences;
  for (size_t i = 0; i < prompts.size(); ++i) {
    sequences.push_back(reward_tokens(chat, prompts[i], replies[i], reward.model->config().max_positions));
    if (sequences.back().empty())
      return Err("prompt {}: its last turn and the reply take more than the reward model's context of {} tokens", i,
                 reward.model->config().max_positions);
  }
  const std::vector<float> scores = rewards_of(reward, sequences, run.plan.reward.training.micro_tokens);
  return std::vector<double>(scores.begin(), scores.end());
}

void put(StageRecord& record, const std::string& name, const Interval& value) {
  record.figures[name + ".value"] = value.value;
  record.figures[name + ".low"] = value.low;
  record.figures[name + ".high"] = value.high;
  record.figures[name + ".n"] = static_cast<double>(value.n);
}

std::vector<std::string> demonstration_files(const Run& run) {
  if (run.plan.world == "files") return run.plan.files.demonstrations;
  return {run.folder.data("demonstrations.jsonl")};
}

Result<std::vector<std::string>> sft_candidates(const Run& run) {
  std::vector<std::string> folders;
  for (int64_t epoch = 1; epoch <= run.plan.sft.epochs; ++epoch) {
    const std::string folder = candidate_folder(run.folder.stage("sft"), epoch);
    if (file_exists(folder + "/model.safetensors") || file_exists(folder + "/adapter_model.safetensors"))
      folders.push_back(folder);
  }
  if (folders.empty()) return Err("{}: no SFT candidates; run the sft stage again", run.folder.stage("sft"));
  return folders;
}

Status copy_model(const std::string& from, const std::string& to) {
  if (is_adapter_folder(from)) return copy_adapter_folder(from, to);
  // The weights last: a folder with model.safetensors is a whole one.
  TRY_STATUS(make_folders(to));
  for (const char* name :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}) {
    if (!file_exists(from + "/" + name)) continue;
    TRY(const std::string bytes, read_file(from + "/" + name));
    TRY_STATUS(write_file(to + "/" + name, bytes));
  }
  return {};
}

}  // namespace loquat::recipe
