// Benchmarks, from arguments to what is printed (bench_command.h).
#include "engine/bench_command.h"

#include <cstdio>

#include "base/threads.h"
#include "kernels/quantize.h"
#include "measure/bench.h"
#include "measure/shapes.h"

namespace loquat {
namespace {

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

int bad_input(const std::string& message) {
  std::fprintf(stderr, "loquat: %s\n", message.c_str());
  return 2;
}

}  // namespace

int run_bench(const BenchArguments& arguments) {
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

}  // namespace loquat
