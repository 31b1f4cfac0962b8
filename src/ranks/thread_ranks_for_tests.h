// Ranks that are threads of one test: the same collectives over shared memory.
#pragma once

#include <algorithm>
#include <barrier>
#include <functional>
#include <thread>
#include <vector>

#include "base/check.h"
#include "ranks/ranks.h"

namespace loquat {

class ThreadRanks : public Ranks {
 public:
  struct Shared {
    explicit Shared(int n) : barrier(n), at(static_cast<size_t>(n)) {}
    std::barrier<> barrier;
    std::vector<const void*> at;  // what each rank shows the others
  };
  ThreadRanks(int rank, Shared& shared) : rank_(rank), shared_(shared) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(shared_.at.size()); }
  std::string name(int rank) const override { return fmt::format("rank {}", rank); }

  void reduce_scatter(float* x, std::span<const int64_t> cuts) override {
    check(cuts);
    const int64_t begin = cuts[rank_], end = cuts[rank_ + 1];
    std::vector<float> sum(static_cast<size_t>(end - begin));
    meet(x, [&] {
      for (int64_t i = begin; i < end; ++i) {
        for (int r = 0; r < size(); ++r)
          sum[static_cast<size_t>(i - begin)] += static_cast<const float*>(shared_.at[r])[i];
      }
    });
    // What is not defined is made worthless.
    std::fill(x, x + cuts.back(), 1e30f);
    std::copy(sum.begin(), sum.end(), x + begin);
  }
  void all_gather(float* x, std::span<const int64_t> cuts) override {
    check(cuts);
    meet(x, [&] {
      for (int r = 0; r < size(); ++r) {
        if (r == rank_) continue;
        const auto* from = static_cast<const float*>(shared_.at[r]);
        std::copy(from + cuts[r], from + cuts[r + 1], x + cuts[r]);
      }
    });
  }
  void gather(const float* part, std::span<const int64_t> cuts, float* whole) override {
    check(cuts);
    meet(part, [&] {
      if (!first()) return;
      for (int r = 0; r < size(); ++r) {
        const auto* from = static_cast<const float*>(shared_.at[r]);
        std::copy(from, from + (cuts[r + 1] - cuts[r]), whole + cuts[r]);
      }
    });
  }
  void all_reduce(std::span<double> x) override {
    std::vector<double> sum(x.size());
    meet(x.data(), [&] {
      for (int r = 0; r < size(); ++r) {
        for (size_t i = 0; i < x.size(); ++i) sum[i] += static_cast<const double*>(shared_.at[r])[i];
      }
    });
    std::copy(sum.begin(), sum.end(), x.begin());
  }
  void broadcast(void* data, int64_t bytes, int root) override {
    meet(data, [&] {
      const auto* from = static_cast<const char*>(shared_.at[root]);
      if (rank_ != root) std::copy(from, from + bytes, static_cast<char*>(data));
    });
  }

 private:
  template <typename F>
  void meet(const void* own, const F& f) {
    shared_.at[static_cast<size_t>(rank_)] = own;
    shared_.barrier.arrive_and_wait();
    f();
    shared_.barrier.arrive_and_wait();
  }
  void check(std::span<const int64_t> cuts) const {
    CHECK(static_cast<int>(cuts.size()) == size() + 1 && cuts[0] == 0 && std::is_sorted(cuts.begin(), cuts.end()),
          "{} cuts for {} ranks", cuts.size(), size());
  }

  int rank_;
  Shared& shared_;
};

// f on `n` threads, each a rank.
inline void run_on_threads(int n, const std::function<void(Ranks&)>& f) {
  ThreadRanks::Shared shared(n);
  std::vector<std::thread> threads;
  for (int r = 0; r < n; ++r) {
    threads.emplace_back([&, r] {
      ThreadRanks ranks(r, shared);
      f(ranks);
    });
  }
  for (std::thread& t : threads) t.join();
}

}  // namespace loquat
