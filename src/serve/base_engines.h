// The engines of served models: one for each base's weights, for the base itself and all adapters over it. Their
// replies are written together and their keys and values lie in one cache.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/fair_mutex.h"
#include "infer/shared_engine.h"
#include "model/base_pool.h"

namespace loquat::serve {

// Of each engine.
struct BaseEngineOptions {
  DType compute = DType::kBF16;
  WeightType weights = WeightType::kCompute;
  int64_t parallel = 256;       // replies computed together
  int64_t waiting = 1024;       // further ones in line; more get status 429
  int64_t cache_bytes = 0;      // keys and values; 0: as many as `parallel` replies can need, at most a gigabyte
  int64_t prefill_rows = 32;    // prompt tokens of one step: a short prompt waits for no more than one step
  int64_t draft_tokens = 8;     // guessed ahead from the text itself; 0: none
  double deadline_seconds = 0;  // of a reply; 0: none
};

struct BaseEngine {
  BaseEngine(std::shared_ptr<const Model> base, const BaseEngineOptions& options);

  Model model;          // the base, without an adapter
  FairMutex mutex;      // of the model
  SharedEngine engine;  // last: its threads use the rest
};

// From any thread. The last holder of an engine must not be one of its own threads.
class BaseEngines {
 public:
  BaseEngines(const Kernels& kernels, const BaseEngineOptions& options);

  struct Opened {
    std::shared_ptr<BaseEngine> engine;
    std::shared_ptr<const Model> adapter;  // null: none
  };
  // A model's folder, or an adapter's. Its base is in memory, and its engine runs, as long as anyone holds an engine
  // over it.
  Result<Opened> open(const std::string& folder);
  // What open would refuse, found in configs and headers: no weight is read.
  Status check(const std::string& folder) const;

  struct Pages {
    int64_t all = 0, used = 0;
  };
  std::map<std::string, Pages> pages() const;  // by the names of the bases' folders

 private:
  const Kernels& kernels_;
  const BaseEngineOptions options_;
  BasePool bases_;
  mutable std::mutex mutex_;  // of engines_
  std::map<const Model*, std::weak_ptr<BaseEngine>> engines_;
};

}  // namespace loquat::serve
