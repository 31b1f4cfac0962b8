// llama2.c's .bin in its legacy form: seven int32, then float32 tensors in a fixed order, each kind's layers together.
// Its rotary positions turn neighbouring values, as llama.cpp's do.
#include <array>
#include <cstring>
#include <map>
#include <memory>

#include "formats/gguf_names.h"
#include "formats/source.h"
#include "store/files.h"

namespace loquat {
namespace {

constexpr uint64_t kHeaderBytes = 7 * 4;

Result<ModelConfig> read_config(const std::string& path, std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes) return Err("{}: {} bytes: too short for llama2.c's header", path, bytes.size());
  std::array<int32_t, 7> header;
  std::memcpy(header.data(), bytes.data(), kHeaderBytes);
  constexpr const char* kNames[] = {"dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"};
  for (size_t i = 0; i < header.size(); ++i)
    if (i == 5 ? header[i] == 0 || header[i] == INT32_MIN : header[i] < 1)
      return Err("{}: {}: found {}, expected a positive number", path, kNames[i], header[i]);
  ModelConfig config;
  config.hidden_size = header[0];
  config.intermediate_size = header[1];
  config.num_layers = header[2];
  config.num_heads = header[3];
  config.num_kv_heads = header[4];
  config.tie_embeddings = header[5] > 0;
  config.vocab_size = header[5] > 0 ? header[5] : -header[5];
  config.max_positions = header[6];
  if (header[0] % header[3] != 0)
    return Err("{}: dim: found {}, expected a multiple of n_heads ({})", path, header[0], header[3]);
  config.head_dim = config.hidden_size / config.num_heads;
  config.bos_token = config.vocab_size > 1 ? 1 : -1;  // as SentencePiece has them for Llama
  config.eos_token = config.vocab_size > 2 ? 2 : -1;
  if (Status valid = config.validate(); !valid) return Err("{}: {}", path, valid.error());
  return config;
}

// The kinds of tensors in the file's order: those of each layer, and where it is not a layer's, the whole.
struct Kind {
  const char* name;  // behind model.layers.N. where it is a layer's
  bool of_layer;
};
constexpr Kind kKinds[] = {
    {"model.embed_tokens.weight", false},
    {"input_layernorm.weight", true},
    {"self_attn.q_proj.weight", true},
    {"self_attn.k_proj.weight", true},
    {"self_attn.v_proj.weight", true},
    {"self_attn.o_proj.weight", true},
    {"post_attention_layernorm.weight", true},
    {"mlp.gate_proj.weight", true},
    {"mlp.down_proj.weight", true},
    {"mlp.up_proj.weight", true},
    {"model.norm.weight", false},
    {"", false},  // tables of cosines and sines, not needed
    {"lm_head.weight", false},
};

// Behind the header. Before there is a list of parameters: it takes memory for every layer that the header speaks of.
uint64_t count_floats(const ModelConfig& c) {
  const int64_t layer = c.hidden_size * (2 + c.qkv_dim() + c.num_heads * c.head_dim + 3 * c.intermediate_size);
  const int64_t matrices = (c.tie_embeddings ? 1 : 2) * c.vocab_size * c.hidden_size;
  return static_cast<uint64_t>(matrices + c.num_layers * layer + c.hidden_size + c.max_positions * c.head_dim);
}

struct Layout {
  std::map<std::string, uint64_t> offsets;  // in floats from the header's end
  uint64_t floats = 0;
};

// All sizes are below 2^31 and their sum below 2^40 (ModelConfig::validate): no product overflows.
Layout lay_out(const ModelConfig& config, const std::vector<ParamSpec>& params) {
  std::map<std::string, int64_t> sizes;
  for (const ParamSpec& spec : params) sizes[spec.name] = spec.size();
  Layout layout;
  const auto place = [&](const std::string& name) {
    const auto size = sizes.find(name);
    if (size == sizes.end()) return;  // no head of its own
    layout.offsets[name] = layout.floats;
    layout.floats += static_cast<uint64_t>(size->second);
  };
  for (const Kind& kind : kKinds) {
    if (kind.name[0] == '\0') layout.floats += static_cast<uint64_t>(config.max_positions * config.head_dim);
    if (!kind.of_layer) place(kind.name);
    for (int64_t i = 0; kind.of_layer && i < config.num_layers; ++i)
      place(fmt::format("model.layers.{}.{}", i, kind.name));
  }
  return layout;
}

}  // namespace

Result<ModelSource> open_llama2c_source(const std::string& path) {
  TRY(MappedFile opened, MappedFile::open(path));
  const auto file = std::make_shared<MappedFile>(std::move(opened));
  ModelSource source;
  source.format = SourceFormat::kLlama2c;
  source.path = path;
  source.files = {path};
  source.dtype = "F32";
  TRY(source.config, read_config(path, file->bytes()));
  const uint64_t data_size = file->bytes().size() - kHeaderBytes;
  if (const uint64_t expected = 4 * count_floats(source.config); data_size != expected)
    return Err("{}: {} bytes behind the header, whose sizes ask for {}", path, data_size, expected);
  source.params = param_specs(source.config);
  const Layout layout = lay_out(source.config, source.params);
  for (const ParamSpec& spec : source.params) source.tensors.push_back({spec.name, "F32", spec.shape});
  source.read = [file, layout, config = source.config, params = source.params](size_t i, std::span<float> out) {
    const ParamSpec& spec = params[i];
    const uint8_t* at = file->bytes().data() + kHeaderBytes + 4 * layout.offsets.at(spec.name);
    const int64_t heads = gguf_interleaved_heads(config, spec);
    std::vector<float> values(heads > 0 ? out.size() : 0);
    std::memcpy(heads > 0 ? values.data() : out.data(), at, out.size_bytes());
    if (heads > 0) deinterleave_heads(values, heads, spec.size() / spec.shape[0], out);
  };
  return source;
}

}  // namespace loquat
