// What is the same for every kind of ranks (ranks.h).
#include "ranks/ranks.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"

namespace loquat {
namespace {

class OneProcess : public Ranks {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string name(int) const override { return "this process"; }
  void reduce_scatter(float*, std::span<const int64_t>) override {}
  void all_gather(float*, std::span<const int64_t>) override {}
  void gather(const float* part, std::span<const int64_t> cuts, float* whole) override {
    std::copy(part, part + cuts.back(), whole);
  }
  void all_reduce(std::span<double>) override {}
  void broadcast(void*, int64_t, int) override {}
};

void broadcast_text(Ranks& ranks, std::string& text, int root) {
  auto size = static_cast<int64_t>(text.size());
  ranks.broadcast(&size, sizeof size, root);
  text.resize(static_cast<size_t>(size));
  ranks.broadcast(text.data(), size, root);
}

}  // namespace

Ranks& one_process() {
  static OneProcess alone;
  return alone;
}

std::unique_ptr<Ranks> make_one_process() {
  return std::make_unique<OneProcess>();
}

int launched_ranks() {
  // Open MPI's mpirun; MPICH's and Intel's, and srun with PMI; srun of any kind.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    const char* text = std::getenv(name);
    if (text != nullptr && std::atoi(text) > 1) return std::atoi(text);
  }
  return 1;
}

Result<std::unique_ptr<Ranks>> join_ranks() {
  const int count = launched_ranks();
  if (count == 1) return make_one_process();
  return join_launched(count);
}

std::vector<std::string> gather_texts(Ranks& ranks, const std::string& own) {
  std::vector<std::string> texts(static_cast<size_t>(ranks.size()));
  texts[static_cast<size_t>(ranks.rank())] = own;
  for (int r = 0; r < ranks.size(); ++r) broadcast_text(ranks, texts[static_cast<size_t>(r)], r);
  return texts;
}

Status agree(Ranks& ranks, const Status& own, const std::string& fingerprint) {
  ranks.agreed_ = true;
  if (ranks.size() == 1) return own;
  const std::vector<std::string> errors = gather_texts(ranks, own.ok() ? "" : own.error());
  const std::vector<std::string> prints = gather_texts(ranks, fingerprint);
  const auto wrong = std::find_if(errors.begin(), errors.end(), [](const std::string& e) { return !e.empty(); });
  if (wrong != errors.end()) {
    const bool all = std::all_of(errors.begin(), errors.end(), [&](const std::string& e) { return e == *wrong; });
    if (all) return Err("{}", *wrong);
    return Err("{}: {}", ranks.name(static_cast<int>(wrong - errors.begin())), *wrong);
  }
  for (size_t r = 1; r < prints.size(); ++r) {
    if (prints[r] != prints[0])
      return Err("{} has other options, data or models than {}", ranks.name(static_cast<int>(r)), ranks.name(0));
  }
  return {};
}

Status on_first(Ranks& ranks, const std::function<Status()>& f) {
  if (ranks.size() == 1) return f();
  std::string error;
  if (ranks.first()) {
    const Status status = f();
    if (!status.ok()) error = status.error().empty() ? "failed" : status.error();
  }
  broadcast_text(ranks, error, 0);
  if (!error.empty()) return Err("{}", error);
  return {};
}

std::pair<size_t, size_t> part_of(std::span<const int64_t> lengths, const Ranks& ranks) {
  if (ranks.size() == 1) return {0, lengths.size()};
  int64_t total = 0;
  for (const int64_t length : lengths) total += length;
  // An item goes to the rank in whose share of the tokens its middle lies.
  size_t begin = lengths.size(), end = lengths.size();
  int64_t before = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const int64_t owner = (2 * before + lengths[i]) * ranks.size() / std::max<int64_t>(1, 2 * total);
    if (owner >= ranks.rank() && begin == lengths.size()) begin = i;
    if (owner > ranks.rank()) {
      end = i;
      break;
    }
    before += lengths[i];
  }
  return {std::min(begin, end), end};
}

std::vector<int64_t> equal_cuts(int64_t n, int ranks) {
  std::vector<int64_t> cuts;
  for (int64_t r = 0; r <= ranks; ++r) cuts.push_back(n / ranks * r + std::min<int64_t>(r, n % ranks));
  return cuts;
}

}  // namespace loquat
