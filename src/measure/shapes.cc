// Named sizes. Where a published model stands behind a name, its sizes are taken and our architecture: RMSNorm, rotary
// positions, SwiGLU.
#include "measure/shapes.h"

#include <fmt/ranges.h>

namespace loquat::measure {
namespace {

struct Shape {
  const char* name;
  int64_t layers, hidden, heads, kv_heads, head_dim, intermediate, vocab, context;
  bool tied;
};

constexpr Shape kShapes[] = {
    {"1.5m", 6, 128, 4, 4, 32, 320, 3072, 256, true},   // recipes/town.toml, but for its norms of queries and keys
    {"14m", 6, 384, 6, 6, 64, 1024, 8192, 512, true},   // a GPT-2 of 6 layers, for comparison with other programs
    {"26m", 8, 512, 8, 4, 64, 1280, 8192, 1024, true},  // between the two
    {"gpt2-124m", 12, 768, 12, 12, 64, 2048, 50257, 1024, true},  // GPT-2's smallest
    {"134m", 30, 576, 9, 3, 64, 1536, 49152, 2048, true},         // SmolLM2-135M
    {"0.5b", 24, 896, 14, 2, 64, 4864, 151936, 2048, true},       // Qwen2.5-0.5B
    {"1.1b", 22, 2048, 32, 4, 64, 5632, 32000, 2048, false},      // TinyLlama
};

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

Result<ModelConfig> named_model(const std::string& name) {
  for (const Shape& shape : kShapes) {
    if (name != shape.name) continue;
    ModelConfig config;
    config.num_layers = shape.layers;
    config.hidden_size = shape.hidden;
    config.num_heads = shape.heads;
    config.num_kv_heads = shape.kv_heads;
    config.head_dim = shape.head_dim;
    config.intermediate_size = shape.intermediate;
    config.vocab_size = shape.vocab;
    config.max_positions = shape.context;
    config.tie_embeddings = shape.tied;
    return config;
  }
  return Err("--params is \"{}\"; expected one of {}", name, fmt::join(model_names(), ", "));
}

}  // namespace loquat::measure
