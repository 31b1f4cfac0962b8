// An engine on a thread of its own, for any number of callers: each waits for its own tokens alone, and a slow one
// holds nobody up.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "infer/engine.h"

namespace loquat {

class SharedEngine {
 public:
  // `model_mutex` is held during each step: whoever else uses the model holds it too.
  SharedEngine(Model& model, const EngineOptions& options, std::mutex& model_mutex);
  ~SharedEngine();  // no call may be under way

  // on_token is called in this thread with every new token; returns false to stop. is_wanted (may be empty) is asked
  // now and then while there is none. The request must have room in the model's context.
  Generation generate(const GenerationRequest& request, const std::function<bool(int32_t token)>& on_token,
                      const std::function<bool()>& is_wanted = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace loquat
