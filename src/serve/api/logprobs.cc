#include "serve/api/logprobs.h"

#include <fmt/core.h>

#include <cmath>

namespace loquat::serve::api {
namespace {

// JSON has no infinity; this is what OpenAI sends for a token that cannot come.
constexpr double kImpossible = -9999;

double finite(float logprob) {
  return std::isfinite(logprob) ? static_cast<double>(logprob) : kImpossible;
}

Json token_json(int32_t token, float logprob, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.token_bytes(token);
  Json json = {{"token", std::string(bytes)}, {"logprob", finite(logprob)}};
  json["bytes"] = Json::array();
  for (const char c : bytes) json["bytes"].push_back(static_cast<unsigned char>(c));
  return json;
}

// Whether the bytes begin and end with whole characters; what a tokenizer makes of valid text needs no more.
bool whole_characters(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const auto lead = static_cast<unsigned char>(bytes[at]);
    const size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
    if (length == 0 || at + length > bytes.size()) return false;
    for (size_t i = 1; i < length; ++i) {
      if ((static_cast<unsigned char>(bytes[at + i]) & 0xc0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

std::string shown(int32_t token, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.token_bytes(token);
  if (whole_characters(bytes)) return std::string(bytes);
  std::string text = "bytes:";
  for (const char c : bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return text;
}

}  // namespace

size_t characters(std::string_view utf8) {
  size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

Json chat_logprobs(const std::vector<TokenLogprob>& tokens, const Tokenizer& tokenizer) {
  Json list = Json::array();
  for (const TokenLogprob& token : tokens) {
    Json item = token_json(token.token, token.logprob, tokenizer);
    item["top_logprobs"] = Json::array();
    for (const auto& [id, logprob] : token.top) item["top_logprobs"].push_back(token_json(id, logprob, tokenizer));
    list.push_back(std::move(item));
  }
  return list;
}

Json TokenColumns::columns(const std::vector<TokenLogprob>& tokens, const Tokenizer& tokenizer) {
  Json offsets = Json::array(), logprobs = Json::array(), names = Json::array(), tops = Json::array();
  for (const TokenLogprob& token : tokens) {
    offsets.push_back(offset_);
    names.push_back(shown(token.token, tokenizer));
    // A character counts where it begins: with its first byte.
    offset_ += characters(tokenizer.token_bytes(token.token));
    if (std::isnan(token.logprob)) {
      logprobs.push_back(nullptr);
      tops.push_back(nullptr);
      continue;
    }
    logprobs.push_back(finite(token.logprob));
    Json top = Json::object();
    top[shown(token.token, tokenizer)] = finite(token.logprob);
    for (const auto& [id, logprob] : token.top) top.emplace(shown(id, tokenizer), finite(logprob));
    tops.push_back(std::move(top));
  }
  Json columns;
  columns["text_offset"] = std::move(offsets);
  columns["token_logprobs"] = std::move(logprobs);
  columns["tokens"] = std::move(names);
  columns["top_logprobs"] = std::move(tops);
  return columns;
}

Json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}}};
}

}  // namespace loquat::serve::api
