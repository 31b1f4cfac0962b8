// A few threads for what takes long and is waited for (embeddings, loading a model), in turn, so that the threads that
// read requests stay free.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace loquat {

class Background {
 public:
  Background(int threads, size_t waiting);
  ~Background();  // ends the jobs that run; those that wait are dropped
  // False where `waiting` jobs wait already. Jobs do not throw.
  bool add(std::function<void()> job);

 private:
  void run();

  const size_t waiting_;
  std::mutex mutex_;
  std::condition_variable added_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace loquat
