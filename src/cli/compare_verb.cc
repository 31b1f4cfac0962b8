// loquat compare LEFT RIGHT --reward R --prompts FILE: how often the right model's reply is the better one.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/counted.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/verbs.h"
#include "recipe/compare.h"
#include "store/files.h"

namespace loquat {
namespace {

struct CompareArguments {
  recipe::CompareRequest request;
  std::string out;
  bool fp32 = false;
};

int run(CompareArguments& arguments) {
  const auto kernels = best_kernels();
  if (!kernels.ok()) return bad_input(kernels.error());
  install_signal_handlers();
  std::atomic<bool> stop = false;
  std::unique_ptr<Progress> progress;
  recipe::CompareRequest& request = arguments.request;
  request.compute = arguments.fp32 ? DType::kF32 : DType::kBF16;
  request.stop = &stop;
  for (const std::string& folder : {request.left, request.right, request.reward}) {
    if (const Status there = check_model_path(folder); !there.ok()) return bad_input(there.error());
  }
  request.progress = [&](int64_t done, int64_t all) {
    if (!progress) progress = std::make_unique<Progress>("compare", static_cast<double>(all), "prompts");
    progress->update(static_cast<double>(done));
    if (interrupted()) stop = true;
  };
  const auto report = recipe::compare_models(request, **kernels);
  progress.reset();
  if (stop && !report.ok()) return 130;
  if (!report.ok()) return bad_input(report.error());
  const int64_t differ = report->wins + report->losses;
  if (differ == 0)
    std::printf("both models are as good in all of %s\n",
                counted(static_cast<int64_t>(report->prompts.size()), "prompt").c_str());
  else
    std::printf("%s is better than %s in %.1f %% (%.1f to %.1f) of %s; %s\n", request.right.c_str(),
                request.left.c_str(), 100 * report->share.value, 100 * report->share.low, 100 * report->share.high,
                counted(differ, "prompt").c_str(), counted(report->ties, "tie").c_str());
  if (arguments.out.empty()) return 0;
  const Status written = write_file(arguments.out, to_json(*report));
  return written.ok() ? 0 : bad_input(written.error());
}

}  // namespace

void add_compare_verb(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<CompareArguments>();
  recipe::CompareRequest& request = arguments->request;
  CLI::App* verb = app.add_subcommand("compare", "two models answer the same prompts; a reward model judges");
  verb->add_option("left", request.left, "a model folder")->required();
  verb->add_option("right", request.right, "another: the figures are its")->required();
  verb->add_option("--reward", request.reward, "the reward model's folder")->required();
  verb->add_option("--prompts", request.prompts, "JSONL files of prompts")->required();
  verb->add_option("--max-prompts", request.max_prompts, "the first so many (0: all)")->check(CLI::Range(0, 1 << 30));
  verb->add_option("--temperature", request.temperature, "of the sampling")
      ->check(CLI::Range(1e-3, 100.0))
      ->capture_default_str();
  verb->add_option("--max-reply-tokens", request.max_reply_tokens, "of a reply")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  add_seed_option(*verb, "--seed", request.seed, "of the sampling");
  verb->add_option("--out", arguments->out, "JSON file for the figures and all replies");
  verb->add_flag("--fp32", arguments->fp32, "compute in float32");
  verb->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace loquat
