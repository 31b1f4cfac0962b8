// The processes that train one model together: each is a rank, as MPI names it. Collectives are called by all ranks in
// the same order; sums are taken in the order of ranks, so that the same number of ranks gives the same bits.
// Implementations: mpi.cc where CMake finds MPI, else absent.cc; one process alone (one_process()) does nothing at all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat {

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string name(int rank) const = 0;  // for people: its number, host and process
  bool first() const { return rank() == 0; }     // the one that writes files and speaks

  // `cuts`: size() + 1 ascending positions from 0; the part of rank r is [cuts[r], cuts[r + 1]), perhaps empty.
  // x holds cuts.back() floats. Afterwards each rank's part of it is the sum over all ranks; the rest is not defined.
  virtual void reduce_scatter(float* x, std::span<const int64_t> cuts) = 0;
  // Each rank's part of x goes to all.
  virtual void all_gather(float* x, std::span<const int64_t> cuts) = 0;
  // Each rank's part goes to rank 0, into `whole`, which is of no use elsewhere.
  virtual void gather(const float* part, std::span<const int64_t> cuts, float* whole) = 0;
  virtual void all_reduce(std::span<double> x) = 0;  // sums, the same bits on every rank
  virtual void broadcast(void* data, int64_t bytes, int root) = 0;

  bool agreed() const { return agreed_; }  // agree() was called

 private:
  friend Status agree(Ranks& ranks, const Status& own, const std::string& fingerprint);
  bool agreed_ = false;
};

Ranks& one_process();

// How many processes the launcher of this one (mpirun, srun) says that it started together; 1 where there was none.
int launched_ranks();
// Waits for the others that were launched together. One process where there are none. An error where this program or
// the launcher cannot bring them together. Once in a process; the ranks part when it is destroyed.
Result<std::unique_ptr<Ranks>> join_ranks();

std::unique_ptr<Ranks> make_one_process();
// absent.cc or mpi.cc: joins `count` > 1 ranks.
Result<std::unique_ptr<Ranks>> join_launched(int count);
bool have_mpi();

// The text of each rank, on every rank.
std::vector<std::string> gather_texts(Ranks& ranks, const std::string& own);

// Every rank says how it stands and what it works on; all get the same answer. ok: all are, with one fingerprint.
Status agree(Ranks& ranks, const Status& own, const std::string& fingerprint = "");

// Rank 0 does f; every rank gets its status.
Status on_first(Ranks& ranks, const std::function<Status()>& f);

// Which of a step's items this rank takes: [begin, end), near the same sum of lengths on each, in the order of ranks.
std::pair<size_t, size_t> part_of(std::span<const int64_t> lengths, const Ranks& ranks);

// Equal parts of n values.
std::vector<int64_t> equal_cuts(int64_t n, int ranks);

}  // namespace loquat
