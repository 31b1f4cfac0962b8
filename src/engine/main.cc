// loquat-engine: the stages and the benchmarks of `loquat`, for machines that have a compiler, fmt and nlohmann-json
// and nothing else of what the whole program needs. It reads its arguments by itself.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>
#include <type_traits>

#include "base/result.h"
#include "engine/bench_command.h"
#include "engine/stage_command.h"
#include "measure/bench.h"

namespace loquat {
namespace {

// Takes "--name value", or "--name" alone of a flag; what has no name goes to `plain`.
struct Flags {
  std::map<std::string, std::function<void(const std::string& value)>> values;
  std::map<std::string, bool*> switches;
  std::function<void(const std::string&)> plain;

  Status read(int argc, char** argv) const {
    for (int i = 2; i < argc; ++i) {
      const std::string word = argv[i];
      if (const auto flag = switches.find(word); flag != switches.end()) {
        *flag->second = true;
      } else if (const auto value = values.find(word); value != values.end()) {
        if (++i == argc) return Err("{}: expected a value", word);
        try {
          value->second(argv[i]);
        } catch (const std::exception&) {
          return Err("{}: found {}, expected a number", word, argv[i]);
        }
      } else if (word.starts_with("-")) {
        return Err("{}: no such option; `loquat-engine` alone names them", word);
      } else {
        plain(word);
      }
    }
    return {};
  }
};

auto text(std::string& to) {
  return [&to](const std::string& value) { to = value; };
}
template <typename Number>
auto number(Number& to) {
  return [&to](const std::string& value) {
    size_t used = 0;
    const auto x = [&] {
      if constexpr (std::is_floating_point_v<Number>) return std::stod(value, &used);
      if constexpr (std::is_unsigned_v<Number>) return std::stoull(value, &used);
      if constexpr (std::is_integral_v<Number> && std::is_signed_v<Number>) return std::stoll(value, &used);
    }();
    if (used != value.size()) throw std::invalid_argument(value);
    to = static_cast<Number>(x);
  };
}

int usage() {
  std::string names;
  for (const StageCommand& command : stage_commands())
    names += fmt::format("  {:<10} {}\n", command.name, command.help);
  std::string benchmarks;
  for (const std::string& name : measure::benchmark_names()) benchmarks += (benchmarks.empty() ? "" : ", ") + name;
  std::printf(
      "loquat-engine STAGE [FILE.toml] --out DIR [--set key=value]... [--section NAME] [--work DIR] [--seed N]\n"
      "              [--checkpoint-every STEPS] [--fp32]\n%s"
      "loquat-engine bench [%s]\n"
      "              [--params SIZE] [--precision f32|bf16] [--weights bf16|int8|int4] [--lora RANK] [--batch N] "
      "[--prompt N]\n"
      "              [--moments f32|bf16] [--recompute] [--seconds S] [--threads N] [--seed N] [--json]\n",
      names.c_str(), benchmarks.c_str());
  return 2;
}

int fail(const std::string& message) {
  std::fprintf(stderr, "loquat-engine: %s\n", message.c_str());
  return 2;
}

bool one_of(const std::string& value, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (value == name) return true;
  }
  return false;
}

int bench(int argc, char** argv) {
  BenchArguments a;
  measure::BenchOptions& o = a.options;
  Flags flags;
  flags.values = {{"--params", text(o.params)},   {"--precision", text(a.precision)}, {"--weights", text(a.weights)},
                  {"--moments", text(o.moments)}, {"--lora", number(o.lora)},         {"--batch", number(o.batch)},
                  {"--prompt", number(o.prompt)}, {"--seconds", number(o.seconds)},   {"--threads", number(a.threads)},
                  {"--seed", number(o.seed)}};
  flags.switches = {{"--recompute", &o.recompute}, {"--json", &a.json}};
  flags.plain = text(a.benchmark);
  const Status read = flags.read(argc, argv);
  if (!read.ok()) return fail(read.error());
  const std::vector<std::string> names = measure::benchmark_names();
  if (!a.benchmark.empty() && std::find(names.begin(), names.end(), a.benchmark) == names.end())
    return fail("no benchmark is called " + a.benchmark);
  if (!one_of(a.precision, {"f32", "bf16"}) || !one_of(a.weights, {"bf16", "int8", "int4"}) ||
      !one_of(o.moments, {"f32", "bf16"}) || o.lora < 0 || o.batch < 0 || o.prompt < 0 || a.threads < 0 ||
      !(o.seconds > 0))
    return fail("an option has a value that it cannot have; `loquat-engine` alone names them");
  const Status done = run_bench(a);
  return done.ok() ? 0 : fail(done.error());
}

int stage(const StageCommand& command, int argc, char** argv) {
  StageArguments a;
  a.section = command.name;
  Flags flags;
  flags.values = {{"--out", text(a.out)},
                  {"--work", text(a.work)},
                  {"--section", text(a.section)},
                  {"--seed", number(a.seed)},
                  {"--checkpoint-every", number(a.checkpoint_every)},
                  {"--set", [&](const std::string& value) { a.sets.push_back(value); }}};
  flags.switches = {{"--fp32", &a.fp32}};
  flags.plain = text(a.config);
  const Status read = flags.read(argc, argv);
  if (!read.ok()) return fail(read.error());
  if (a.out.empty()) return fail("--out: expected the model folder to write");
  if (a.checkpoint_every < 1) return fail("--checkpoint-every: expected 1 or more");
  return command.run(a);
}

}  // namespace
}  // namespace loquat

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error with its name
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "bench") return loquat::bench(argc, argv);
  for (const loquat::StageCommand& command : loquat::stage_commands()) {
    if (verb == command.name) return loquat::stage(command, argc, argv);
  }
  return loquat::usage();
}
