// What a run says: aligned lines for people, or one JSON object.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "base/counted.h"
#include "base/machine.h"
#include "base/threads.h"
#include "kernels/quantize.h"
#include "measure/bench.h"

#ifndef LOQUAT_COMMIT
#define LOQUAT_COMMIT "unknown"
#endif

namespace loquat::measure {
namespace {

std::string rate_text(double per_second, const char* unit) {
  const char* prefixes[] = {"", "k", "M", "G", "T", "P"};
  size_t at = 0;
  for (; per_second >= 1000 && at + 1 < std::size(prefixes); ++at) per_second /= 1000;
  return fmt::format("{:.{}f} {}{}", per_second, per_second < 10 ? 2 : per_second < 100 ? 1 : 0, prefixes[at], unit);
}

std::string seconds_text(double seconds) {
  if (seconds >= 1) return fmt::format("{:.2f} s ", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} us", seconds * 1e6);
}

std::string bytes_text(double bytes) {
  if (bytes >= 1 << 30) return fmt::format("{:.2f} GiB", bytes / (1 << 30));
  return fmt::format("{:.1f} MiB", bytes / (1 << 20));
}

const char* precision_name(DType compute) {
  return compute == DType::kBF16 ? "bf16" : "f32";
}

std::string precision_text(const Measurements& run) {
  return run.weights == WeightType::kCompute
             ? precision_name(run.compute)
             : fmt::format("{}, weights int{}", precision_name(run.compute), bits_of(run.weights));
}

nlohmann::json to_json(const Line& line, const Probe& probe) {
  const Floors floors = probe.floors(line.work);
  return {{"benchmark", line.benchmark},
          {"params", line.params},
          {"name", line.name},
          {"shape", line.shape},
          {"figure", line.figure},
          {"unit", line.unit},
          {"operations", line.work.operations},
          {"bytes", line.work.bytes},
          {"working_set", line.work.working_set},
          {"floor_seconds_compute", floors.compute},
          {"floor_seconds_memory", floors.memory},
          {"seconds", line.timing.seconds},
          {"shortest_seconds", line.timing.shortest},
          {"repetitions", line.timing.repetitions},
          {"share_of_floor", floors.longer() / line.timing.seconds},
          {"tokens_per_second", line.tokens_per_second()},
          {"flops_per_token", line.flops_per_token()}};
}

nlohmann::json to_json(const MemoryUse& memory) {
  return {{"master", memory.master},   {"packed", memory.packed}, {"gradients", memory.gradients},
          {"moments", memory.moments}, {"cache", memory.cache},   {"activations", memory.activations},
          {"total", memory.total()}};
}

nlohmann::json to_json(const Rate& rate) {
  return {{"operations_per_second", rate.best}, {"median", rate.median}, {"what", rate.what}};
}

nlohmann::json to_json(const Probe& probe) {
  nlohmann::json bandwidths = nlohmann::json::array();
  for (const Bandwidth& b : probe.bandwidths())
    bandwidths.push_back({{"working_set", b.working_set},
                          {"bytes_per_second", b.bytes_per_second},
                          {"what", b.what},
                          {"read_per_second", b.read_per_second}});
  return {{"peak", to_json(probe.peak())}, {"best_product", to_json(probe.best_product())}, {"bandwidth", bandwidths}};
}

}  // namespace

std::string lines_text(const Measurements& run, size_t from) {
  std::string text = fmt::format("{:<26}  {:<20} {:>14} {:<10} {:>10}  {:>13} {:>12}  {:>8}\n", "", "", "", "",
                                 "median", "compute floor", "memory floor", "of floor");
  for (size_t i = from; i < run.lines.size(); ++i) {
    const Line& line = run.lines[i];
    const Floors floors = run.probe.floors(line.work);
    text += fmt::format("{:<26}  {:<20} {:>14.{}f} {:<10} {:>10}  {:>13} {:>12}  {:>6.1f} %\n", line.name, line.shape,
                        line.figure, line.figure < 1000 ? 1 : 0, line.unit, seconds_text(line.timing.seconds),
                        seconds_text(floors.compute), seconds_text(floors.memory),
                        100 * floors.longer() / line.timing.seconds);
  }
  return text;
}

std::string memory_text(const MemoryUse& m) {
  std::string text = "memory: ";
  const auto part = [&](const char* name, int64_t bytes) {
    if (bytes > 0) text += fmt::format("{} {}, ", name, bytes_text(static_cast<double>(bytes)));
  };
  part("weights, master", m.master);
  part("packed", m.packed);
  part("gradients", m.gradients);
  part("moments", m.moments);
  part("keys and values", m.cache);
  part(m.master > 0 ? "activations" : "tensors", m.activations);
  return text + fmt::format("in all {}\n", bytes_text(static_cast<double>(m.total())));
}

std::string probe_text(const Measurements& run) {
  const Rate peak = run.probe.peak(), product = run.probe.best_product();
  std::string text = fmt::format("peak: {} by {} (median {}); best {}: {}\n", rate_text(peak.best, "FLOP/s"), peak.what,
                                 rate_text(peak.median, "FLOP/s"), product.what, rate_text(product.best, "FLOP/s"));
  text += "bandwidth: ";
  const auto all = run.probe.bandwidths();
  for (size_t i = all.size(); i-- > 0;) {
    text += fmt::format("{} ({}), read {} ({}){}", rate_text(all[i].bytes_per_second, "B/s"), all[i].what,
                        rate_text(all[i].read_per_second, "B/s"),
                        i + 1 == all.size() ? "memory" : bytes_text(static_cast<double>(all[i].working_set)),
                        i > 0 ? "; " : "\n");
  }
  return text + fmt::format("machine: {}; {}, kernels {}, {}\n", machine_text(this_machine()),
                            counted(thread_count(), "thread"), run.kernels.name, precision_text(run));
}

// Where one benchmark was run, its first line's main figures stand on top too.
std::string to_json(const Measurements& run) {
  nlohmann::json j = {{"machine", machine_text(this_machine())},
                      {"commit", LOQUAT_COMMIT},
                      {"kernels", run.kernels.name},
                      {"threads", thread_count()},
                      {"precision", precision_name(run.compute)},
                      {"weights", run.weights == WeightType::kCompute ? precision_name(run.compute)
                                                                      : fmt::format("int{}", bits_of(run.weights))},
                      {"seconds_per_line", run.seconds}};
  j["lines"] = nlohmann::json::array();
  for (const Line& line : run.lines) j["lines"].push_back(to_json(line, run.probe));
  if (run.memory.size() == 1 && !run.lines.empty()) {
    for (const char* key : {"benchmark", "params", "tokens_per_second", "flops_per_token", "share_of_floor"})
      j[key] = j["lines"][0][key];
  }
  j["probe"] = to_json(run.probe);
  for (const auto& [benchmark, memory] : run.memory) j["memory"][benchmark] = to_json(memory);
  return j.dump(2);
}

}  // namespace loquat::measure
