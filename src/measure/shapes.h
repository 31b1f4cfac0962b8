// The sizes of models that benchmarks know by name.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/config.h"

namespace loquat::measure {

// 1.5m (the town's model), 14m, 26m, 134m, 0.5b, 1.1b, gpt2-124m.
std::vector<std::string> model_names();
// Another name is an error that lists these.
Result<ModelConfig> named_model(const std::string& name);

}  // namespace loquat::measure
