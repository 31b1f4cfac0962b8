// Supervised fine-tuning on demonstrations: loss on the assistant's tokens alone, averaged over the batch's target
// tokens; optionally a share of pretraining text (InstructGPT's KL reference: two epochs with 10 %).
#pragma once

#include <string>
#include <vector>

#include "train/loop.h"
#include "train/lora_options.h"
#include "train/options.h"

namespace loquat {

struct SftOptions {
  std::string base;                               // the language model's folder
  std::vector<std::string> demonstrations;        // JSONL; single questions and dialogues are mixed in one shuffle
  std::vector<std::string> valid_demonstrations;  // empty: valid_fraction of the demonstrations
  std::vector<std::string> pretrain_texts;

  double valid_fraction = 0.05;
  double pretrain_fraction = 0;  // share of all trained tokens that is pretraining text
  int64_t pretrain_length = 0;   // tokens of a window of it; 0: the context
  int64_t epochs = 16;
  int64_t batch = 32;  // demonstrations a step
  double dropout = 0.2;
  // Examples whose last exchange leaves no room for a reply: an error that names the first, or, with this, left out and
  // counted, as real data wants it.
  bool leave_out_too_long = false;
  bool keep_candidates = false;  // WORK/candidates/epoch-NN: a model's folder after each epoch
  std::string select = "last";   // "valid": the epoch with the least validation loss is written to OUT
  LoraOptions lora;
  TrainingOptions training = defaults();

  static TrainingOptions defaults();
  static SftOptions instructgpt();            // 16 epochs, dropout 0.2, LR 9.65e-6 with cosine to 10 %, batch 32
  static SftOptions instructgpt_reference();  // the KL reference: 2 epochs, 10 % pretraining text
  static Result<SftOptions> read(
      Settings& settings);  // preset = "instructgpt" (the default) or "instructgpt_reference"

  template <typename V>
  void visit_paths(V& v) {
    v("base", base);
    v("demonstrations", demonstrations);
    v("valid_demonstrations", valid_demonstrations);
    v("pretrain_texts", pretrain_texts);
  }
  template <typename V>
  void visit(V& v) {
    constexpr int64_t kBig = int64_t{1} << 40;
    v("valid_fraction", valid_fraction, 0.0, 0.9);
    v("pretrain_fraction", pretrain_fraction, 0.0, 0.95);
    v("pretrain_length", pretrain_length, int64_t{0}, kBig);
    v("epochs", epochs, int64_t{1}, int64_t{100000});
    v("batch", batch, int64_t{1}, kBig);
    v("dropout", dropout, 0.0, 0.95);
    v("leave_out_too_long", leave_out_too_long);
    v("keep_candidates", keep_candidates);
    v("select", select, {"last", "valid"});
    lora.visit(v);
    training.visit(v);
  }
};

// figures: loss, valid_loss (last epoch), valid_loss_epoch_NN, best_epoch, pretrain_share.
Result<StageReport> run_sft(const StageContext& context, const SftOptions& options);

// The folder of an epoch's candidate, epoch from 1.
std::string candidate_folder(const std::string& work, int64_t epoch);

}  // namespace loquat
