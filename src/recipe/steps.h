// The recipe's steps. Each reads what earlier ones left in the run folder and leaves its own there; the runner (run.cc)
// knows their order. A step is run again from its own checkpoint, or from its start, until its record says that it has
// ended.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/stats.h"
#include "data/town/gold.h"
#include "data/town/town.h"
#include "eval/chat.h"
#include "recipe/board.h"
#include "recipe/plan.h"
#include "recipe/run_folder.h"

namespace loquat::recipe {

class Run {
 public:
  Run(RecipePlan plan, RunFolder folder, const Kernels* kernels, uint64_t seed, uint64_t world_seed,
      const std::atomic<bool>* stop);

  RecipePlan plan;
  RunFolder folder;
  Board board;
  const Kernels* kernels = nullptr;
  uint64_t seed = 0;
  uint64_t world_seed = 0;
  const std::atomic<bool>* stop = nullptr;

  const town::World& world();  // made at the first call
  const town::GoldScorer& gold();
  DType compute() const { return plan.fp32 ? DType::kF32 : DType::kBF16; }
  uint64_t seed_of(std::string_view what) const { return hash64(what, seed); }
  StageContext context(const std::string& stage, const std::string& out);

 private:
  std::unique_ptr<town::World> world_;
  std::unique_ptr<town::GoldScorer> gold_;
};

// One step: fills the record's tokens, figures and guards; its seconds are the runner's.
using Step = Status (*)(Run&, StageRecord&);

// steps_data.cc
Status make_town(Run& run, StageRecord& record);
Status make_file_data(Run& run, StageRecord& record);
Status train_tokenizer(Run& run, StageRecord& record);
// steps_train.cc
Status pretrain_base(Run& run, StageRecord& record);
Status finetune_sft(Run& run, StageRecord& record);  // candidates in stages/sft/candidates
Status finetune_reference(Run& run, StageRecord& record);
Status train_reward(Run& run, StageRecord& record);
Status train_heldout_reward(Run& run, StageRecord& record);
Status align_ppo(Run& run, StageRecord& record);
Status align_dpo(Run& run, StageRecord& record);
Status align_kto(Run& run, StageRecord& record);
Status align_orpo(Run& run, StageRecord& record);
Status align_grpo(Run& run, StageRecord& record);
Status align_rloo(Run& run, StageRecord& record);
Status align_rejection(Run& run, StageRecord& record);
// steps_feedback.cc
Status make_contrasts(Run& run, StageRecord& record);
Status rank_comparisons(Run& run, StageRecord& record);
Status select_sft(Run& run, StageRecord& record);  // models/sft: the candidate that the reward model likes best
// steps_redteam.cc
Status adversarial_round(Run& run, StageRecord& record);
// steps_measure.cc
Status measure_base(Run& run, StageRecord& record);
Status measure_sft(Run& run, StageRecord& record);
Status measure_reference(Run& run, StageRecord& record);
Status measure_ppo(Run& run, StageRecord& record);
Status measure_dpo(Run& run, StageRecord& record);
Status measure_kto(Run& run, StageRecord& record);
Status measure_orpo(Run& run, StageRecord& record);
Status measure_grpo(Run& run, StageRecord& record);
Status measure_rloo(Run& run, StageRecord& record);
Status measure_rejection(Run& run, StageRecord& record);
Status measure_adversarial(Run& run, StageRecord& record);
Status measure_files(Run& run, StageRecord& record);
Status write_run_report(Run& run, const std::vector<StageRecord>& records);

// --- shared by the steps -------------------------------------------------------------------------

// Replies of the
// model in `folder`, in the order of the prompts.
Result<std::vector<ChatReply>> sample_replies(Run& run, const std::string& folder, std::span<const Messages> prompts,
                                              float temperature, int64_t max_tokens, uint64_t seed);
// The reward model's score of each (prompt, reply).
Result<std::vector<double>> reward_scores(Run& run, const std::string& folder, std::span<const Messages> prompts,
                                          std::span<const std::string> replies);
// Tokens, seconds, figures and guards of a stage of training.
void take(StageRecord& record, const StageReport& report);
void put(StageRecord& record, const std::string& name, const Interval& value);
std::vector<std::string> demonstration_files(const Run& run);
// Folders, in the order of their epochs; an error where there are none.
Result<std::vector<std::string>> sft_candidates(const Run& run);
Status copy_model(const std::string& from, const std::string& to);  // or an adapter

}  // namespace loquat::recipe
