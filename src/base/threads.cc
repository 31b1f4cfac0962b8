#include "base/threads.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace loquat {
namespace {

thread_local bool inside_part = false;

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

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
    std::lock_guard caller(caller_mutex_);
    {
      std::lock_guard lock(mutex_);
      job_ = &f;
      parts_ = parts;
      next_.store(0, std::memory_order_relaxed);
      running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleeping_.load(std::memory_order_acquire) > 0) wake_.notify_all();
    drain(f, parts);
    for (int spins = 0; running_.load(std::memory_order_acquire) > 0; ++spins) {
      cpu_relax();
      if (spins > 1 << 14) std::this_thread::yield();
    }
    job_ = nullptr;
  }

 private:
  void drain(const PartFunction& f, int64_t parts) {
    inside_part = true;
    for (int64_t part; (part = next_.fetch_add(1, std::memory_order_relaxed)) < parts;) f(part);
    inside_part = false;
  }

  void work() {
    uint64_t seen = 0;
    while (true) {
      // Spin first: the next kernel of a training step comes within microseconds.
      for (int spins = 0; generation_.load(std::memory_order_acquire) == seen && spins < kSpins; ++spins) cpu_relax();
      if (generation_.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex_);
        sleeping_.fetch_add(1, std::memory_order_release);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
        sleeping_.fetch_sub(1, std::memory_order_release);
      }
      const PartFunction* job;
      int64_t parts;
      {
        std::lock_guard lock(mutex_);
        if (stop_) return;
        seen = generation_.load(std::memory_order_acquire);
        job = job_;
        parts = parts_;
      }
      drain(*job, parts);
      running_.fetch_sub(1, std::memory_order_release);
    }
  }

  static constexpr int kSpins = 20000;  // about 0.3 ms

  std::vector<std::thread> workers_;
  std::mutex caller_mutex_;  // one job at a time; callers on other threads wait their turn
  std::mutex mutex_;
  std::condition_variable wake_;
  const PartFunction* job_ = nullptr;
  int64_t parts_ = 0;
  bool stop_ = false;
  std::atomic<int64_t> next_{0};
  std::atomic<int> running_{0};
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
    const unsigned found = std::thread::hardware_concurrency();
    int none = 0;
    wanted_threads.compare_exchange_strong(none, found == 0 ? 1 : static_cast<int>(found));
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
