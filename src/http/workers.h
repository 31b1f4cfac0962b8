// The threads that call the handler, in the order in which requests became whole. A request whose client is gone by
// then is passed over.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "http/connection.h"
#include "http/http.h"

namespace loquat::http {

class Workers {
 public:
  Workers(int threads, Handler handler);
  ~Workers() { stop(); }
  void add(Job job);
  void stop();  // returns when no handler runs; what is queued is dropped

 private:
  void run();
  void call(Job job);

  const Handler handler_;
  std::mutex mutex_;
  std::condition_variable added_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace loquat::http
