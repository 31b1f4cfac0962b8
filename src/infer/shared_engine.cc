// Two threads: one steps the engine, one hands out what a step has made (shared_engine.h).
#include "infer/shared_engine.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <thread>
#include <unordered_map>

namespace loquat {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
constexpr auto kAskAgain = 50ms;  // whether a caller that waits is still wanted

struct Call {
  GenerationRequest request;
  std::function<void(EngineEvent&&)> on_event;
  int64_t number = 0;  // the caller's
  Clock::time_point deadline;
  // The engine's thread alone.
  int64_t engine_number = -1;
  EngineEvent event;  // of the step under way
  bool changed = false, late = false;
};
using CallPtr = std::shared_ptr<Call>;

struct Delivery {
  CallPtr call;
  EngineEvent event;
};

}  // namespace

struct SharedEngine::Impl {
  Impl(Model& model, const SharedEngineOptions& o, FairMutex& m)
      : options(o), engine(model, o.engine), model_mutex(m), stepper([this] { step(); }), deliverer([this] {
          deliver();
        }) {}

  void step();
  void deliver();
  void admit(const CallPtr& call);
  void end_late();
  void hand_over();

  SharedEngineOptions options;
  // The engine's thread alone.
  Engine engine;
  std::unordered_map<int64_t, CallPtr> calls;           // by the caller's number
  std::multimap<Clock::time_point, int64_t> deadlines;  // their numbers
  std::vector<CallPtr> changed;

  FairMutex& model_mutex;
  mutable std::mutex mutex;  // of what follows
  std::condition_variable wake;
  std::vector<CallPtr> arrived;
  std::vector<int64_t> cancelled;
  int64_t submitted = 0, open = 0;  // open: submitted and not ended
  EngineCounts counts;
  CountsByAdapter by_adapter;
  bool stop = false;

  std::mutex delivery_mutex;  // of what follows
  std::condition_variable delivery_wake;
  std::deque<Delivery> deliveries;
  bool all_made = false;

  std::thread stepper, deliverer;  // last: they use all of the above
};

void SharedEngine::Impl::admit(const CallPtr& call) {
  const auto mark = [this, call] {
    if (!call->changed) changed.push_back(call);
    call->changed = true;
  };
  EngineListener listener;
  listener.on_token = [call, mark](int32_t token, const TokenLogprob* logprob) {
    call->event.tokens.push_back(token);
    if (logprob != nullptr) call->event.logprobs.push_back(*logprob);
    mark();
    return true;
  };
  listener.on_prompt = [call, mark](std::vector<TokenLogprob>&& prompt) {
    call->event.prompt = std::move(prompt);
    mark();
  };
  listener.on_end = [this, call, mark](Generation&& result) {
    call->event.end = std::move(result);
    call->event.late = call->late;
    calls.erase(call->number);
    mark();
  };
  calls[call->number] = call;
  if (options.deadline.count() > 0) deadlines.emplace(call->deadline, call->number);
  call->engine_number = engine.submit(std::move(call->request), std::move(listener));
}

void SharedEngine::Impl::end_late() {
  const auto now = Clock::now();
  while (!deadlines.empty() && deadlines.begin()->first <= now) {
    const auto found = calls.find(deadlines.begin()->second);
    deadlines.erase(deadlines.begin());
    if (found == calls.end()) continue;
    const CallPtr call = found->second;
    call->late = true;
    engine.cancel(call->engine_number);
  }
}

void SharedEngine::Impl::hand_over() {
  {
    // First, so that who has seen the end of a request finds its place free.
    std::lock_guard lock(mutex);
    for (const CallPtr& call : changed) open -= call->event.end.has_value();
    counts = engine.counts();
    by_adapter = engine.counts_by_adapter();
  }
  {
    std::lock_guard lock(delivery_mutex);
    for (const CallPtr& call : changed) {
      call->changed = false;
      deliveries.push_back({call, std::exchange(call->event, {})});
    }
  }
  if (!changed.empty()) delivery_wake.notify_one();
  changed.clear();
}

void SharedEngine::Impl::step() {
  bool busy = false;
  while (true) {
    std::vector<CallPtr> coming;
    std::vector<int64_t> going;
    bool last = false;
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return busy || stop || !arrived.empty() || !cancelled.empty(); });
      coming.swap(arrived);
      going.swap(cancelled);
      last = stop;
    }
    for (const CallPtr& call : coming) admit(call);
    if (last) {
      for (const auto& [number, call] : calls) going.push_back(number);
    }
    for (const int64_t number : going) {
      const auto found = calls.find(number);
      if (found != calls.end()) engine.cancel(CallPtr(found->second)->engine_number);
    }
    end_late();
    if (!last) {
      std::lock_guard lock(model_mutex);
      busy = engine.step();
    }
    hand_over();
    if (last) break;
  }
  {
    std::lock_guard lock(delivery_mutex);
    all_made = true;
  }
  delivery_wake.notify_one();
}

void SharedEngine::Impl::deliver() {
  std::deque<Delivery> taken;
  while (true) {
    {
      std::unique_lock lock(delivery_mutex);
      delivery_wake.wait(lock, [&] { return all_made || !deliveries.empty(); });
      if (deliveries.empty()) return;
      taken.swap(deliveries);
    }
    for (Delivery& one : taken) one.call->on_event(std::move(one.event));
    taken.clear();
  }
}

SharedEngine::SharedEngine(Model& model, const SharedEngineOptions& options, FairMutex& model_mutex)
    : impl_(std::make_unique<Impl>(model, options, model_mutex)) {}

SharedEngine::~SharedEngine() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_one();
  impl_->stepper.join();
  impl_->deliverer.join();
}

std::optional<int64_t> SharedEngine::submit(GenerationRequest request, std::function<void(EngineEvent&&)> on_event) {
  const auto call = std::make_shared<Call>();
  call->request = std::move(request);
  call->on_event = std::move(on_event);
  call->deadline = Clock::now() + impl_->options.deadline;
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->open >= impl_->options.engine.slots + impl_->options.waiting) return std::nullopt;
    ++impl_->open;
    call->number = impl_->submitted++;
    impl_->arrived.push_back(call);
  }
  impl_->wake.notify_one();
  return call->number;
}

void SharedEngine::cancel(int64_t number) {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->cancelled.push_back(number);
  }
  impl_->wake.notify_one();
}

EngineCounts SharedEngine::counts() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->counts;
}

EngineCounts SharedEngine::counts(const std::shared_ptr<const Model>& adapter) const {
  std::lock_guard lock(impl_->mutex);
  const auto found = impl_->by_adapter.find(adapter);
  return found != impl_->by_adapter.end() ? found->second : EngineCounts();
}

Generation SharedEngine::generate(const GenerationRequest& request, const std::function<bool(int32_t token)>& on_token,
                                  const std::function<bool()>& is_wanted) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<int32_t> tokens;  // that the caller has not taken
    std::optional<Generation> end;
  };
  const auto waiting = std::make_shared<Waiting>();
  const auto on_event = [waiting](EngineEvent&& event) {
    {
      std::lock_guard lock(waiting->mutex);
      waiting->tokens.insert(waiting->tokens.end(), event.tokens.begin(), event.tokens.end());
      if (event.end) waiting->end = std::move(event.end);
    }
    waiting->changed.notify_one();
  };
  std::optional<int64_t> number;
  while (!(number = submit(request, on_event))) {
    if (is_wanted && !is_wanted()) return {};
    std::this_thread::sleep_for(kAskAgain);
  }
  size_t seen = 0;
  bool wanted = true;
  std::unique_lock lock(waiting->mutex);
  while (wanted && !(waiting->end && waiting->tokens.empty())) {
    waiting->changed.wait_for(lock, kAskAgain, [&] { return waiting->end || !waiting->tokens.empty(); });
    std::deque<int32_t> fresh;
    fresh.swap(waiting->tokens);
    lock.unlock();
    if (fresh.empty() && is_wanted) wanted = is_wanted();
    for (; wanted && !fresh.empty(); fresh.pop_front()) {
      ++seen;
      wanted = !on_token || on_token(fresh.front());
    }
    lock.lock();
  }
  if (!waiting->end) {
    lock.unlock();
    cancel(*number);
    lock.lock();
    waiting->changed.wait(lock, [&] { return waiting->end.has_value(); });
  }
  Generation result = *std::move(waiting->end);
  if (result.tokens.size() > seen) {  // those that came after the caller had enough
    result.tokens.resize(seen);
    result.logprobs.resize(seen);
    result.ended = false;
  }
  return result;
}

}  // namespace loquat
