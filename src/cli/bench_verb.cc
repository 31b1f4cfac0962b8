// loquat bench [BENCHMARK]: how fast this machine computes the recipe's parts, beside what it could at best.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/threads.h"
#include "cli/verbs.h"
#include "measure/bench.h"
#include "measure/shapes.h"

namespace loquat {
namespace {

struct BenchArguments {
  std::string benchmark;  // empty: all
  std::string params;     // empty: each one's own
  std::string precision = "bf16";
  std::string weights = "bf16";
  int64_t batch = 0;
  int64_t prompt = 0;
  double seconds = 2;
  int threads = 0;
  uint64_t seed = 1;
  std::string moments = "f32";
  bool recompute = false;
  int64_t lora = 0;
  bool json = false;
};

Status run_benchmarks(const BenchArguments& arguments, measure::Measurements& run) {
  for (const std::string& name : measure::benchmark_names()) {
    if (!arguments.benchmark.empty() && name != arguments.benchmark) continue;
    measure::BenchOptions options;
    options.params = arguments.params.empty() ? measure::default_params(name) : arguments.params;
    TRY(options.config, measure::named_model(options.params));
    options.compute = run.compute;
    options.weights = run.weights;
    options.batch = arguments.batch;
    options.prompt = arguments.prompt;
    options.seconds = arguments.seconds;
    options.seed = arguments.seed;
    options.moments = arguments.moments;
    options.recompute = arguments.recompute;
    options.lora = arguments.lora;
    const size_t first = run.lines.size();
    TRY_STATUS(measure::run_benchmark(name, options, run));
    if (arguments.json) continue;
    std::printf("%s, %s: %.1f million parameters\n%s%s\n", name.c_str(), options.params.c_str(),
                static_cast<double>(options.config.param_count()) / 1e6, measure::lines_text(run, first).c_str(),
                measure::memory_text(run.memory[name]).c_str());
    std::fflush(stdout);
  }
  return {};
}

int run(const BenchArguments& arguments) {
  if (arguments.threads > 0) set_thread_count(arguments.threads);
  // A wrong name is said before anything is measured.
  if (!arguments.params.empty()) {
    const auto config = measure::named_model(arguments.params);
    if (!config.ok()) return bad_input(config.error());
  }
  const WeightType weights = weight_type(arguments.weights);
  const bool trains = arguments.benchmark == "train" || arguments.benchmark == "ppo";
  if (arguments.lora > 0 && !trains) return bad_input("--lora is for the benchmarks train and ppo");
  if (weights != WeightType::kCompute && arguments.benchmark != "decode" && arguments.benchmark != "prefill" &&
      !(trains && arguments.lora > 0))
    return bad_input("--weights is for the benchmarks decode and prefill, and with --lora for train and ppo");
  const auto kernels = best_kernels();
  if (!kernels.ok()) return bad_input(kernels.error());
  if (weights != WeightType::kCompute && !(*kernels)->quantized_weights)
    return bad_input(fmt::format("the {} kernels have no quantised weights", (*kernels)->name));
  measure::Measurements run(**kernels, arguments.precision == "f32" ? DType::kF32 : DType::kBF16, arguments.seconds,
                            weights);
  const Status status = run_benchmarks(arguments, run);
  if (!status.ok()) return bad_input(status.error());
  std::printf("%s", arguments.json ? (to_json(run) + "\n").c_str() : probe_text(run).c_str());
  return 0;
}

}  // namespace

void add_bench_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("bench", "measure this machine, beside what it could reach at best");
  auto arguments = std::make_shared<BenchArguments>();
  verb->add_option("benchmark", arguments->benchmark, "gemm, attention, train, prefill, decode or ppo; default: all")
      ->check(CLI::IsMember(measure::benchmark_names()));
  verb->add_option("--params", arguments->params,
                   "the model's size: 3m, 14m, 26m, gpt2-124m, 134m, 0.5b or 1.1b; default: 14m, and 3m for ppo");
  verb->add_option("--precision", arguments->precision, "of products and activations: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  add_weights_option(*verb, arguments->weights)
      ->description("decode, prefill, and the base under --lora: bf16, int8 or int4");
  verb->add_option("--lora", arguments->lora, "train and ppo: adapters of this rank over one frozen base")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 16));
  verb->add_option("--moments", arguments->moments, "train: the optimizer's moments, f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  verb->add_flag("--recompute", arguments->recompute, "train: compute activations again in the backward");
  verb->add_option("--batch", arguments->batch,
                   "sequences at once (train, prefill, decode, attention), rows (gemm), episodes (ppo)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  verb->add_option("--prompt", arguments->prompt, "decode: tokens before the reply; default: 128")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  verb->add_option("--seconds", arguments->seconds, "how long each line measures")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  verb->add_option("--threads", arguments->threads, "default: all cores")->check(CLI::Range(1, 1024));
  add_seed_option(*verb, "--seed", arguments->seed, "of weights and tokens");
  verb->add_flag("--json", arguments->json, "print one JSON object");
  verb->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace loquat
