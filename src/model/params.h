// The list of parameters: names, shapes and order, from the config alone. Everything that walks the parameters (the
// flat buffers, model.safetensors, for_each_param) follows this one list. q, k, v of a layer are neighbours, and gate
// and up are, so that each group is one matrix in the flat buffer and one product in the forward; so are their biases.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "model/config.h"

namespace loquat {

constexpr const char* kHeadName = "lm_head.weight";  // where it is not the embedding

enum class ParamInit {
  kNormal,
  kResidual,
  kOnes,
  kScore,
  kLoraA,      // uniform within 1 / sqrt(columns): PEFT's kaiming_uniform(a = sqrt(5))
  kZeros,      // biases, and an adapter's B
  kMagnitude,  // the norms of the rows that it is for
};

struct ParamSpec {
  std::string name;  // Hugging Face's for Llama and its kin; what a file calls them: architectures.h
  std::vector<int64_t> shape;
  bool is_matrix = false;
  ParamInit init = ParamInit::kNormal;
  int64_t size() const;
};

bool is_projection(const ParamSpec& spec);  // a matrix that products read: also lm_head, not the embedding
std::vector<ParamSpec> param_specs(const ModelConfig& config);
// Each parameter has a stream of its own by its name. kMagnitude: ones; the norms are the adapter's to know.
std::vector<float> initial_values(const ModelConfig& config, const ParamSpec& spec, Rng rng);
std::string shape_text(const std::vector<int64_t>& shape);  // "[2048, 256]"

}  // namespace loquat
