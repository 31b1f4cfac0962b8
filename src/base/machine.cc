#include "base/machine.h"

#include <fmt/core.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>

#include "base/counted.h"

namespace loquat {
namespace {

constexpr const char* kFlags[] = {"avx2",     "fma",         "f16c",     "avx512f", "avx512bw",
                                  "avx512vl", "avx512_bf16", "amx_tile", "amx_bf16"};

std::string file_text(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string system_name() {
  std::istringstream lines(file_text("/etc/os-release"));
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view key = "PRETTY_NAME=";
    if (!line.starts_with(key)) continue;
    line.erase(0, key.size());
    std::erase(line, '"');
    return line;
  }
  return "unknown system";
}

}  // namespace

void read_cpuinfo(const std::string& text, Machine& machine) {
  machine.cpu = "unknown CPU";
  machine.flags.clear();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && !line.empty();) {  // the first processor's lines
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(colon + 2);
    if (line.starts_with("model name")) machine.cpu = value;
    if (!line.starts_with("flags")) continue;
    std::istringstream words(value);
    std::vector<std::string> all;
    for (std::string word; words >> word;) all.push_back(word);
    for (const char* flag : kFlags)
      if (std::find(all.begin(), all.end(), flag) != all.end()) machine.flags.push_back(flag);
  }
}

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));  // more than a cpu_set_t holds
}

Machine this_machine() {
  Machine machine;
  read_cpuinfo(file_text("/proc/cpuinfo"), machine);
  machine.system = system_name();
  machine.cores = usable_cores();
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) machine.memory_bytes = static_cast<int64_t>(pages) * page;
  return machine;
}

std::string machine_text(const Machine& machine) {
  std::string text = fmt::format("{}, {}, {:.1f} GiB", machine.cpu, counted(machine.cores, "core"),
                                 static_cast<double>(machine.memory_bytes) / (1 << 30));
  for (size_t i = 0; i < machine.flags.size(); ++i) text += (i == 0 ? ", " : " ") + machine.flags[i];
  return text;
}

}  // namespace loquat
