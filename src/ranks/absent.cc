// A program without MPI: the processes of a launcher cannot find one another.
#include "ranks/ranks.h"

namespace loquat {

bool have_mpi() {
  return false;
}

Result<std::unique_ptr<Ranks>> join_launched(int count) {
  return Err(
      "started as one of {} processes, but this program was built without MPI: install libopenmpi-dev and build it "
      "again, or start one process",
      count);
}

}  // namespace loquat
