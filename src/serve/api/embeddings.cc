#include "serve/api/embeddings.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "serve/api/generation.h"
#include "serve/api/inputs.h"
#include "serve/api/sampling.h"

namespace loquat::serve::api {
namespace {

static_assert(std::endian::native == std::endian::little, "base64 embeddings are little-endian");

constexpr size_t kMostInputs = 2048;
constexpr int64_t kMostTokens = 300'000;  // of all inputs together

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
    }
  }
  return out;
}

// The first `dimensions`, of unit length again.
void shorten(std::vector<float>& vector, size_t dimensions) {
  if (dimensions == vector.size()) return;
  vector.resize(dimensions);
  double squares = 0;
  for (const float x : vector) squares += static_cast<double>(x) * x;
  const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
  for (float& x : vector) x *= scale;
}

Json vector_json(const std::vector<float>& vector, bool as_base64) {
  if (!as_base64) return vector;
  return base64({reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)});
}

bool read_encoding(const Fields& body) {
  const std::string encoding = body.text("encoding_format").value_or("float");
  if (encoding != "float" && encoding != "base64") {
    wrong("encoding_format", fmt::format("'encoding_format' is '{}'; it must be float or base64.", encoding),
          "invalid_value");
  }
  return encoding == "base64";
}

}  // namespace

void embeddings(std::shared_ptr<Exchange> exchange) {
  const Json json = parse_object(exchange->body());
  const Fields body(json);
  body.only({"model", "input", "encoding_format", "dimensions", "user"});
  const std::string id = body.required_text("model");
  const bool as_base64 = read_encoding(body);
  body.integer("dimensions", 1, 1, INT64_MAX);
  body.text("user");
  const auto model = find_model(*exchange, id);
  exchange->set_model(model->id());
  const int64_t full = model->embedding_dimensions();
  if (full == 0) {
    wrong("model", fmt::format("The model '{}' gives no embeddings: it only talks.", model->id()), "unsupported_value");
  }
  const auto dimensions = static_cast<size_t>(body.integer("dimensions", full, 1, full));
  std::vector<std::vector<int32_t>> inputs;
  Usage usage;
  for (Input& input : read_inputs(body, "input", *model, kMostInputs)) {
    if (static_cast<int64_t>(input.tokens.size()) > model->context()) {
      wrong("input",
            fmt::format("This model's context is {} tokens; an input has {}.", model->context(), input.tokens.size()),
            "context_length_exceeded");
    }
    usage.prompt_tokens += static_cast<int64_t>(input.tokens.size());
    inputs.push_back(std::move(input.tokens));
  }
  if (usage.prompt_tokens > kMostTokens) {
    wrong("input", fmt::format("The inputs have {} tokens; one request may have {}.", usage.prompt_tokens, kMostTokens),
          "invalid_value");
  }
  Reservation reservation(exchange->service().meter, exchange->caller(), usage.prompt_tokens);
  auto vectors = model->embed(inputs);
  reservation.settle(usage);
  exchange->set_usage(usage);
  Json data = Json::array();
  for (size_t i = 0; i < vectors.size(); ++i) {
    shorten(vectors[i], dimensions);
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", vector_json(vectors[i], as_base64)}});
  }
  Json answer = {{"object", "list"}};
  answer["data"] = std::move(data);
  answer["model"] = model->id();
  answer["usage"] = {{"prompt_tokens", usage.prompt_tokens}, {"total_tokens", usage.prompt_tokens}};
  exchange->send(200, dump(answer));
}

}  // namespace loquat::serve::api
