#include "infer/shared_engine.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <thread>
#include <vector>

namespace loquat {
namespace {

using namespace std::chrono_literals;
constexpr auto kAskAgain = 50ms;  // whether a caller that waits is still wanted

// One caller's request, shared with the engine's thread.
struct Call {
  GenerationRequest request;
  int64_t number = -1;  // the engine's thread alone
  std::mutex mutex;     // of what follows
  std::condition_variable changed;
  std::deque<int32_t> tokens;  // that the caller has not taken
  bool ended = false;
  Generation result;
};

}  // namespace

struct SharedEngine::Impl {
  Impl(Model& model, const EngineOptions& options, std::mutex& m)
      : engine(model, options), model_mutex(m), thread([this] { run(); }) {}

  void run();
  void admit(const std::shared_ptr<Call>& call);

  Engine engine;
  std::mutex& model_mutex;
  std::mutex mutex;  // of what follows
  std::condition_variable wake;
  std::vector<std::shared_ptr<Call>> arrived, cancelled;
  bool stop = false;
  std::thread thread;  // last: it uses all of the above
};

void SharedEngine::Impl::admit(const std::shared_ptr<Call>& call) {
  const auto on_token = [call](int32_t token, float) {
    {
      std::lock_guard lock(call->mutex);
      call->tokens.push_back(token);
    }
    call->changed.notify_one();
    return true;
  };
  const auto on_end = [call](Generation&& result) {
    {
      std::lock_guard lock(call->mutex);
      call->result = std::move(result);
      call->ended = true;
    }
    call->changed.notify_one();
  };
  call->number = engine.submit(call->request, on_token, on_end);
}

void SharedEngine::Impl::run() {
  bool busy = false;
  while (true) {
    std::vector<std::shared_ptr<Call>> coming, going;
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return busy || stop || !arrived.empty() || !cancelled.empty(); });
      if (stop) return;
      coming.swap(arrived);
      going.swap(cancelled);
    }
    for (const auto& call : coming) admit(call);
    for (const auto& call : going) engine.cancel(call->number);
    std::lock_guard lock(model_mutex);
    busy = engine.step();
  }
}

SharedEngine::SharedEngine(Model& model, const EngineOptions& options, std::mutex& model_mutex)
    : impl_(std::make_unique<Impl>(model, options, model_mutex)) {}

SharedEngine::~SharedEngine() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
}

Generation SharedEngine::generate(const GenerationRequest& request, const std::function<bool(int32_t token)>& on_token,
                                  const std::function<bool()>& is_wanted) {
  const auto call = std::make_shared<Call>();
  call->request = request;
  const auto tell = [&](std::vector<std::shared_ptr<Call>>& list) {
    {
      std::lock_guard lock(impl_->mutex);
      list.push_back(call);
    }
    impl_->wake.notify_one();
  };
  tell(impl_->arrived);
  size_t seen = 0;
  bool wanted = true;
  std::unique_lock lock(call->mutex);
  while (wanted && !(call->ended && call->tokens.empty())) {
    call->changed.wait_for(lock, kAskAgain, [&] { return call->ended || !call->tokens.empty(); });
    std::deque<int32_t> fresh;
    fresh.swap(call->tokens);
    lock.unlock();
    if (fresh.empty() && is_wanted) wanted = is_wanted();
    for (; wanted && !fresh.empty(); fresh.pop_front()) {
      ++seen;
      wanted = !on_token || on_token(fresh.front());
    }
    lock.lock();
  }
  if (!call->ended) {
    lock.unlock();
    tell(impl_->cancelled);
    lock.lock();
    call->changed.wait(lock, [&] { return call->ended; });
  }
  Generation result = std::move(call->result);
  if (result.tokens.size() > seen) {  // those that came after the caller had enough
    result.tokens.resize(seen);
    result.logprobs.resize(seen);
    result.ended = false;
  }
  return result;
}

}  // namespace loquat
