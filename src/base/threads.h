// The process's thread pool. Work is cut by the caller into parts whose results do not depend on who runs them, so that
// every result is the same with any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>

namespace loquat {

int thread_count();
void set_thread_count(int n);  // before the first parallel_for, or between two; n >= 1

// A reference to a callable void(int64_t part); does not own it and never allocates.
class PartFunction {
 public:
  template <typename F>
  PartFunction(F& f)  // NOLINT: implicit on purpose
      : object_(const_cast<std::remove_const_t<F>*>(&f)),
        call_([](void* o, int64_t part) { (*static_cast<F*>(o))(part); }) {}
  void operator()(int64_t part) const { call_(object_, part); }

 private:
  void* object_;
  void (*call_)(void*, int64_t);
};

// Runs f(0) ... f(parts - 1), each once, on the pool and this thread; returns when all are done. A call from within a part
// runs its parts in that thread. Threads that wait spin for a short while, then sleep.
void parallel_for_parts(int64_t parts, PartFunction f);

template <typename F>
void parallel_for(int64_t parts, F&& f) {
  if (parts <= 1 || thread_count() == 1) {
    for (int64_t i = 0; i < parts; ++i) f(i);
  } else {
    parallel_for_parts(parts, PartFunction(f));
  }
}

// f(begin, end) over [0, n) in blocks of `grain`: the blocks depend on n and grain alone, never on the number of threads.
template <typename F>
void parallel_blocks(int64_t n, int64_t grain, F&& f) {
  parallel_for((n + grain - 1) / grain, [&](int64_t part) {
    const int64_t begin = part * grain;
    f(begin, begin + grain < n ? begin + grain : n);
  });
}

}  // namespace loquat
