#include "http/workers.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"

namespace loquat::http {

Workers::Workers(int threads, Handler handler) : handler_(std::move(handler)) {
  for (int i = 0; i < std::max(threads, 1); ++i) threads_.emplace_back([this] { run(); });
}

void Workers::add(Job job) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  added_.notify_one();
}

void Workers::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  added_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  queue_.clear();
}

void Workers::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    added_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    call(std::move(job));
    lock.lock();
  }
}

void Workers::call(Job job) {
  job.release();
  if (job.exchange->gone()) return;
  // Held here too, so that a handler that throws is answered with what it threw.
  const std::shared_ptr<Reply> reply = make_reply(job.exchange);
  const std::string path = job.request.path;
  try {
    handler_(std::move(job.request), reply);
  } catch (const std::exception& failure) {
    log_error("{}: the handler failed: {}", path, failure.what());
    job.exchange->fail(failure.what());
  }
}

}  // namespace loquat::http
