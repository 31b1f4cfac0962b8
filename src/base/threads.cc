#include "base/threads.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/machine.h"

namespace loquat {
namespace {

thread_local bool inside_part = false;

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// One job at a time. `ticket_` holds the job's number (upper half) and its next part (lower half), so that a part is
// claimed together with the certainty that its job is still the current one: a thread that comes late claims nothing,
// and the caller waits only for parts that were claimed, never for a thread that the system has put aside.
class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }

  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (auto& w : workers_) w.join();
  }

  void run(int64_t parts, PartFunction f) {
    CHECK(parts <= kMostParts, "{} parts", parts);
    std::lock_guard caller(caller_mutex_);
    uint64_t job;
    {
      std::lock_guard lock(mutex_);
      job = generation_.load(std::memory_order_relaxed) + 1;
      job_ = &f;
      parts_ = parts;
      done_.store(0, std::memory_order_relaxed);
      ticket_.store(job << 32, std::memory_order_release);
      generation_.store(job, std::memory_order_release);
    }
    if (sleeping_.load(std::memory_order_acquire) > 0) wake_.notify_all();
    drain(job, &f, parts);
    for (int spins = 0; done_.load(std::memory_order_acquire) < parts; ++spins) {
      cpu_relax();
      if (spins > kSpinsBeforeYield) std::this_thread::yield();
    }
  }

 private:
  // The next part of this job, or -1: all are claimed, or another job has begun.
  int64_t claim(uint64_t job, int64_t parts) {
    uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (ticket >> 32 == (job & 0xffffffffu) && static_cast<int64_t>(ticket & 0xffffffffu) < parts)
      if (ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) return ticket & 0xffffffffu;
    return -1;
  }

  void drain(uint64_t job, const PartFunction* f, int64_t parts) {
    inside_part = true;
    for (int64_t part; (part = claim(job, parts)) >= 0;) {
      (*f)(part);
      done_.fetch_add(1, std::memory_order_release);
    }
    inside_part = false;
  }

  void work() {
    uint64_t seen = 0;
    while (true) {
      // Spin first: the next kernel of a training step comes within microseconds.
      for (int spins = 0; generation_.load(std::memory_order_acquire) == seen && spins < kSpins; ++spins) cpu_relax();
      const PartFunction* f;
      int64_t parts;
      {
        std::unique_lock lock(mutex_);
        if (generation_.load(std::memory_order_acquire) == seen) {
          sleeping_.fetch_add(1, std::memory_order_release);
          wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
          sleeping_.fetch_sub(1, std::memory_order_release);
        }
        if (stop_) return;
        seen = generation_.load(std::memory_order_acquire);
        f = job_;
        parts = parts_;
      }
      drain(seen, f, parts);  // f is only called for a claimed part: its caller is waiting then
    }
  }

  static constexpr int kSpins = 20000;  // about 0.3 ms
  static constexpr int kSpinsBeforeYield = 2000;
  static constexpr int64_t kMostParts = 0x7fffffff;

  std::vector<std::thread> workers_;
  std::mutex caller_mutex_;  // one job at a time; callers on other threads wait their turn
  std::mutex mutex_;
  std::condition_variable wake_;
  const PartFunction* job_ = nullptr;
  int64_t parts_ = 0;
  bool stop_ = false;
  std::atomic<uint64_t> ticket_{0};
  std::atomic<int64_t> done_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<uint64_t> generation_{0};
};

std::atomic<int> wanted_threads{0};  // 0: not chosen yet

std::unique_ptr<Pool>& pool() {
  static std::unique_ptr<Pool> instance;
  return instance;
}

std::mutex pool_mutex;

}  // namespace

int thread_count() {
  int n = wanted_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    int none = 0;
    wanted_threads.compare_exchange_strong(none, usable_cores());
    n = wanted_threads.load();
  }
  return n;
}

void set_thread_count(int n) {
  CHECK(n >= 1, "{} threads", n);
  std::lock_guard lock(pool_mutex);
  if (n != wanted_threads) pool().reset();
  wanted_threads = n;
}

void parallel_for_parts(int64_t parts, PartFunction f) {
  if (inside_part || thread_count() == 1) {
    for (int64_t i = 0; i < parts; ++i) f(i);
    return;
  }
  Pool* p;
  {
    std::lock_guard lock(pool_mutex);
    if (!pool()) pool() = std::make_unique<Pool>(thread_count());
    p = pool().get();
  }
  p->run(parts, f);
}

}  // namespace loquat
