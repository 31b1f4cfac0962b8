// The parameters of generation that the routes have in common.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "serve/api/exchange.h"
#include "serve/api/json.h"
#include "serve/backend.h"

namespace loquat::serve::api {

// temperature, top_p, top_k, min_p, presence_penalty, frequency_penalty, logit_bias. Not max_tokens.
SamplingParams read_sampling(const Fields& body);
// Every biased token is one of the model's.
void check_biases(const SamplingParams& sampling, const ServedModel& model);
std::vector<std::string> read_stop(const Fields& body);
std::optional<uint64_t> read_seed(const Fields& body);

struct StreamChoice {
  bool stream = false;
  bool include_usage = false;
};
StreamChoice read_stream(const Fields& body);

// List of token ids of the model. `path` names it.
std::vector<int32_t> read_tokens(const Json& list, const std::string& path, const ServedModel& model);

// Throws the backend's error where there is no such model.
std::shared_ptr<ServedModel> find_model(const Exchange& exchange, const std::string& id);

}  // namespace loquat::serve::api
