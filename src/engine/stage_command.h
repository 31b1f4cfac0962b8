// One stage on its own, from a TOML section and settings laid over it. For the program `loquat` and for
// `loquat-engine`, which read the arguments in their own ways. Started by mpirun or srun, all its processes train
// together.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/settings.h"

namespace loquat {

struct StageArguments {
  std::string config;
  std::string section;
  std::vector<std::string> sets;
  std::string out;
  std::string work;
  uint64_t seed = 1;
  bool fp32 = false;
  int64_t checkpoint_every = 50;
};

// The section of the file, or the whole file where it has no such section, with --set laid over it.
Result<Settings> stage_settings(const StageArguments& arguments);

template <typename Options>
Result<Options> options_of(const StageArguments& arguments) {
  TRY(Settings settings, stage_settings(arguments));
  TRY(Options options, Options::read(settings));
  TRY_STATUS(settings.finish());
  return options;
}

struct StageCommand {
  const char* name;
  const char* help;
  int (*run)(const StageArguments& arguments);  // prints the report; the exit status
};
std::span<const StageCommand> stage_commands();

}  // namespace loquat
