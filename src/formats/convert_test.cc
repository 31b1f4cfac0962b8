#include "formats/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/half.h"
#include "base/rng.h"
#include "formats/gguf_names.h"
#include "formats/inspect.h"
#include "formats/llama2c_reference_for_test.h"
#include "kernels/test_support.h"
#include "model/architectures.h"
#include "model/model.h"
#include "store/test_folder.h"
#include "tokenizer/tokenizer.h"

namespace loquat {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kStories = std::string(LOQUAT_SOURCE_DIR) + "/../shared/data/models/stories260k/";

std::string error_of(const std::string& from, const std::string& to, const std::string& dtype = "") {
  const auto report = convert_model(from, to, {.dtype = dtype});
  return report ? "converted" : report.error();
}

// ---- stories260k: token for token as an independent implementation.

// The model's greedy choice behind each prefix of `tokens`: where all are the next token, it continues so by itself.
std::vector<int> greedy_choices(const std::string& folder, const std::vector<int>& tokens) {
  const auto model = load_model(folder, *all_kernels().front(), {.compute = DType::kF32});
  EXPECT_TRUE(model.ok()) << model.error();
  if (!model.ok()) return {};
  const auto V = static_cast<size_t>((*model)->config().vocab_size);
  Batch batch;
  batch.add(std::vector<int32_t>(tokens.begin(), tokens.end() - 1));
  std::vector<int64_t> rows(tokens.size() - 1);
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> logits(rows.size() * V);
  (*model)->logits((*model)->forward(batch), rows, logits.data());
  std::vector<int> choices;
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto begin = logits.begin() + static_cast<int64_t>(r * V);
    choices.push_back(static_cast<int>(std::max_element(begin, begin + static_cast<int64_t>(V)) - begin));
  }
  return choices;
}

void expect_continuation(const std::string& folder, const std::vector<int>& tokens, size_t prompt) {
  const std::vector<int> choices = greedy_choices(folder, tokens);
  ASSERT_EQ(choices.size() + 1, tokens.size());
  for (size_t i = prompt; i < tokens.size(); ++i) ASSERT_EQ(choices[i - 1], tokens[i]) << folder << ", token " << i;
}

TEST(Stories260k, ContinuesAsAnIndependentImplementationDoes) {
  if (!file_exists(kStories + "stories260K.bin")) GTEST_SKIP() << "no " << kStories;
  constexpr size_t kTokens = 200;
  const std::string bin = kStories + "stories260K.bin", bytes = bytes_of_file(bin);
  Llama2cReference reference(bytes);
  const std::vector<int> prompt =
      llama2c_encode(bytes_of_file(kStories + "tok512.bin"), static_cast<int>(reference.vocab), "Once upon a time");
  ASSERT_GE(prompt.size(), 4u);
  const std::vector<int> expected = reference.generate(prompt, kTokens);

  TestFolder folder;
  const ConvertOptions f32 = {.dtype = "f32", .tokenizer = kStories + "tok512.bin"};
  const auto convert = [&](const std::string& from, const std::string& to, const ConvertOptions& options) {
    const auto report = convert_model(from, to, options);
    ASSERT_TRUE(report.ok()) << report.error();
    EXPECT_EQ(report->parameters, 260032);
  };
  convert(bin, folder / "from_bin", f32);
  expect_continuation(folder / "from_bin", expected, prompt.size());

  convert(folder / "from_bin", folder / "again", {.max_shard_bytes = 200'000});
  EXPECT_TRUE(file_exists(folder / "again/model.safetensors.index.json"));
  expect_continuation(folder / "again", expected, prompt.size());

  convert(folder / "from_bin", folder / "f32.gguf", {});
  convert(folder / "f32.gguf", folder / "from_f32", {});
  EXPECT_EQ(*read_file(folder / "from_f32/model.safetensors"), *read_file(folder / "from_bin/model.safetensors"));
  expect_continuation(folder / "from_f32", expected, prompt.size());

  convert(bin, folder / "f16.gguf", {.dtype = "f16", .tokenizer = kStories + "tok512.bin"});
  convert(folder / "f16.gguf", folder / "from_f16", {.dtype = "f32"});
  Llama2cReference rounded(bytes, [](float x) { return f16_to_float(float_to_f16(x)); });
  expect_continuation(folder / "from_f16", rounded.generate(prompt, kTokens), prompt.size());
}

TEST(Stories260k, TheTokenizerComesAlong) {
  if (!file_exists(kStories + "stories260K.bin")) GTEST_SKIP() << "no " << kStories;
  TestFolder folder;
  const std::string tok = kStories + "tok512.bin";
  ASSERT_TRUE(convert_model(kStories + "stories260K.bin", folder / "hf", {.tokenizer = tok}).ok());
  ASSERT_TRUE(convert_model(folder / "hf", folder / "m.gguf", {}).ok());
  ASSERT_TRUE(convert_model(folder / "m.gguf", folder / "back", {}).ok());
  ASSERT_TRUE(convert_model(folder / "m.gguf", folder / "q.gguf", {.dtype = "q8_0"}).ok());
  ASSERT_TRUE(convert_model(folder / "q.gguf", folder / "from_q", {}).ok());
  const std::vector<int> expected = llama2c_encode(bytes_of_file(tok), 512, "Once upon a time, there was a dog");
  for (const char* name : {"hf", "back", "from_q"}) {
    const auto tokenizer = Tokenizer::load(folder / name);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error();
    const auto ids = tokenizer->encode_with_special("Once upon a time, there was a dog");
    EXPECT_EQ(std::vector<int>(ids.begin(), ids.end()), expected) << name;
  }
}

// ---- Every architecture: the same bytes after a way through GGUF.

struct Sample {
  const char* name;
  json config;
};

std::vector<Sample> samples() {
  const json base = {{"vocab_size", 40},
                     {"hidden_size", 64},
                     {"intermediate_size", 96},
                     {"num_hidden_layers", 2},
                     {"num_attention_heads", 4},
                     {"num_key_value_heads", 2},
                     {"max_position_embeddings", 64},
                     {"rms_norm_eps", 1e-5},
                     {"rope_theta", 10000.0},
                     {"tie_word_embeddings", true},
                     {"bos_token_id", 1},
                     {"eos_token_id", 2}};
  const auto with = [&](const json& changes) {
    json config = base;
    config.update(changes);
    return config;
  };
  const json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 512}};
  const json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
  std::vector<float> factors(8);
  for (size_t i = 0; i < factors.size(); ++i) factors[i] = 1.0f + 0.25f * static_cast<float>(i);
  const json longrope = {{"type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}};
  return {
      {"llama", with({{"model_type", "llama"}, {"tie_word_embeddings", false}})},
      {"llama3", with({{"model_type", "llama"}, {"rope_scaling", llama3}, {"rope_theta", 500000.0}})},
      {"llama_linear", with({{"model_type", "llama"}, {"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}})},
      {"llama_bias", with({{"model_type", "llama"}, {"attention_bias", true}, {"mlp_bias", true}, {"head_dim", 32}})},
      {"mistral", with({{"model_type", "mistral"}, {"sliding_window", 16}})},
      {"qwen2", with({{"model_type", "qwen2"}, {"rope_scaling", yarn}})},
      {"qwen3", with({{"model_type", "qwen3"}, {"head_dim", 32}})},
      {"smollm3", with({{"model_type", "smollm3"}, {"num_hidden_layers", 5}})},
      {"gemma2", with({{"model_type", "gemma2"},
                       {"head_dim", 32},
                       {"query_pre_attn_scalar", 32},
                       {"num_hidden_layers", 4},
                       {"sliding_window", 16}})},
      {"gemma3", with({{"model_type", "gemma3_text"},
                       {"head_dim", 32},
                       {"query_pre_attn_scalar", 32},
                       {"num_hidden_layers", 7},
                       {"sliding_window", 16},
                       {"rope_theta", 1e6}})},
      {"phi3", with({{"model_type", "phi3"}, {"tie_word_embeddings", false}})},
      {"phi3_long", with({{"model_type", "phi3"},
                          {"rope_scaling", longrope},
                          {"sliding_window", 32},
                          {"original_max_position_embeddings", 16}})},
      {"gpt2",
       {{"model_type", "gpt2"},
        {"vocab_size", 40},
        {"n_embd", 64},
        {"n_layer", 2},
        {"n_head", 4},
        {"n_positions", 64},
        {"n_inner", 96},
        {"layer_norm_epsilon", 1e-5}}},
  };
}

// A folder of random weights for this config.json.
ModelConfig make_folder(const std::string& folder, const json& text, const std::string& dtype = "F32") {
  EXPECT_TRUE(make_folders(folder).ok());
  const auto config = ModelConfig::from_json(text.dump(), "config.json");
  EXPECT_TRUE(config.ok()) << config.error();
  EXPECT_TRUE(write_file(folder + "/config.json", config->to_json()).ok());
  std::vector<TensorInfo> infos;
  for (const FileTensor& t : file_tensors(*config)) infos.push_back({t.name, dtype, t.shape});
  Rng rng(11);
  std::vector<uint8_t> bytes;
  const auto make = [&](size_t i) -> Result<std::span<const uint8_t>> {
    int64_t n = 1;
    for (const int64_t d : infos[i].shape) n *= d;
    std::vector<float> values(static_cast<size_t>(n));
    // In units of 1/64 up to 2: adding one to a norm and taking it off again loses nothing, in any type.
    for (float& x : values) x = static_cast<float>(static_cast<int>(rng.below(256)) - 128) / 64.0f;
    const GgufTypeInfo& info = *find_gguf_type(dtype);
    bytes.resize(values.size() * static_cast<size_t>(info.block_bytes));
    gguf_quantize(info.type, values, bytes);
    return std::span<const uint8_t>(bytes);
  };
  EXPECT_TRUE(write_safetensors_folder(folder, infos, {{"format", "pt"}}, make).ok());
  return *config;
}

TEST(Convert, EveryArchitectureComesBackFromGgufWithTheSameBytes) {
  for (const Sample& sample : samples()) {
    for (const char* dtype : {"F32", "BF16", "F16"}) {
      TestFolder folder;
      const ModelConfig config = make_folder(folder / "hf", sample.config, dtype);
      const auto out = convert_model(folder / "hf", folder / "m.gguf", {});
      ASSERT_TRUE(out.ok()) << sample.name << ": " << out.error();
      EXPECT_EQ(out->dtype, dtype);
      const auto back = convert_model(folder / "m.gguf", folder / "back", {});
      ASSERT_TRUE(back.ok()) << sample.name << ": " << back.error();
      EXPECT_EQ(*read_file(folder / "back/model.safetensors"), *read_file(folder / "hf/model.safetensors"))
          << sample.name << " " << dtype;
      const auto read = read_model_config(folder / "back");
      ASSERT_TRUE(read.ok()) << read.error();
      EXPECT_EQ(read->to_json(), config.to_json()) << sample.name;
    }
  }
}

TEST(Convert, NamesAndLayoutAreLlamaCppsOwn) {
  TestFolder folder;
  const auto open = [&](const char* name) {
    for (const Sample& sample : samples()) {
      if (sample.name != std::string_view(name)) continue;
      make_folder(folder / name, sample.config);
      EXPECT_EQ(error_of(folder / name, folder / name + ".gguf"), "converted");
    }
    auto file = GgufFile::open(folder / name + ".gguf");
    EXPECT_TRUE(file.ok());
    return *std::move(file);
  };
  const auto values = [](const GgufTensor& t) {
    std::vector<float> out(static_cast<size_t>(t.size()));
    t.read(out);
    return out;
  };
  const auto ours = [&](const char* name, const char* tensor) {
    const auto file = SafetensorsFile::open(folder / name + "/model.safetensors");
    const TensorEntry& t = *file->find(tensor);
    std::vector<float> out(t.bytes.size() / 4);
    std::memcpy(out.data(), t.bytes.data(), t.bytes.size());
    return out;
  };

  const GgufFile llama = open("llama");
  EXPECT_EQ(*llama.text("general.architecture"), "llama");
  EXPECT_EQ(*llama.integer("llama.attention.head_count_kv"), 2);
  EXPECT_EQ(*llama.integer("llama.rope.dimension_count"), 16);
  const auto q = values(*llama.find_tensor("blk.1.attn_q.weight")),
             hf_q = ours("llama", "model.layers.1.self_attn.q_proj.weight");
  for (int64_t h = 0; h < 4; ++h)  // row 2i of a head is its i-th, row 2i + 1 the one half a head further
    for (int64_t i = 0; i < 8; ++i)
      for (int64_t c = 0; c < 64; ++c) {
        ASSERT_EQ(q[(h * 16 + 2 * i) * 64 + c], hf_q[(h * 16 + i) * 64 + c]);
        ASSERT_EQ(q[(h * 16 + 2 * i + 1) * 64 + c], hf_q[(h * 16 + 8 + i) * 64 + c]);
      }
  EXPECT_EQ(values(*llama.find_tensor("blk.0.attn_v.weight")), ours("llama", "model.layers.0.self_attn.v_proj.weight"));

  const GgufFile qwen = open("qwen2");  // not interleaved
  EXPECT_EQ(values(*qwen.find_tensor("blk.0.attn_q.weight")), ours("qwen2", "model.layers.0.self_attn.q_proj.weight"));
  EXPECT_EQ(values(*qwen.find_tensor("blk.0.attn_k.bias")), ours("qwen2", "model.layers.0.self_attn.k_proj.bias"));
  EXPECT_EQ(*qwen.text("qwen2.rope.scaling.type"), "yarn");

  const GgufFile gemma = open("gemma3");
  auto norm = ours("gemma3", "model.layers.2.post_attention_layernorm.weight");
  for (float& x : norm) x += 1.0f;
  EXPECT_EQ(values(*gemma.find_tensor("blk.2.post_attention_norm.weight")), norm);
  for (const char* name : {"blk.2.ffn_norm.weight", "blk.2.post_ffw_norm.weight", "blk.2.attn_q_norm.weight"})
    EXPECT_NE(gemma.find_tensor(name), nullptr) << name;

  const GgufFile gpt2 = open("gpt2");  // stored [in, out] there, [out, in] here
  const auto c_attn = ours("gpt2", "transformer.h.0.attn.c_attn.weight"),
             qkv = values(*gpt2.find_tensor("blk.0.attn_qkv.weight"));
  for (int64_t r = 0; r < 192; ++r)
    for (int64_t c = 0; c < 64; ++c) ASSERT_EQ(qkv[r * 64 + c], c_attn[c * 192 + r]);

  const GgufFile phi = open("phi3");
  EXPECT_EQ(values(*phi.find_tensor("blk.1.ffn_up.weight")), ours("phi3", "model.layers.1.mlp.gate_up_proj.weight"));
  EXPECT_NE(open("llama3").find_tensor("rope_freqs.weight"), nullptr);
}

TEST(Convert, QuantisedGguf) {
  TestFolder folder;
  const ModelConfig config = make_folder(folder / "hf", samples()[0].config);
  ASSERT_EQ(error_of(folder / "hf", folder / "q4.gguf", "q4_0"), "converted");
  const auto file = GgufFile::open(folder / "q4.gguf");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->find_tensor("blk.0.ffn_up.weight")->type, GgufType::kQ4_0);
  EXPECT_EQ(file->find_tensor("token_embd.weight")->type, GgufType::kQ8_0);
  EXPECT_EQ(file->find_tensor("blk.0.attn_norm.weight")->type, GgufType::kF32);
  EXPECT_EQ(*file->integer("general.file_type"), 2);
  // Rows that are no whole blocks.
  json odd = samples()[0].config;
  odd["intermediate_size"] = 72;
  make_folder(folder / "odd", odd);
  ASSERT_EQ(error_of(folder / "odd", folder / "odd.gguf", "q8_0"), "converted");
  EXPECT_EQ(GgufFile::open(folder / "odd.gguf")->find_tensor("blk.0.ffn_down.weight")->type, GgufType::kF16);
  ASSERT_EQ(error_of(folder / "q4.gguf", folder / "back"), "converted");
  EXPECT_EQ(SafetensorsFile::open(folder / "back/model.safetensors")->tensors()[0].dtype, "F16");
}

TEST(Convert, TheSourcesHashesAreRecorded) {
  TestFolder folder;
  make_folder(folder / "hf", samples()[0].config);
  ASSERT_EQ(error_of(folder / "hf", folder / "m.gguf"), "converted");
  ASSERT_EQ(error_of(folder / "m.gguf", folder / "back", "bf16"), "converted");
  const json record = json::parse(*read_file(folder / "back/import.json"));
  EXPECT_EQ(record["format"], "GGUF");
  EXPECT_EQ(record["source_dtype"], "F32");
  EXPECT_EQ(record["dtype"], "BF16");
  ASSERT_EQ(record["files"].size(), 1u);
  EXPECT_EQ(record["files"][0]["name"], "m.gguf");
  EXPECT_EQ(record["files"][0]["sha256"], *sha256_of_file(folder / "m.gguf"));
  EXPECT_EQ(json::parse(*read_file(folder / "back/config.json"))["torch_dtype"], "bfloat16");
}

TEST(Convert, AFoldersOwnFilesStay) {
  TestFolder folder;
  make_folder(folder / "hf", samples()[0].config);
  json config = json::parse(*read_file(folder / "hf/config.json"));
  config["unknown_key"] = {1, 2};
  put_bytes(folder / "hf/config.json", config.dump());
  put_bytes(folder / "hf/generation_config.json", R"({"temperature": 0.5})");
  ASSERT_EQ(error_of(folder / "hf", folder / "out", "f16"), "converted");
  EXPECT_EQ(json::parse(*read_file(folder / "out/config.json"))["unknown_key"], json({1, 2}));
  EXPECT_EQ(*read_file(folder / "out/generation_config.json"), R"({"temperature": 0.5})");
}

// ---- What is refused, and how it is said.

TEST(ConvertBad, Pickles) {
  TestFolder folder;
  put_bytes(folder / "model.pt", "anything");
  put_bytes(folder / "a.bin", std::string("PK\x03\x04", 4) + std::string(100, 'x'));
  put_bytes(folder / "b.bin", "\x80\x02}q" + std::string(100, 'x'));
  put_bytes(folder / "pytorch_model.bin", std::string(100, 'x'));
  for (const char* name : {"model.pt", "a.bin", "b.bin", "pytorch_model.bin"}) {
    EXPECT_THAT(error_of(folder / name, folder / "out"), HasSubstr(std::string(name) + ": a PyTorch pickle")) << name;
  }
  put_bytes(folder / "config.json", "{}");
  EXPECT_THAT(error_of(folder.path(), folder / "out"), HasSubstr("a PyTorch pickle"));
  EXPECT_FALSE(file_exists(folder / "out"));
}

TEST(ConvertBad, Sources) {
  TestFolder folder;
  put_bytes(folder / "new.bin", "24ka" + std::string(300, '\0'));
  put_bytes(folder / "text.gguf", "hello");
  put_bytes(folder / "w.safetensors", "xxxxxxxxxx");
  EXPECT_THAT(error_of(folder / "none", folder / "out"), HasSubstr("none: cannot be read"));
  EXPECT_THAT(error_of(folder / "new.bin", folder / "out"), HasSubstr("newer form of llama2.c's export"));
  EXPECT_THAT(error_of(folder / "text.gguf", folder / "out"), HasSubstr("neither GGUF nor llama2.c's .bin"));
  EXPECT_THAT(error_of(folder / "w.safetensors", folder / "out"), HasSubstr("expected the folder"));
  EXPECT_THAT(error_of(folder.path(), folder / "out"), HasSubstr("expected a folder with config.json"));
}

std::string llama2c_file(std::array<int32_t, 7> header, int64_t floats) {
  std::string bytes(reinterpret_cast<const char*>(header.data()), 28);
  return bytes + std::string(static_cast<size_t>(floats) * 4, '\0');
}

TEST(ConvertBad, Llama2c) {
  TestFolder folder;
  const auto error = [&](const std::string& bytes) {
    put_bytes(folder / "m.bin", bytes);
    const auto source = open_llama2c_source(folder / "m.bin");
    return source ? "opened" : source.error().substr(source.error().find("m.bin: "));
  };
  // dim 8, hidden 4, one layer, two heads, one for keys, 6 tokens, 3 positions.
  const int64_t floats = 6 * 8 + 8 + 8 * 8 + 2 * 8 * 4 + 8 * 8 + 8 + 3 * 8 * 4 + 8 + 3 * 4;
  EXPECT_EQ(error(llama2c_file({8, 4, 1, 2, 1, 6, 3}, floats)), "opened");
  EXPECT_EQ(error(llama2c_file({8, 4, 1, 2, 1, -6, 3}, floats + 48)), "opened");
  EXPECT_THAT(error(llama2c_file({8, 4, 1, 2, 1, 6, 3}, floats - 1)),
              HasSubstr("bytes behind the header, whose sizes"));
  EXPECT_THAT(error(llama2c_file({8, 4, 1, 2, 1, 6, 3}, floats + 1)),
              HasSubstr("bytes behind the header, whose sizes"));
  EXPECT_THAT(error(llama2c_file({8, 4, 1, 2, 1, 6, 3}, 0).substr(0, 20)), HasSubstr("20 bytes: too short"));
  EXPECT_THAT(error(llama2c_file({-8, 4, 1, 2, 1, 6, 3}, 1)), HasSubstr("dim: found -8"));
  EXPECT_THAT(error(llama2c_file({8, 4, 1, 2, 1, INT32_MIN, 3}, 1)), HasSubstr("vocab_size: found -2147483648"));
  EXPECT_THAT(error(llama2c_file({8, 4, 1, 3, 1, 6, 3}, 1)), HasSubstr("dim: found 8, expected a multiple of n_heads"));
  EXPECT_THAT(error(llama2c_file({8, 4, 1, 4, 3, 6, 3}, 1)), HasSubstr("num_key_value_heads"));
  const int32_t most = INT32_MAX;
  EXPECT_THAT(error(llama2c_file({most, most, most, 1, 1, most, most}, 1)), HasSubstr("expected"));
  EXPECT_THAT(error(llama2c_file({2, 1, 16000, 1, 1, 6, 3}, 1)), HasSubstr("bytes behind the header"));
}

// A small llama's GGUF with one thing changed.
class BadGguf : public testing::Test {
 protected:
  BadGguf() {
    make_folder(folder_ / "hf", samples()[0].config);
    EXPECT_EQ(error_of(folder_ / "hf", folder_ / "good.gguf"), "converted");
    good_.emplace(*GgufFile::open(folder_ / "good.gguf"));
    content_.metadata = good_->metadata();
    for (const GgufTensor& t : good_->tensors()) content_.tensors.push_back({t.name, t.type, t.shape});
    content_.bytes = [this](size_t i) -> Result<std::span<const uint8_t>> {
      const auto& t = content_.tensors[i];
      int64_t n = 1;
      for (const int64_t d : t.shape) n *= d;
      bytes_.assign(static_cast<size_t>(n) * 4, 0);
      return std::span<const uint8_t>(bytes_);
    };
  }
  void set(const std::string& key, GgufValue value) {
    for (auto& [name, old] : content_.metadata)
      if (name == key) return void(old = std::move(value));
    content_.metadata.emplace_back(key, std::move(value));
  }
  GgufContent::Tensor& tensor(const std::string& name) {
    return *std::find_if(content_.tensors.begin(), content_.tensors.end(), [&](auto& t) { return t.name == name; });
  }
  std::string error() {
    EXPECT_TRUE(write_gguf(folder_ / "bad.gguf", content_).ok());
    const auto source = open_gguf_source(folder_ / "bad.gguf");
    if (source) return "opened";
    EXPECT_THAT(source.error(), HasSubstr("bad.gguf: "));
    return source.error();
  }

  TestFolder folder_;
  std::optional<GgufFile> good_;
  GgufContent content_;
  std::vector<uint8_t> bytes_;
};

TEST_F(BadGguf, AsItIs) {
  EXPECT_EQ(error(), "opened");
}

TEST_F(BadGguf, Architecture) {
  set("general.architecture", GgufValue::string("mamba"));
  EXPECT_THAT(error(), HasSubstr("key 'general.architecture': \"mamba\" is not supported; expected llama,"));
  set("general.architecture", GgufValue::uint32(1));
  EXPECT_THAT(error(), HasSubstr("key 'general.architecture': found uint32, expected a text"));
}

TEST_F(BadGguf, KeysThatDoNotFit) {
  const std::pair<const char*, const char*> cases[] = {{"llama.embedding_length", "embedding_length"},
                                                       {"llama.block_count", "block_count"},
                                                       {"llama.attention.head_count", "head_count"}};
  for (const auto& [key, message] : cases) {
    const auto before = content_.metadata;
    set(key, GgufValue::string("8"));
    EXPECT_THAT(error(), HasSubstr(message));
    content_.metadata = before;
  }
  set("llama.block_count", GgufValue::uint32(2'000'000'000));
  EXPECT_THAT(error(), HasSubstr("key 'llama.block_count': found 2000000000, the file has"));
  set("llama.block_count", GgufValue::uint32(3));
  EXPECT_THAT(error(), HasSubstr("tensor 'blk.2.attn_norm.weight' [64] is missing"));
  set("llama.block_count", GgufValue::uint32(2));
  set("llama.feed_forward_length", GgufValue::uint32(4096));
  EXPECT_THAT(error(), HasSubstr("tensor 'blk.0.ffn_gate.weight': found shape [96, 64], its keys ask for [4096, 64]"));
  set("llama.feed_forward_length", GgufValue::uint32(0));
  EXPECT_THAT(error(), HasSubstr("intermediate_size"));
  set("llama.feed_forward_length", GgufValue::uint32(96));
  set("llama.rope.dimension_count", GgufValue::uint32(64));
  EXPECT_THAT(error(), HasSubstr("rope.dimension_count': found 64"));
  set("llama.rope.dimension_count", GgufValue::uint32(16));
  set("llama.rope.scaling.type", GgufValue::string("magic"));
  EXPECT_THAT(error(), HasSubstr("rope.scaling.type': found \"magic\""));
  set("llama.rope.scaling.type", GgufValue::string("none"));
  set("llama.expert_count", GgufValue::uint32(8));
  EXPECT_THAT(error(), HasSubstr("mixtures of experts"));
}

TEST_F(BadGguf, Tensors) {
  content_.tensors.push_back({"blk.0.ffn_gate_inp.weight", GgufType::kF32, {4}});
  EXPECT_THAT(error(), HasSubstr("tensor 'blk.0.ffn_gate_inp.weight' [4] does not belong"));
  content_.tensors.pop_back();
  tensor("output_norm.weight").shape = {63};
  EXPECT_THAT(error(), HasSubstr("tensor 'output_norm.weight': found shape [63], its keys ask for [64]"));
  tensor("output_norm.weight").shape = {64};
  tensor("token_embd.weight").shape = {64};
  EXPECT_THAT(error(), HasSubstr("token_embd.weight"));
  content_.tensors.clear();
  EXPECT_THAT(error(), HasSubstr("a vocabulary alone"));
}

TEST_F(BadGguf, RopeTensors) {
  content_.tensors.push_back({"rope_freqs.weight", GgufType::kF32, {7}});
  EXPECT_THAT(error(), HasSubstr("tensor 'rope_freqs.weight': found F32 [7], expected F32 [8]"));
  tensor("rope_freqs.weight").shape = {8};  // zeros
  EXPECT_THAT(error(), HasSubstr("rope_freqs.weight': not a scaling"));
}

TEST(ConvertBad, Targets) {
  TestFolder folder;
  make_folder(folder / "hf", samples()[0].config);
  EXPECT_THAT(error_of(folder / "hf", folder / "hf"), HasSubstr("expected another place"));
  EXPECT_THAT(error_of(folder / "hf", folder / "hf/../hf"), HasSubstr("expected another place"));
  EXPECT_THAT(error_of(folder / "hf", folder / "out", "q8_0"), HasSubstr("a folder holds f32, f16 or bf16"));
  EXPECT_THAT(error_of(folder / "hf", folder / "out", "int3"), HasSubstr("found 'int3'"));
  EXPECT_EQ(error_of(folder / "hf", folder / "out"), "converted");
  EXPECT_THAT(error_of(folder / "hf", folder / "out"), HasSubstr("a model is there already"));
}

TEST(ConvertBad, Values) {
  TestFolder folder;
  make_folder(folder / "hf", samples()[0].config);
  std::string bytes = *read_file(folder / "hf/model.safetensors");
  const float large = 70000.0f;
  std::memcpy(bytes.data() + bytes.size() - 4, &large, 4);
  put_bytes(folder / "hf/model.safetensors", bytes);
  EXPECT_THAT(error_of(folder / "hf", folder / "m.gguf", "f16"), HasSubstr("the value 70000 is beyond F16"));
  EXPECT_FALSE(file_exists(folder / "m.gguf"));
  EXPECT_EQ(error_of(folder / "hf", folder / "m.gguf", "bf16"), "converted");
}

TEST(ConvertBad, WhatGgufCannotSay) {
  TestFolder folder;
  json gemma = samples()[8].config;
  gemma["query_pre_attn_scalar"] = 77;
  make_folder(folder / "gemma", gemma);
  EXPECT_THAT(error_of(folder / "gemma", folder / "m.gguf"), HasSubstr("GGUF cannot say this query_pre_attn_scalar"));
  json qwen = samples()[5].config;
  qwen.update({{"use_sliding_window", true}, {"sliding_window", 16}, {"max_window_layers", 1}});
  make_folder(folder / "qwen", qwen);
  EXPECT_THAT(error_of(folder / "qwen", folder / "m.gguf"), HasSubstr("GGUF cannot say sliding windows"));
}

TEST(ConvertBad, FolderTensors) {
  TestFolder folder;
  make_folder(folder / "hf", samples()[0].config);
  json config = json::parse(*read_file(folder / "hf/config.json"));
  config["intermediate_size"] = 100;
  put_bytes(folder / "hf/config.json", config.dump());
  EXPECT_THAT(error_of(folder / "hf", folder / "m.gguf"), HasSubstr("mlp.gate_proj.weight\": found shape [96, 64]"));
  config["num_hidden_layers"] = 1;
  config["intermediate_size"] = 96;
  put_bytes(folder / "hf/config.json", config.dump());
  EXPECT_THAT(error_of(folder / "hf", folder / "m.gguf"), HasSubstr("does not belong to the model"));
  config["num_hidden_layers"] = 16000;
  put_bytes(folder / "hf/config.json", config.dump());
  EXPECT_THAT(error_of(folder / "hf", folder / "m.gguf"), HasSubstr("config.json asks for 16000 layers"));
}

// ---- inspect

TEST(Inspect, AFolderAndWhatIsWrongWithOne) {
  TestFolder folder;
  make_folder(folder / "hf", samples()[0].config, "BF16");
  auto report = inspect_model(folder / "hf", true);
  EXPECT_EQ(report["architecture"], "llama");
  EXPECT_EQ(report["format"], "Hugging Face folder");
  EXPECT_EQ(report["dtypes"]["BF16"], report["tensors"].size());
  EXPECT_EQ(report["config"]["hidden_size"], 64);
  EXPECT_TRUE(report["tokenizer"].is_null());
  EXPECT_FALSE(report["chat_template"].get<bool>());
  EXPECT_FALSE(report.contains("problem"));
  EXPECT_THAT(inspect_text(report), HasSubstr("tokenizer     none"));
  std::filesystem::remove(folder / "hf/config.json");
  report = inspect_model(folder / "hf", false);
  EXPECT_THAT(report["problem"].get<std::string>(), HasSubstr("expected a folder with config.json"));
  EXPECT_THAT(inspect_text(report), HasSubstr("problem       "));
}

}  // namespace
}  // namespace loquat
