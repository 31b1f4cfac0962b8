// Any bytes as a JSON schema: refused with a message, or a random walk of allowed tokens with a small budget ends in
// time, in JSON. The first byte seeds the walk and says how much more than the shortest text it may take.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "infer/grammar/grammar.h"

namespace {

using namespace loquat;  // NOLINT

constexpr int64_t kLongest = 2000;  // tokens of a walk

const Tokenizer& tokenizer() {
  static const Tokenizer made = [] {
    const std::vector<std::string> texts(
        3, "{\"name\": \"x\", \"name\": [1, 2], \"a\": null}, {\"a\": \"\\u00e9\"}}\n  12 12 true, true, 東京 東京");
    auto t = Tokenizer::train(texts, {.vocab_size = 320, .special_tokens = loquat_special_tokens()});
    CHECK(t.ok(), "{}", t.error());
    return *t;
  }();
  return made;
}

std::string walk(const std::shared_ptr<const Grammar>& grammar, int64_t spare, Rng& rng) {
  static const auto tree = make_token_tree(tokenizer(), tokenizer().vocab_size());
  Matcher matcher(grammar, tree);
  int64_t left = matcher.tokens_to_end() + spare;
  if (left > kLongest) return {};
  std::vector<uint64_t> mask(static_cast<size_t>(tokenizer().vocab_size() + 63) / 64);
  std::string text;
  for (;; --left) {
    if (matcher.can_end() && (left == 0 || rng.chance(0.2))) return text;
    CHECK(left > 0, "no tokens left after {}", text);
    matcher.allowed(left, mask);
    std::vector<int32_t> tokens;
    for (int32_t t = 0; t < tokenizer().vocab_size(); ++t) {
      if (mask[t / 64] >> (t % 64) & 1) tokens.push_back(t);
    }
    if (tokens.empty() && matcher.can_end()) return text;
    CHECK(!tokens.empty(), "no token allowed after {}", text);
    const int32_t token = rng.pick(tokens);
    CHECK(matcher.accept(token));
    CHECK(matcher.tokens_to_end() <= left - 1, "{} tokens to the end, {} left", matcher.tokens_to_end(), left - 1);
    text += tokenizer().token_bytes(token);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view schema(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto grammar = Grammar::json_schema(schema);
  if (!grammar.ok()) {
    CHECK(!grammar.error().empty());
    return 0;
  }
  Rng rng(data[0]);
  for (int i = 0; i < 3; ++i) {
    const std::string text = walk(*grammar, i == 0 ? 0 : data[0] % 64, rng);
    CHECK(text.empty() || nlohmann::json::accept(text), "{}", text);
  }
  return 0;
}
