#include "measure/bench.h"

#include <algorithm>

#include "base/check.h"
#include "base/machine.h"
#include "model/model.h"

namespace loquat::measure {
namespace {

struct Benchmark {
  const char* name;
  const char* params;
  Status (*run)(Recorder&);
};

constexpr Benchmark kBenchmarks[] = {
    {"gemm", "14m", bench_gemm},       {"attention", "14m", bench_attention}, {"train", "14m", bench_train},
    {"prefill", "14m", bench_prefill}, {"decode", "14m", bench_decode},       {"ppo", "1.5m", bench_ppo},
};

const Benchmark* find_benchmark(const std::string& name) {
  const auto found = std::find_if(std::begin(kBenchmarks), std::end(kBenchmarks),
                                  [&](const Benchmark& benchmark) { return benchmark.name == name; });
  return found == std::end(kBenchmarks) ? nullptr : found;
}

}  // namespace

Recorder::Recorder(std::string benchmark, const BenchOptions& options, const Kernels& kernels, Probe& probe)
    : options_(options),
      benchmark_(std::move(benchmark)),
      counted_(kernels),
      watch_(counted_.table(), options.seconds),
      probe_(probe) {}

void Recorder::count_model(const Model& model, int64_t held_before, int64_t moments) {
  const int64_t master = model.master_bytes();
  const auto gradients = static_cast<int64_t>(model.grads().size_bytes());
  // The rotations' table.
  const int64_t positions = model.base() != nullptr ? 0 : model.config().max_positions * model.config().head_dim * 4;
  memory_.master += master;
  memory_.gradients += gradients;
  memory_.moments += moments;
  memory_.packed += held() - held_before - master - gradients - moments - positions;
}

void Recorder::count_rest() {
  memory_.activations = 0;
  memory_.activations = std::max<int64_t>(0, counted_.most() - memory_.total());
}

void Recorder::add_tokens(std::string name, std::string shape, double tokens, const Work& work, const Timing& timing) {
  Line line;
  line.name = std::move(name);
  line.shape = std::move(shape);
  line.figure = tokens / timing.seconds;
  line.unit = "tokens/s";
  line.work = work;
  line.tokens = tokens;
  line.timing = timing;
  add(std::move(line));
}

void Recorder::add(Line line) {
  line.benchmark = benchmark_;
  line.params = options_.params;
  probe_.sample_peak();
  probe_.sample_bandwidth(line.work.working_set);
  lines_.push_back(std::move(line));
}

std::vector<std::string> benchmark_names() {
  std::vector<std::string> names;
  for (const Benchmark& benchmark : kBenchmarks) names.emplace_back(benchmark.name);
  return names;
}

std::string default_params(const std::string& name) {
  const Benchmark* benchmark = find_benchmark(name);
  return benchmark == nullptr ? "" : benchmark->params;
}

Status run_benchmark(const std::string& name, const BenchOptions& options, Measurements& run) {
  const Benchmark* benchmark = find_benchmark(name);
  CHECK(benchmark != nullptr, "no benchmark \"{}\"", name);
  TRY_STATUS(options.config.validate());
  Recorder recorder(name, options, run.kernels, run.probe);
  TRY_STATUS(benchmark->run(recorder));
  recorder.count_rest();
  run.memory[name] = recorder.memory();
  for (Line& line : recorder.take_lines()) run.lines.push_back(std::move(line));
  return {};
}

Status check_memory(const Kernels& kernels, double bytes, const std::string& what) {
  if (!kernels.host_memory) return {};
  const auto there = static_cast<double>(this_machine().memory_bytes);
  constexpr double kGiB = 1 << 30;
  if (there <= 0 || bytes <= 0.95 * there) return {};
  return Err("{} takes about {:.1f} GiB, this machine has {:.1f}: choose a smaller --params or --batch", what,
             bytes / kGiB, there / kGiB);
}

double model_bytes(const ModelConfig& config, DType compute, bool trained) {
  const auto master = 4 * static_cast<double>(config.param_count());
  return (trained ? 4 : 1) * master + (trained ? 2 : 1) * weight_bytes(config, compute, true);
}

double serving_bytes(const BenchOptions& options) {
  const ModelConfig& c = options.config;
  return 4 * head_parameters(c) + weight_bytes(c, options.compute, true, options.weights);
}

double base_bytes(const BenchOptions& options) {
  const ModelConfig& c = options.config;
  const double head = 4 * head_parameters(c) + 2 * head_parameters(c) * static_cast<double>(bytes_of(options.compute));
  const double copies = options.weights == WeightType::kCompute ? 2 : 1;
  return head + copies * weight_bytes(c, options.compute, false, options.weights);
}

double training_bytes(const BenchOptions& options, int64_t tokens) {
  const ModelConfig& c = options.config;
  const double kept = kept_bytes(c, options.compute, static_cast<double>(tokens));
  const auto layers = static_cast<double>(c.num_layers),
             inputs = static_cast<double>(4 * tokens * c.hidden_size) * layers;
  const double narrow = options.moments == "bf16" ? 4 * static_cast<double>(c.param_count()) : 0;
  // The backward's own memory is a quarter of what is kept; under recompute, two layers' instead of all.
  const double activations = options.recompute ? inputs + 2 * kept / layers : 1.25 * kept;
  if (options.lora > 0) return base_bytes(options) + 20 * adapter_parameters(c, options.lora) + activations;
  return model_bytes(c, options.compute, true) - narrow + activations;
}

}  // namespace loquat::measure
