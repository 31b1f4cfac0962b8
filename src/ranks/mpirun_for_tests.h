// Running programs as ranks of mpirun, where there is one.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "base/process.h"
#include "ranks/ranks.h"

namespace loquat {

// Whether tests can start ranks: not without MPI, nor under the thread sanitizer, which does not know MPI's locks.
inline bool mpirun_there() {
#if defined(__SANITIZE_THREAD__)
  return false;
#else
  if (!have_mpi()) return false;
  const auto found = run_process({"mpirun", "--version"});
  return found.ok() && found->exit_status == 0;
#endif
}

// `argv` as `n` ranks, however few cores there are. `options`: more of mpirun's own.
inline ProcessResult mpirun(int n, const std::vector<std::string>& argv, const std::vector<std::string>& options = {}) {
  for (const auto& [name, value] :
       {std::pair("OMPI_ALLOW_RUN_AS_ROOT", "1"), std::pair("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        std::pair("OMPI_MCA_rmaps_base_oversubscribe", "1"), std::pair("OMPI_MCA_hwloc_base_binding_policy", "none"),
        std::pair("ASAN_OPTIONS", "detect_leaks=0")})  // MPI keeps what it has
    ::setenv(name, value, 1);
  std::vector<std::string> all = {"mpirun", "-n", std::to_string(n)};
  all.insert(all.end(), options.begin(), options.end());
  all.insert(all.end(), argv.begin(), argv.end());
  const auto result = run_process(all);
  return result.ok() ? *result : ProcessResult{-1, "", result.error()};
}

}  // namespace loquat
