#include "formats/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "base/half.h"
#include "formats/gguf_names.h"
#include "formats/inspect.h"
#include "formats/llama2c_reference_for_test.h"
#include "formats/sample_models_for_test.h"
#include "kernels/test_support.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace loquat {
namespace {

using testing::HasSubstr;

const std::string kStories = std::string(LOQUAT_SOURCE_DIR) + "/../shared/data/models/stories260k/";

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

TEST(Convert, ATemplateThatCannotBeUsedIsSaid) {
  TestFolder folder;
  json config = samples()[0].config;
  config["vocab_size"] = 300;
  make_folder(folder / "hf", config);
  const auto tokenizer =
      Tokenizer::train(std::vector<std::string>{"x"}, {.vocab_size = 262, .special_tokens = loquat_special_tokens()});
  ASSERT_TRUE(tokenizer.ok() && tokenizer->save(folder / "hf").ok());
  ASSERT_TRUE(write_file(folder / "hf/chat_template.jinja", "{% for m in messages %}{{ m.content }").ok());
  const auto report = convert_model(folder / "hf", folder / "again", {});
  ASSERT_TRUE(report.ok()) << report.error();
  ASSERT_EQ(report->notes.size(), 1u);
  EXPECT_THAT(report->notes[0], testing::HasSubstr("knows no turns"));
  EXPECT_THAT(report->notes[0], testing::HasSubstr("again/chat_template.jinja: the chat template: line 1, column 37"));
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

TEST(Convert, VocabularyAndChatTemplateGoThroughGguf) {
  const std::string in_config = R"({"chat_template": "{{ messages[0].content }} ä", "eos_token": "<|end|>"})";
  const std::string in_list = R"({"chat_template": [{"name": "tool_use", "template": "no"},
      {"name": "default", "template": "{{ messages[0].content }} ä"}], "eos_token": {"content": "<|end|>"}})";
  const std::string in_file = R"({"eos_token": "<|end|>"})";
  for (const std::string& config : {in_config, in_list, in_file}) {
    TestFolder folder;
    json model = samples()[0].config;
    model["vocab_size"] = 300;  // rows without a token
    make_folder(folder / "hf", model);
    add_tokenizer(folder / "hf", config);
    if (config == in_file) put_bytes(folder / "hf/chat_template.jinja", "{{ messages[0].content }} ä");
    ASSERT_EQ(error_of(folder / "hf", folder / "m.gguf"), "converted");
    const auto file = GgufFile::open(folder / "m.gguf");
    EXPECT_EQ(*file->text("tokenizer.chat_template"), "{{ messages[0].content }} ä");
    EXPECT_EQ(file->texts("tokenizer.ggml.tokens")->size(), 300u);
    EXPECT_EQ(file->texts("tokenizer.ggml.tokens")->back(), "[PAD299]");
    const auto before = Tokenizer::load(folder / "hf");
    EXPECT_EQ(*file->integer("tokenizer.ggml.eos_token_id"), before->special("<|end|>"));
    ASSERT_EQ(error_of(folder / "m.gguf", folder / "back"), "converted");
    const auto after = Tokenizer::load(folder / "back");
    ASSERT_TRUE(after.ok()) << after.error();
    EXPECT_EQ(after->vocab_size(), before->vocab_size());
    EXPECT_EQ(after->encode("Some text, 123 ä<|end|>", true), before->encode("Some text, 123 ä<|end|>", true));
    const json settings = json::parse(*read_file(folder / "back/tokenizer_config.json"));
    EXPECT_EQ(settings["chat_template"], "{{ messages[0].content }} ä");
    EXPECT_EQ(settings["eos_token"], "<|end|>");
    const auto report = inspect_model(folder / "m.gguf", false);
    EXPECT_EQ(report["tokenizer"]["tokens"], before->vocab_size());
    EXPECT_TRUE(report["chat_template"].get<bool>());
  }
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
