// A mutex that is had in the order of asking: one that is taken again at once (a decoding loop's) leaves others their
// turn.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace loquat {

class FairMutex {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const uint64_t mine = next_++;
    turn_.wait(lock, [&] { return mine == now_; });
  }
  void unlock() {
    {
      std::lock_guard lock(mutex_);
      ++now_;
    }
    turn_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable turn_;
  uint64_t next_ = 0, now_ = 0;
};

}  // namespace loquat
