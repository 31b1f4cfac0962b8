// Many requests at once, by an engine of their own.
#include "infer/generate.h"

#include <algorithm>

#include "base/check.h"
#include "infer/engine.h"

namespace loquat {

uint64_t choice_seed(uint64_t seed, uint64_t index) {
  return mix64(seed ^ mix64(index + 1));
}

std::vector<Generation> generate(Model& model, std::span<const GenerationRequest> requests,
                                 const GenerateOptions& options) {
  CHECK(options.batch >= 1 && options.prefill_rows >= 1, "batch {}, prefill_rows {}", options.batch,
        options.prefill_rows);
  const int64_t context = model.config().max_positions;
  std::vector<Generation> results(requests.size());
  int64_t usable = 0, longest = 1;
  for (const GenerationRequest& r : requests) {
    if (!has_room(r, context)) continue;
    ++usable;
    longest = std::max(longest, static_cast<int64_t>(r.prompt.size()) + r.sampling.max_tokens);
  }
  if (usable == 0) return results;
  Engine engine(model, {.slots = std::min(options.batch, usable),
                        .length = std::min(longest, context),
                        .prefill_rows = options.prefill_rows});
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!has_room(requests[i], context)) continue;
    EngineListener listener;
    if (options.on_token)
      listener.on_token = [&, i](int32_t token, const TokenLogprob*) { return options.on_token(i, token); };
    listener.on_end = [&, i](Generation&& g) { results[i] = std::move(g); };
    engine.submit(requests[i], std::move(listener));
  }
  while (engine.step()) {
  }
  return results;
}

}  // namespace loquat
