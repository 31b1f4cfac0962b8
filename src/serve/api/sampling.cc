#include "serve/api/sampling.h"

#include <fmt/core.h>

#include <algorithm>
#include <cfloat>
#include <charconv>
#include <climits>

namespace loquat::serve::api {
namespace {

constexpr size_t kMostStops = 4;
// Under it the likeliest token is as good as sure, and a float no longer holds logits divided by it.
constexpr double kLeastTemperature = 1e-4;

std::vector<std::pair<int32_t, float>> read_biases(const Fields& body) {
  std::vector<std::pair<int32_t, float>> biases;
  const auto given = body.object("logit_bias");
  if (!given) return biases;
  for (const auto& [name, value] : body.given("logit_bias")->items()) {
    int32_t token = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), token);
    if (error != std::errc() || end != name.data() + name.size() || token < 0) {
      wrong("logit_bias", fmt::format("'logit_bias' has the key '{}'; its keys must be token ids.", name),
            "invalid_value");
    }
    biases.emplace_back(token, static_cast<float>(given->number(name, 0, -100, 100)));
  }
  return biases;
}

}  // namespace

SamplingParams read_sampling(const Fields& body) {
  SamplingParams sampling;
  const double temperature = body.number("temperature", 1, 0, 2);
  sampling.temperature = temperature < kLeastTemperature ? 0.0f : static_cast<float>(temperature);
  // 0, and what a float cannot tell from it, leave the likeliest token alone.
  sampling.top_p = static_cast<float>(std::max<double>(body.number("top_p", 1, 0, 1), FLT_MIN));
  sampling.top_k = static_cast<int32_t>(body.integer("top_k", 0, 0, INT_MAX));
  sampling.min_p = static_cast<float>(body.number("min_p", 0, 0, 1));
  sampling.presence_penalty = static_cast<float>(body.number("presence_penalty", 0, -2, 2));
  sampling.frequency_penalty = static_cast<float>(body.number("frequency_penalty", 0, -2, 2));
  sampling.logit_bias = read_biases(body);
  return sampling;
}

void check_biases(const SamplingParams& sampling, const ServedModel& model) {
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (token >= model.vocab_size()) {
      wrong("logit_bias",
            fmt::format("'logit_bias' names token {}; the model has {} tokens.", token, model.vocab_size()),
            "invalid_value");
    }
  }
}

std::vector<std::string> read_stop(const Fields& body) {
  const Json* stop = body.given("stop");
  if (!stop) return {};
  if (stop->is_string()) {
    if (stop->get_ref<const std::string&>().empty()) return {};
    return {stop->get<std::string>()};
  }
  if (!stop->is_array()) wrong("stop", "'stop' must be a string or a list of strings.", "invalid_type");
  if (stop->size() > kMostStops) wrong("stop", "'stop' may have at most 4 sequences.", "array_above_max_length");
  std::vector<std::string> stops;
  for (const Json& item : *stop) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      wrong("stop", "'stop' must hold strings that are not empty.", "invalid_value");
    }
    stops.push_back(item.get<std::string>());
  }
  return stops;
}

std::optional<uint64_t> read_seed(const Fields& body) {
  if (!body.given("seed")) return std::nullopt;
  return static_cast<uint64_t>(body.integer("seed", 0, INT64_MIN, INT64_MAX));
}

StreamChoice read_stream(const Fields& body) {
  StreamChoice choice;
  choice.stream = body.flag("stream", false);
  if (const auto options = body.object("stream_options")) {
    if (!choice.stream) wrong("stream_options", "'stream_options' is for stream: true only.", "invalid_value");
    options->only({"include_usage", "include_obfuscation"});
    choice.include_usage = options->flag("include_usage", false);
  }
  return choice;
}

std::vector<int32_t> read_tokens(const Json& list, const std::string& path, const ServedModel& model) {
  std::vector<int32_t> tokens;
  tokens.reserve(list.size());
  for (const Json& item : list) {
    if (!item.is_number_integer()) wrong(path, fmt::format("'{}' must hold token ids.", path), "invalid_type");
    const bool too_big = item.is_number_unsigned() && item.get<uint64_t>() > INT_MAX;
    const int64_t token = too_big ? -1 : item.get<int64_t>();
    if (token < 0 || token >= model.vocab_size()) {
      wrong(path,
            fmt::format("'{}' holds {}; the model's tokens are 0 to {}.", path, item.dump(), model.vocab_size() - 1),
            "invalid_value");
    }
    tokens.push_back(static_cast<int32_t>(token));
  }
  return tokens;
}

std::shared_ptr<ServedModel> find_model(const Exchange& exchange, const std::string& id) {
  Backend& backend = *exchange.service().backend;
  if (backend.must_load(id)) exchange.may_wait();
  auto found = backend.model(id);
  if (auto* error = std::get_if<ApiError>(&found)) throw Wrong{std::move(*error)};
  return std::get<0>(std::move(found));
}

}  // namespace loquat::serve::api
