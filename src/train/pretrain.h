// Pretraining: a new language model (or one to go on with) on plain text, next-token loss on every token of packed
// windows.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"
#include "train/loop.h"
#include "train/options.h"

namespace loquat {

struct PretrainOptions {
  std::vector<std::string> texts;        // .jsonl or .txt files
  std::vector<std::string> first_texts;  // once through before `texts`: a curriculum; empty: none
  std::vector<std::string> valid_texts;  // bits per byte; empty: the last valid_fraction of the documents
  std::string tokenizer;                 // its folder
  std::string base;                      // a model's folder to go on from; empty: a new model of the sizes below
  double valid_fraction = 0.01;

  std::string architecture = "llama";  // or "qwen3": queries and keys are normalised
  int64_t hidden_size = 256;
  int64_t num_layers = 4;
  int64_t num_heads = 4;
  int64_t num_kv_heads = 4;
  int64_t head_dim = 0;           // 0: hidden_size / num_heads
  int64_t intermediate_size = 0;  // 0: 8/3 of hidden_size, up to a multiple of 32
  int64_t context = 256;          // max_position_embeddings
  double rope_theta = 10000;
  bool tie_embeddings = true;

  int64_t sequence_length = 0;  // 0: the context
  int64_t batch_tokens = 8192;
  int64_t steps = 0;   // 0: as many as `epochs` or `tokens` take
  int64_t tokens = 0;  // 0: by epochs
  double epochs = 1;
  int64_t eval_every = 0;  // steps between validations; 0: at the end alone
  TrainingOptions training = defaults();

  static TrainingOptions defaults();
  // Of a new model; not validated.
  ModelConfig model_config(int64_t vocab_size) const;
  static Result<PretrainOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    v("texts", texts);
    v("first_texts", first_texts);
    v("valid_texts", valid_texts);
    v("tokenizer", tokenizer);
    v("base", base);
  }
  template <typename V>
  void visit(V& v) {
    constexpr int64_t kBig = int64_t{1} << 40;
    v("valid_fraction", valid_fraction, 0.0, 0.5);
    v("architecture", architecture, {"llama", "qwen3"});
    v("hidden_size", hidden_size, int64_t{1}, kBig);
    v("num_layers", num_layers, int64_t{1}, kBig);
    v("num_heads", num_heads, int64_t{1}, kBig);
    v("num_kv_heads", num_kv_heads, int64_t{1}, kBig);
    v("head_dim", head_dim, int64_t{0}, kBig);
    v("intermediate_size", intermediate_size, int64_t{0}, kBig);
    v("context", context, int64_t{2}, kBig);
    v("rope_theta", rope_theta, 1.0, 1e12);
    v("tie_embeddings", tie_embeddings);
    v("sequence_length", sequence_length, int64_t{0}, kBig);
    v("batch_tokens", batch_tokens, int64_t{1}, kBig);
    v("steps", steps, int64_t{0}, kBig);
    v("tokens", tokens, int64_t{0}, kBig);
    v("epochs", epochs, 0.0, 1e9);
    v("eval_every", eval_every, int64_t{0}, kBig);
    training.visit(v);
  }
};

// figures: loss (mean of the last tenth of the steps), valid_loss, valid_bits_per_byte, parameters.
Result<StageReport> run_pretrain(const StageContext& context, const PretrainOptions& options);

}  // namespace loquat
