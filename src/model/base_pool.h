// Frozen weights that several models stand on: of each folder one copy in memory, as long as a model uses it. Policy,
// reference, reward model and critic of one base share it; so do adapters that are served together.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace loquat {

class BasePool {
 public:
  // weights: what projections are quantised to. trained: adapters over these bases get gradients; then the vocabulary's
  // matrix keeps the compute type. Safe to use from several threads.
  BasePool(const Kernels& kernels, DType compute, WeightType weights, bool trained)
      : kernels_(kernels), compute_(compute), weights_(weights), trained_(trained) {}
  // The frozen model of a plain model folder.
  Result<std::shared_ptr<const Model>> open(const std::string& folder);
  bool trained() const { return trained_; }

 private:
  const Kernels& kernels_;
  DType compute_;
  WeightType weights_;
  bool trained_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const Model>> bases_;  // by canonical path and its files' times
};

}  // namespace loquat
