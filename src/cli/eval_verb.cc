// loquat eval MODEL --world-seed N: measures any model folder on the built-in world, as the recipe does after each
// stage. loquat eval perplexity MODEL TEXTS...: of any texts, with the weights in any type.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/counted.h"
#include "base/progress.h"
#include "cli/verbs.h"
#include "data/dataset.h"
#include "infer/chat_engine.h"
#include "kernels/quantize.h"
#include "recipe/measure.h"

namespace loquat {
namespace {

struct EvalArguments {
  recipe::MeasureRequest request;
  uint64_t world_seed = 1;
  std::string scale = "quick";
  bool json = false;
  bool fp32 = false;
};

void print_line(const char* name, const Interval& v, bool percent = true) {
  if (v.n == 0)
    std::printf("%-30s  –\n", name);
  else if (percent)
    std::printf("%-30s %5.1f %%  (%.1f to %.1f, n %lld)\n", name, 100 * v.value, 100 * v.low, 100 * v.high,
                static_cast<long long>(v.n));
  else
    std::printf("%-30s %7.3f  (%.3f to %.3f, n %lld)\n", name, v.value, v.low, v.high, static_cast<long long>(v.n));
}

void print_table(const eval::TownMeasures& m) {
  print_line("helpful", m.helpful);
  print_line("truthful", m.truthful);
  print_line("hallucination, closed domain", m.hallucination_closed_domain);
  print_line("hallucination, closed book", m.hallucination_closed_book);
  print_line("document-only facts right", m.document_only_correct);
  print_line("abstained, answerable", m.abstained_answerable);
  print_line("abstained, unanswerable", m.abstained_unanswerable);
  print_line("harmful refused", m.harmful_refused);
  print_line("over-refusal", m.over_refusal);
  print_line("asks back", m.clarifies);
  print_line("honest identity", m.honest_identity);
  if (m.attack_success) {
    print_line("attacks, seen families", m.attack_success->seen_families);
    print_line("attacks, held-out families", m.attack_success->held_out_families);
    for (const auto& [family, value] : m.attack_success->by_family) print_line(("  " + family).c_str(), value);
  }
  print_line("bits per byte", m.bits_per_byte, false);
  print_line("tokens of a reply", m.reply_tokens, false);
}

int run(EvalArguments& arguments) {
  if (const Status there = check_model_path(arguments.request.model); !there.ok()) return bad_input(there.error());
  const auto kernels = best_kernels();
  if (!kernels.ok()) return bad_input(kernels.error());
  const town::World world = town::make_world(arguments.world_seed);
  const town::GoldScorer gold(world);
  arguments.request.scale = town::town_scale(arguments.scale);
  std::unique_ptr<Progress> progress;
  arguments.request.progress = [&](int64_t done, int64_t all) {
    if (!progress) progress = std::make_unique<Progress>("eval", static_cast<double>(all), "prompts");
    progress->update(static_cast<double>(done));
  };
  const auto measures =
      recipe::measure_model(arguments.request, world, gold, **kernels, arguments.fp32 ? DType::kF32 : DType::kBF16);
  progress.reset();
  if (!measures.ok()) return bad_input(measures.error());
  if (arguments.json)
    std::printf("%s\n", eval::to_json(*measures).c_str());
  else
    print_table(*measures);
  return 0;
}

struct PerplexityArguments {
  std::string model;
  std::vector<std::string> texts;
  std::string weights = "bf16";
  bool fp32 = false;
  bool json = false;
};

int run_perplexity(const PerplexityArguments& arguments) {
  if (const Status there = check_model_path(arguments.model); !there.ok()) return bad_input(there.error());
  std::vector<std::string> texts;
  for (const std::string& file : arguments.texts) {
    const auto read = read_texts(file);
    if (!read.ok()) return bad_input(read.error());
    texts.insert(texts.end(), read->begin(), read->end());
  }
  const auto kernels = best_kernels();
  if (!kernels.ok()) return bad_input(kernels.error());
  const auto model = ChatModel::load(arguments.model, **kernels, arguments.fp32 ? DType::kF32 : DType::kBF16,
                                     weight_type(arguments.weights));
  if (!model.ok()) return bad_input(model.error());
  TextLogProb all;
  for (const TextLogProb& text : (*model)->score(texts)) {
    all.logprob += text.logprob;
    all.tokens += text.tokens;
    all.bytes += text.bytes;
  }
  if (all.tokens == 0) return bad_input("the texts have no tokens");
  const double perplexity = std::exp(-all.logprob / static_cast<double>(all.tokens));
  const double bits = -all.logprob / std::log(2.0) / static_cast<double>(all.bytes);
  if (arguments.json) {
    const nlohmann::json j = {{"perplexity", perplexity},
                              {"bits_per_byte", bits},
                              {"tokens", all.tokens},
                              {"bytes", all.bytes},
                              {"weights", arguments.weights}};
    std::printf("%s\n", j.dump().c_str());
  } else {
    std::printf("perplexity %.4f of a token, %.4f bits per byte (%s, %s)\n", perplexity, bits,
                counted(all.tokens, "token").c_str(), counted(all.bytes, "byte").c_str());
  }
  return 0;
}

void add_perplexity(CLI::App& eval, int& exit_code) {
  CLI::App* verb = eval.add_subcommand("perplexity", "how likely texts are to a model");
  auto arguments = std::make_shared<PerplexityArguments>();
  verb->add_option("model", arguments->model, "a model folder")->required();
  verb->add_option("texts", arguments->texts, ".txt and .jsonl files")->required();
  add_weights_option(*verb, arguments->weights);
  verb->add_flag("--fp32", arguments->fp32, "compute in float32");
  verb->add_flag("--json", arguments->json, "print one JSON object");
  verb->callback([arguments, &exit_code] { exit_code = run_perplexity(*arguments); });
}

}  // namespace

void add_eval_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("eval", "measure a model on the built-in world, by the gold scorer");
  add_perplexity(*verb, exit_code);
  auto arguments = std::make_shared<EvalArguments>();
  recipe::MeasureRequest& request = arguments->request;
  verb->add_option("model", request.model, "a model folder");
  add_seed_option(*verb, "--world-seed", arguments->world_seed, "the world that it was trained on");
  verb->add_option("--scale", arguments->scale, "how many prompts: smoke, quick or full")
      ->check(CLI::IsMember({"smoke", "quick", "full"}))
      ->capture_default_str();
  add_seed_option(*verb, "--seed", request.seed, "of the sampling");
  verb->add_option("--temperature", request.options.temperature, "0: greedy")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  verb->add_option("--max-tokens", request.options.max_tokens, "of a reply")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("--attacks", request.options.attacks_per_family, "of each family")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("--out", request.out, "folder for replies.jsonl and measures.json");
  verb->add_flag("--base", request.base_model, "a base model: asked by a few-shot prompt");
  verb->add_flag("--json", arguments->json, "print the measures as JSON");
  verb->add_flag("--fp32", arguments->fp32, "compute in float32");
  verb->callback([arguments, verb, &exit_code] {
    if (!verb->get_subcommands().empty()) return;
    if (arguments->request.model.empty()) throw CLI::RequiredError("model");
    exit_code = run(*arguments);
  });
}

}  // namespace loquat
