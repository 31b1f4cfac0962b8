// loquat bench [BENCHMARK]: its arguments (engine/bench_command.h).
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/verbs.h"
#include "engine/bench_command.h"
#include "measure/shapes.h"

namespace loquat {

void add_bench_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("bench", "measure this machine, beside what it could reach at best");
  auto arguments = std::make_shared<BenchArguments>();
  measure::BenchOptions& options = arguments->options;
  verb->add_option("benchmark", arguments->benchmark, "gemm, attention, train, prefill, decode or ppo; default: all")
      ->check(CLI::IsMember(measure::benchmark_names()));
  verb->add_option("--params", options.params,
                   "the model's size: 1.5m, 14m, 26m, gpt2-124m, 134m, 0.5b or 1.1b; default: 14m, and 1.5m for ppo");
  verb->add_option("--precision", arguments->precision, "of products and activations: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  add_weights_option(*verb, arguments->weights)
      ->description("decode, prefill, and the base under --lora: bf16, int8 or int4");
  verb->add_option("--lora", options.lora, "train and ppo: adapters of this rank over one frozen base")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 16));
  verb->add_option("--moments", options.moments, "train: the optimizer's moments, f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  verb->add_flag("--recompute", options.recompute, "train: compute activations again in the backward");
  verb->add_option("--batch", options.batch,
                   "sequences at once (train, prefill, decode, attention), rows (gemm), episodes (ppo)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  verb->add_option("--prompt", options.prompt, "decode: tokens before the reply; default: 128")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  verb->add_option("--seconds", options.seconds, "how long each line measures")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  verb->add_option("--threads", arguments->threads, "default: all cores")->check(CLI::Range(1, 1024));
  add_seed_option(*verb, "--seed", options.seed, "of weights and tokens");
  verb->add_flag("--json", arguments->json, "print one JSON object");
  verb->callback([arguments, &exit_code] {
    const Status done = run_bench(*arguments);
    exit_code = done.ok() ? 0 : bad_input(done.error());
  });
}

}  // namespace loquat
