// Ranks over MPI. Large arrays travel between each pair of ranks directly, in pieces, and are summed here in the order
// of ranks: whatever MPI would choose for its own reductions, the bits stay the same. Waiting never holds a core that a
// rank on the same one could use.
//
// Not every launcher ends the others when a rank dies, and MPI itself would wait for ever: so every rank has a pulse
// (Pulse), a message a second to rank 0 and back, and a rank that is silent for long ends the run by its name.
#include <mpi.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/check.h"
#include "base/threads.h"
#include "ranks/ranks.h"

namespace loquat {
namespace {

constexpr int64_t kPiece = 1 << 20;  // floats of a message
constexpr int kDataTag = 1, kPulseTag = 2, kLeaveTag = 3;

using Clock = std::chrono::steady_clock;

// Returns when all requests are done. Yields at first, then sleeps: the other rank may need this core.
void wait_for(std::vector<MPI_Request>& requests) {
  for (int tries = 0;; ++tries) {
    int done = 0;
    MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
    if (done != 0) break;
    if (tries < 2000) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  requests.clear();
}

// How long a rank may be silent; a machine under load or a debugger may want more.
double patience_seconds() {
  const char* text = std::getenv("LOQUAT_RANK_PATIENCE");
  const double seconds = text == nullptr ? 0 : std::atof(text);
  return seconds > 0 ? seconds : 60;
}

// Tells rank 0 every second that this rank lives, and the others that rank 0 does. Rank 0 watches all, they watch it.
// In a thread of its own, since a step or an evaluation may take minutes.
class Pulse {
 public:
  Pulse(std::vector<std::string> names, int rank) : names_(std::move(names)), rank_(rank) {
    MPI_Comm_dup(MPI_COMM_WORLD, &comm_);
    for (int r = 0; r < static_cast<int>(names_.size()); ++r) {
      if (r != rank && (rank == 0 || r == 0)) watched_.push_back({r, Clock::now(), MPI_REQUEST_NULL});
    }
    thread_ = std::thread([this] { beat(); });
  }
  // All ranks leave together: none must take another's leaving for its death.
  ~Pulse() {
    leaving_ = true;
    thread_.join();
    MPI_Comm_free(&comm_);
  }

 private:
  struct Watched {
    int rank;
    Clock::time_point heard;
    MPI_Request sending;
  };

  void beat() {
    while (!leaving_) {
      for (Watched& w : watched_) {
        int sent = 0;
        MPI_Test(&w.sending, &sent, MPI_STATUS_IGNORE);  // one that cannot be sent is not sent again
        if (sent != 0) MPI_Isend(nullptr, 0, MPI_BYTE, w.rank, kPulseTag, comm_, &w.sending);
        while (heard(w.rank)) w.heard = Clock::now();
        if (Clock::now() - w.heard > std::chrono::duration<double>(patience_)) end(w.rank);
      }
      for (int i = 0; i < 20 && !leaving_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    // What is under way is taken, so that nothing is left when MPI ends.
    std::vector<MPI_Request> last;
    for (Watched& w : watched_) {
      last.push_back(w.sending);
      last.emplace_back();
      MPI_Isend(nullptr, 0, MPI_BYTE, w.rank, kLeaveTag, comm_, &last.back());
      for (bool left = false; !left;) {
        while (heard(w.rank)) continue;
        int there = 0;
        MPI_Iprobe(w.rank, kLeaveTag, comm_, &there, MPI_STATUS_IGNORE);
        left = there != 0;
        if (left) continue;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      MPI_Recv(nullptr, 0, MPI_BYTE, w.rank, kLeaveTag, comm_, MPI_STATUS_IGNORE);
      while (heard(w.rank)) continue;
    }
    wait_for(last);
  }

  // Takes one pulse of this rank, if there is one.
  bool heard(int rank) {
    int there = 0;
    MPI_Iprobe(rank, kPulseTag, comm_, &there, MPI_STATUS_IGNORE);
    if (there != 0) MPI_Recv(nullptr, 0, MPI_BYTE, rank, kPulseTag, comm_, MPI_STATUS_IGNORE);
    return there != 0;
  }

  [[noreturn]] void end(int silent) const {
    std::fprintf(stderr,
                 "loquat: %s says nothing for %.0f s: it has died or cannot be reached, and the run ends; the same "
                 "command goes on from the last checkpoint\n",
                 names_[static_cast<size_t>(silent)].c_str(), patience_);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::_Exit(1);
  }

  const std::vector<std::string> names_;
  const int rank_;
  const double patience_ = patience_seconds();
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::vector<Watched> watched_;
  std::atomic<bool> leaving_{false};
  std::thread thread_;
};

class MpiRanks : public Ranks {
 public:
  MpiRanks() {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    char host[256] = "";
    ::gethostname(host, sizeof host - 1);
    names_ = gather_texts(*this, fmt::format("rank {} (process {} on {})", rank_, ::getpid(), host));
    pulse_.emplace(names_, rank_);
  }
  ~MpiRanks() override {
    pulse_.reset();
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name(int rank) const override { return names_[static_cast<size_t>(rank)]; }

  void reduce_scatter(float* x, std::span<const int64_t> cuts) override {
    std::vector<float> others(static_cast<size_t>(kPiece * (size_ - 1)));
    for (int64_t at = 0; at < longest(cuts); at += kPiece) {
      const Piece mine = piece(cuts, rank_, at);
      for (int r = 0, slot = 0; r < size_; ++r) {
        if (r == rank_) continue;
        receive(others.data() + kPiece * slot++, mine.count, r);
        const Piece theirs = piece(cuts, r, at);
        send(x + theirs.begin, theirs.count, r);
      }
      wait_for(requests_);
      parallel_blocks(mine.count, 1 << 14,
                      [&](int64_t begin, int64_t end) { add_in_order(x + mine.begin, others.data(), begin, end); });
    }
  }

  void all_gather(float* x, std::span<const int64_t> cuts) override {
    for (int64_t at = 0; at < longest(cuts); at += kPiece) {
      const Piece mine = piece(cuts, rank_, at);
      for (int r = 0; r < size_; ++r) {
        if (r == rank_) continue;
        const Piece theirs = piece(cuts, r, at);
        receive(x + theirs.begin, theirs.count, r);
        send(x + mine.begin, mine.count, r);
      }
      wait_for(requests_);
    }
  }

  void gather(const float* part, std::span<const int64_t> cuts, float* whole) override {
    for (int64_t at = 0; at < longest(cuts); at += kPiece) {
      const Piece mine = piece(cuts, rank_, at);
      if (rank_ != 0) {
        send(part + (mine.begin - cuts[rank_]), mine.count, 0);
      } else {
        for (int r = 1; r < size_; ++r) {
          const Piece theirs = piece(cuts, r, at);
          receive(whole + theirs.begin, theirs.count, r);
        }
      }
      wait_for(requests_);
    }
    if (rank_ == 0) std::copy(part, part + cuts[1], whole);
  }

  void all_reduce(std::span<double> x) override {
    const int n = static_cast<int>(x.size());
    std::vector<double> all(x.size() * static_cast<size_t>(size_));
    requests_.emplace_back();
    MPI_Iallgather(x.data(), n, MPI_DOUBLE, all.data(), n, MPI_DOUBLE, MPI_COMM_WORLD, &requests_.back());
    wait_for(requests_);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = 0;
      for (int r = 0; r < size_; ++r) x[i] += all[static_cast<size_t>(r) * x.size() + i];
    }
  }

  void broadcast(void* data, int64_t bytes, int root) override {
    for (int64_t at = 0; at < bytes; at += kPiece) {
      requests_.emplace_back();
      MPI_Ibcast(static_cast<char*>(data) + at, static_cast<int>(std::min(kPiece, bytes - at)), MPI_BYTE, root,
                 MPI_COMM_WORLD, &requests_.back());
      wait_for(requests_);
    }
  }

 private:
  struct Piece {
    int64_t begin, count;
  };
  // The values of rank r's part from `at` on, at most kPiece.
  static Piece piece(std::span<const int64_t> cuts, int r, int64_t at) {
    const int64_t begin = std::min(cuts[r] + at, cuts[r + 1]);
    return {begin, std::min(kPiece, cuts[r + 1] - begin)};
  }
  static int64_t longest(std::span<const int64_t> cuts) {
    int64_t most = 0;
    for (size_t r = 0; r + 1 < cuts.size(); ++r) most = std::max(most, cuts[r + 1] - cuts[r]);
    return most;
  }

  void send(const float* x, int64_t n, int to) {
    if (n == 0) return;
    requests_.emplace_back();
    MPI_Isend(x, static_cast<int>(n), MPI_FLOAT, to, kDataTag, MPI_COMM_WORLD, &requests_.back());
  }
  void receive(float* x, int64_t n, int from) {
    if (n == 0) return;
    requests_.emplace_back();
    MPI_Irecv(x, static_cast<int>(n), MPI_FLOAT, from, kDataTag, MPI_COMM_WORLD, &requests_.back());
  }

  // own[i] becomes the sum over all ranks, rank 0's first. `others` lie kPiece apart, without this rank's.
  void add_in_order(float* own, const float* others, int64_t begin, int64_t end) const {
    std::vector<float> sum(static_cast<size_t>(end - begin), 0.0f);
    for (int r = 0, slot = 0; r < size_; ++r) {
      const float* from = (r == rank_ ? own : others + kPiece * slot++) + begin;
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += from[i];
    }
    std::copy(sum.begin(), sum.end(), own + begin);
  }

  int rank_ = 0, size_ = 1;
  std::vector<std::string> names_;
  std::vector<MPI_Request> requests_;
  std::optional<Pulse> pulse_;
};

}  // namespace

bool have_mpi() {
  return true;
}

Result<std::unique_ptr<Ranks>> join_launched(int count) {
  int threads = 0, size = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &threads);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size != count || threads < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    if (size != count)
      return Err(
          "started as one of {} processes, but MPI knows of {}: the launcher and this program's MPI do not fit (with "
          "Slurm: srun --mpi=pmix, see srun --mpi=list)",
          count, size);
    return Err("this MPI has no MPI_THREAD_MULTIPLE");
  }
  return std::unique_ptr<Ranks>(std::make_unique<MpiRanks>());
}

}  // namespace loquat
