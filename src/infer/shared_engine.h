// An engine on a thread of its own, for any number of callers; what it makes is handed out by another thread, so that
// neither computing nor handing out waits for the other.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/fair_mutex.h"
#include "infer/engine.h"

namespace loquat {

// What became of one request since the last event. The last one has `end`.
struct EngineEvent {
  std::vector<TokenLogprob> prompt;    // with prompt_logprobs
  std::vector<int32_t> tokens;         // new ones of the reply
  std::vector<TokenLogprob> logprobs;  // theirs, where the request asked for them
  std::optional<Generation> end;
  bool late = false;  // with end: the deadline came
};

struct SharedEngineOptions {
  EngineOptions engine;
  int64_t waiting = 1024;                          // requests that may stand in line
  std::chrono::milliseconds deadline{INT64_C(0)};  // of a request, from its submission; 0: none
};

class SharedEngine {
 public:
  // `model_mutex` is held during each step: whoever else uses the model holds it too.
  SharedEngine(Model& model, const SharedEngineOptions& options, FairMutex& model_mutex);
  ~SharedEngine();  // ends what is under way; no other call may be

  // Events come on the engine's second thread, in order, until one has `end`; on_event must not wait. The request must
  // have room. Returns its number; nothing where the line is full.
  std::optional<int64_t> submit(GenerationRequest request, std::function<void(EngineEvent&&)> on_event);
  // Ends a request between two steps; its last event still comes.
  void cancel(int64_t number);
  // Waits for the whole of it, as long as it takes to get into the line. on_token is called in this thread with every
  // new token; returns false to stop. is_wanted (may be empty) is asked now and then while there is none.
  Generation generate(const GenerationRequest& request, const std::function<bool(int32_t token)>& on_token,
                      const std::function<bool()>& is_wanted = {});
  EngineCounts counts() const;
  EngineCounts counts(const std::shared_ptr<const Model>& adapter) const;  // as CountsByAdapter

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace loquat
