// Benchmarks, from arguments to what is printed (bench_command.h).
#include "engine/bench_command.h"

#include <cstdio>

#include "base/threads.h"
#include "kernels/quantize.h"
#include "measure/shapes.h"

namespace loquat {
namespace {

Status run_benchmarks(const BenchArguments& arguments, measure::Measurements& run) {
  for (const std::string& name : measure::benchmark_names()) {
    if (!arguments.benchmark.empty() && name != arguments.benchmark) continue;
    measure::BenchOptions options = arguments.options;
    if (options.params.empty()) options.params = measure::default_params(name);
    TRY(options.config, measure::named_model(options.params));
    options.compute = run.compute;
    options.weights = run.weights;
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

}  // namespace

Status run_bench(const BenchArguments& arguments) {
  if (arguments.threads > 0) set_thread_count(arguments.threads);
  // A wrong name is said before anything is measured.
  if (const std::string& params = arguments.options.params; !params.empty()) TRY_STATUS(measure::named_model(params));
  const WeightType weights = weight_type(arguments.weights);
  const bool trains = arguments.benchmark == "train" || arguments.benchmark == "ppo";
  if (arguments.options.lora > 0 && !trains) return Err("--lora is for the benchmarks train and ppo");
  if (weights != WeightType::kCompute && arguments.benchmark != "decode" && arguments.benchmark != "prefill" &&
      !(trains && arguments.options.lora > 0))
    return Err("--weights is for the benchmarks decode and prefill, and with --lora for train and ppo");
  TRY(const Kernels* const kernels, best_kernels());
  if (weights != WeightType::kCompute && !kernels->quantized_weights)
    return Err("the {} kernels have no quantised weights", kernels->name);
  measure::Measurements run(*kernels, arguments.precision == "f32" ? DType::kF32 : DType::kBF16,
                            arguments.options.seconds, weights);
  TRY_STATUS(run_benchmarks(arguments, run));
  std::printf("%s", arguments.json ? (to_json(run) + "\n").c_str() : probe_text(run).c_str());
  return {};
}

}  // namespace loquat
