// What import, export and convert refuse, and how they say it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "formats/inspect.h"
#include "formats/sample_models_for_test.h"
#include "formats/source.h"

namespace loquat {
namespace {

using testing::HasSubstr;

TEST(ConvertBad, Tokenizers) {
  TestFolder folder;
  make_folder(folder / "hf", samples()[0].config);  // 40 rows
  add_tokenizer(folder / "hf", "{}");
  EXPECT_THAT(error_of(folder / "hf", folder / "m.gguf"),
              HasSubstr("hf/tokenizer.json: the tokenizer has 262 tokens, the model's embedding 40 rows"));
  EXPECT_THAT(inspect_model(folder / "hf", false)["problem"].get<std::string>(), HasSubstr("do not belong together"));
  std::filesystem::remove(folder / "hf/tokenizer.json");
  const auto none = convert_model(folder / "hf", folder / "m.gguf", {.tokenizer = folder.path()});
  EXPECT_THAT(none.error(), HasSubstr("no tokenizer: expected tokenizer.json"));
  EXPECT_FALSE(file_exists(folder / "m.gguf"));
}

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
  EXPECT_THAT(error_of(folder / "none", folder / "out"), HasSubstr("none: there is no such file or folder"));
  ASSERT_TRUE(make_folders(folder / "adapter").ok());
  put_bytes(folder / "adapter/adapter_config.json", "{}");
  EXPECT_THAT(error_of(folder / "adapter", folder / "out"), HasSubstr("an adapter's folder; `loquat merge "));
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
  EXPECT_THAT(error_of(folder / "hf", folder / "out.safetensors"), HasSubstr("no .safetensors file is written"));
  EXPECT_EQ(error_of(folder / "hf", folder / "out"), "converted");
  EXPECT_EQ(error_of(folder / "hf", folder / "out-0.5B"), "converted");
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

}  // namespace
}  // namespace loquat
