// Benchmarks of the whole program's parts: each line is a time beside the two floors below which it cannot be,
// operations / peak and bytes / bandwidth, and the share of the longer one that was reached. Both ceilings are sampled
// while it is measured; a share above one says that other programs disturbed the samples more than the line.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "measure/counted_kernels.h"
#include "measure/flops.h"
#include "measure/probe.h"
#include "measure/stopwatch.h"
#include "model/config.h"

namespace loquat::measure {

struct BenchOptions {
  std::string params;  // the name of the model's size
  ModelConfig config;
  DType compute = DType::kBF16;
  WeightType weights = WeightType::kCompute;  // of prefill and decode, and of the base under `lora`
  // Sequences at once (train, prefill, decode, attention), rows (gemm), episodes (ppo); 0: the benchmark's own.
  int64_t batch = 0;
  int64_t prompt = 0;  // decode: tokens before the reply; 0: its own
  double seconds = 2;  // of each line
  uint64_t seed = 1;
  std::string moments = "f32";  // of train's optimizer
  bool recompute = false;       // train keeps each layer's input alone
  int64_t lora = 0;             // train and ppo: the rank of adapters over one frozen base; 0: all weights are trained
};

struct Line {
  std::string benchmark, params;
  std::string name;
  std::string shape;  // for people: "16 x 512 tokens"
  double figure = 0;
  std::string unit;
  Work work;
  double tokens = 0;  // that one repetition computes
  Timing timing;

  double tokens_per_second() const { return tokens / timing.seconds; }
  double flops_per_token() const { return work.operations / tokens; }
};

// Bytes. What was taken from the table, but for `cache`, which is told apart by its size.
struct MemoryUse {
  int64_t master = 0;  // float32 weights
  int64_t packed = 0;  // the copies that products read
  int64_t gradients = 0;
  int64_t moments = 0;
  int64_t cache = 0;        // keys and values
  int64_t activations = 0;  // arenas and the rest
  int64_t total() const { return master + packed + gradients + moments + cache + activations; }
};

// Collects what one benchmark measures, and samples the probe beside each line.
class Recorder {
 public:
  Recorder(std::string benchmark, const BenchOptions& options, const Kernels& kernels, Probe& probe);

  const BenchOptions& options() const { return options_; }
  const Kernels& kernels() const { return counted_.table(); }
  Stopwatch& watch() { return watch_; }
  MemoryUse& memory() { return memory_; }

  // The model's own memory, by what its making and that of its optimizer (0: none) took.
  void count_model(const Model& model, int64_t held_before, int64_t moments);
  int64_t held() const { return counted_.held(); }
  void count_rest();  // what was held at most and is not told apart yet counts as activations

  // Tokens a second.
  void add_tokens(std::string name, std::string shape, double tokens, const Work& work, const Timing& timing);
  void add(Line line);
  std::vector<Line> take_lines() { return std::move(lines_); }

 private:
  BenchOptions options_;
  std::string benchmark_;
  CountedKernels counted_;
  Stopwatch watch_;
  Probe& probe_;
  MemoryUse memory_;
  std::vector<Line> lines_;
};

// Everything that one call of the program has measured. Does not outlive the kernels.
struct Measurements {
  Measurements(const Kernels& table, DType type, double line_seconds, WeightType weight_type = WeightType::kCompute)
      : kernels(table),
        compute(type),
        weights(weight_type),
        seconds(line_seconds),
        probe(table, type, line_seconds, weight_type) {}

  const Kernels& kernels;
  DType compute;
  WeightType weights;
  double seconds;
  Probe probe;
  std::vector<Line> lines;
  std::map<std::string, MemoryUse> memory;  // by benchmark
};

std::vector<std::string> benchmark_names();                // in the order in which they run
std::string default_params(const std::string& benchmark);  // the name of a size
// Measures one of them; its lines are added to the run's. An error: a size that does not fit, or a machine too small.
Status run_benchmark(const std::string& name, const BenchOptions& options, Measurements& run);

// For people: lines [from, ...) with a heading; what the memory holds; the probe.
std::string lines_text(const Measurements& run, size_t from);
std::string memory_text(const MemoryUse& memory);
std::string probe_text(const Measurements& run);
std::string to_json(const Measurements& run);

// --- the benchmarks, one file each
Status bench_gemm(Recorder& recorder);
Status bench_attention(Recorder& recorder);
Status bench_train(Recorder& recorder);
Status bench_prefill(Recorder& recorder);
Status bench_decode(Recorder& recorder);
Status bench_ppo(Recorder& recorder);

// An error where so many bytes are more than this machine has; a card says so itself.
Status check_memory(const Kernels& kernels, double bytes, const std::string& what);
// Of a model with everything that belongs to it; and what a forward over `tokens` keeps for a backward.
double model_bytes(const ModelConfig& config, DType compute, bool trained);
double serving_bytes(const BenchOptions& options);  // of one that only serves
double training_bytes(const BenchOptions& options, int64_t tokens);
double base_bytes(const BenchOptions& options);  // of a frozen base whose adapters are trained

}  // namespace loquat::measure
