// The model's folder: round trips, and a clear refusal of everything that does not fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "model/model.h"
#include "store/files.h"
#include "store/safetensors.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Kernels& reference() {
  return *all_kernels().front();
}

ModelConfig config_for_test() {
  ModelConfig c;
  c.vocab_size = 23;
  c.hidden_size = 12;
  c.num_layers = 2;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 6;  // not hidden_size / num_heads
  c.intermediate_size = 10;
  c.max_positions = 32;
  c.rope_theta = 50000;
  c.rms_norm_eps = 1e-5f;
  c.bos_token = 0;
  c.eos_token = 5;
  c.pad_token = 1;
  return c;
}

bool same_values(const Model& a, const Model& b) {
  return a.values().size() == b.values().size() && std::equal(a.values().begin(), a.values().end(), b.values().begin());
}

std::string error_of(const std::string& folder, LoadOptions options = {}) {
  const auto model = load_model(folder, reference(), options);
  return model.ok() ? "loaded" : model.error();
}

void replace_in_file(const std::string& path, const std::string& from, const std::string& to) {
  std::string text = *read_file(path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from << " is not in " << path;
  text.replace(at, from.size(), to);
  ASSERT_TRUE(write_file(path, text).ok());
}

TEST(ModelFolder, Float32ComesBackInTheSameBits) {
  for (const bool tied : {true, false}) {
    for (const HeadKind head : {HeadKind::kLanguage, HeadKind::kScore}) {
      TestFolder folder;
      ModelConfig c = config_for_test();
      c.tie_embeddings = tied;
      c.head = head;
      Model model(c, reference(), DType::kF32, false);
      model.init(Rng(3));
      ASSERT_TRUE(save_model(model, folder / "m").ok());
      auto loaded = load_model(folder / "m", reference(), {.compute = DType::kF32, .head = head});
      ASSERT_TRUE(loaded.ok()) << loaded.error();
      EXPECT_TRUE(same_values(model, **loaded));
      EXPECT_EQ((*loaded)->config().to_json(), c.to_json());
      Batch batch;
      batch.add(std::vector<int32_t>{1, 2, 3});
      const Mat a = model.forward(batch), b = (*loaded)->forward(batch);
      EXPECT_TRUE(std::equal(a.f32(), a.f32() + 36, b.f32())) << "the packed weights were not refreshed";
    }
  }
}

TEST(ModelFolder, HasTheNamesOfHuggingFace) {
  TestFolder folder;
  ModelConfig c = config_for_test();
  c.tie_embeddings = false;
  c.num_layers = 1;
  Model model(c, reference(), DType::kF32, false);
  model.init(Rng(3));
  ASSERT_TRUE(save_model(model, folder.path()).ok());
  auto file = SafetensorsFile::open(folder / "model.safetensors");
  ASSERT_TRUE(file.ok());
  std::vector<std::string> names;
  for (const auto& t : file->tensors()) names.push_back(t.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre(
                         "model.embed_tokens.weight", "model.layers.0.input_layernorm.weight",
                         "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
                         "model.layers.0.self_attn.v_proj.weight", "model.layers.0.self_attn.o_proj.weight",
                         "model.layers.0.post_attention_layernorm.weight", "model.layers.0.mlp.gate_proj.weight",
                         "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight",
                         "model.norm.weight", "lm_head.weight"));
  EXPECT_EQ(file->find("model.layers.0.self_attn.k_proj.weight")->shape, (std::vector<int64_t>{12, 12}));
  EXPECT_EQ(file->metadata().at("format"), "pt");
  const std::string json = *read_file(folder / "config.json");
  for (const char* part :
       {"\"LlamaForCausalLM\"", "\"model_type\": \"llama\"", "\"head_dim\": 6", "\"rope_theta\": 50000.0",
        "\"rms_norm_eps\": 1e-05", "\"tie_word_embeddings\": false", "\"torch_dtype\": \"float32\""}) {
    EXPECT_THAT(json, HasSubstr(part));
  }
}

TEST(ModelFolder, Bfloat16IsRoundedOnceOnly) {
  TestFolder folder;
  Model model(config_for_test(), reference(), DType::kF32, false);
  model.init(Rng(3));
  ASSERT_TRUE(save_model(model, folder / "a", DType::kBF16).ok());
  auto once = load_model(folder / "a", reference(), {});
  ASSERT_TRUE(once.ok()) << once.error();
  for (size_t i = 0; i < model.values().size(); ++i) {
    ASSERT_EQ((*once)->values()[i], to_float(to_bf16(model.values()[i])));
  }
  ASSERT_TRUE(save_model(**once, folder / "b", DType::kBF16).ok());
  EXPECT_EQ(*read_file(folder / "a/model.safetensors"), *read_file(folder / "b/model.safetensors"));
  EXPECT_THAT(*read_file(folder / "a/config.json"), HasSubstr("\"torch_dtype\": \"bfloat16\""));
}

TEST(ModelFolder, BackboneOfALanguageModelUnderAScoreHead) {
  for (const bool tied : {true, false}) {
    TestFolder folder;
    ModelConfig c = config_for_test();
    c.tie_embeddings = tied;
    Model model(c, reference(), DType::kF32, false);
    model.init(Rng(3));
    ASSERT_TRUE(save_model(model, folder.path()).ok());
    EXPECT_THAT(error_of(folder.path(), {.head = HeadKind::kScore}), HasSubstr("expected a score model"));
    auto score =
        load_model(folder.path(), reference(), {.head = HeadKind::kScore, .allow_new_head = true, .head_seed = 1});
    ASSERT_TRUE(score.ok()) << score.error();
    const size_t backbone = (*score)->values().size() - 12;
    EXPECT_TRUE(std::equal(model.values().begin(), model.values().begin() + backbone, (*score)->values().begin()));
    const auto head = (*score)->values().subspan(backbone);
    EXPECT_GT(*std::max_element(head.begin(), head.end()), 0.0f);
    ASSERT_TRUE(save_model(**score, folder / "score").ok());
    EXPECT_THAT(error_of(folder / "score"), AllOf(HasSubstr("config.json"), HasSubstr("expected a language model")));
    EXPECT_EQ(error_of(folder / "score", {.head = HeadKind::kScore}), "loaded");
  }
}

class BrokenFolder : public testing::Test {
 protected:
  void SetUp() override {
    Model model(config_for_test(), reference(), DType::kF32, false);
    model.init(Rng(3));
    ASSERT_TRUE(save_model(model, folder_.path()).ok());
  }

  // Writes the tensors again as `change` leaves them.
  void rewrite(const std::function<void(std::vector<TensorEntry>&)>& change) {
    auto file = SafetensorsFile::open(folder_ / "model.safetensors");
    ASSERT_TRUE(file.ok());
    auto tensors = file->tensors();
    change(tensors);
    ASSERT_TRUE(write_safetensors(folder_ / "other.safetensors", tensors, {}).ok());
    ASSERT_TRUE(write_file(folder_ / "model.safetensors", *read_file(folder_ / "other.safetensors")).ok());
  }

  TestFolder folder_;
};

TEST_F(BrokenFolder, MissingTensor) {
  rewrite([](auto& tensors) { tensors.erase(tensors.begin() + 3); });
  EXPECT_THAT(error_of(folder_.path()),
              AllOf(HasSubstr("model.safetensors"),
                    HasSubstr("\"model.layers.0.self_attn.k_proj.weight\" [12, 12] is missing")));
}

TEST_F(BrokenFolder, TensorOfAnotherShape) {
  rewrite([](auto& tensors) { std::swap(tensors[0].shape[0], tensors[0].shape[1]); });
  EXPECT_THAT(error_of(folder_.path()), AllOf(HasSubstr("\"model.embed_tokens.weight\""),
                                              HasSubstr("found shape [12, 23]"), HasSubstr("[23, 12]")));
}

TEST_F(BrokenFolder, TensorOfAnotherType) {
  rewrite([](auto& tensors) { tensors[0].dtype = "I32"; });
  EXPECT_THAT(error_of(folder_.path()),
              AllOf(HasSubstr("\"model.embed_tokens.weight\""), HasSubstr("found dtype I32")));
}

TEST_F(BrokenFolder, TensorTooMany) {
  rewrite([](auto& tensors) {
    tensors.push_back(tensors.back());
    tensors.back().name = "model.layers.0.self_attn.q_proj.bias";
  });
  EXPECT_THAT(error_of(folder_.path()), AllOf(HasSubstr("q_proj.bias"), HasSubstr("does not belong")));
}

TEST_F(BrokenFolder, TensorsThatOthersWriteAreLeftAlone) {
  rewrite([](auto& tensors) {
    tensors.push_back(tensors[0]);
    tensors.back().name = "lm_head.weight";  // of a tied model: the table again
    tensors.push_back(tensors[1]);
    tensors.back().name = "model.layers.0.self_attn.rotary_emb.inv_freq";
  });
  EXPECT_EQ(error_of(folder_.path()), "loaded");
}

TEST_F(BrokenFolder, NoFiles) {
  EXPECT_THAT(error_of(folder_ / "nowhere"), HasSubstr("nowhere/config.json"));
  std::filesystem::remove(folder_ / "model.safetensors");
  EXPECT_THAT(error_of(folder_.path()), HasSubstr("model.safetensors"));
  put_bytes(folder_ / "model.safetensors.index.json", "{}");
  EXPECT_THAT(error_of(folder_.path()), HasSubstr("model.safetensors.index.json: expected a weight_map"));
}

TEST_F(BrokenFolder, ConfigThatDoesNotFit) {
  const std::string original = *read_file(folder_ / "config.json");
  const struct {
    const char *from, *to, *message;
  } cases[] = {
      {"\"hidden_size\": 12", "\"hidden_size\": \"12\"", "\"hidden_size\": found \"12\", expected an integer"},
      {"\"hidden_size\": 12,", "", "\"hidden_size\": found nothing"},
      {"\"hidden_size\": 12", "\"hidden_size\": 0", "\"hidden_size\": found 0"},
      {"\"vocab_size\": 23", "\"vocab_size\": 99999999999999", "\"vocab_size\": found 99999999999999"},
      {"\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
       "\"num_key_value_heads\": found 3, expected a divisor"},
      {"\"head_dim\": 6", "\"head_dim\": 5", "\"head_dim\": found 5"},
      {"\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "\"hidden_act\": found \"gelu\", expected \"silu\""},
      {"\"model_type\": \"llama\"", "\"model_type\": \"mamba\"",
       "\"model_type\": found \"mamba\", expected one of llama, mistral"},
      {"\"model_type\": \"llama\"", "\"model_type\": \"qwen2\"", "expected [\"Qwen2ForCausalLM\"] or"},
      {"\"attention_bias\": false", "\"attention_bias\": true", "q_proj.bias\" [24] is missing"},
      {"\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"llama3\"}",
       "\"rope_scaling.factor\": found nothing"},
      {"\"eos_token_id\": 5", "\"eos_token_id\": 23", "\"eos_token_id\": found 23"},
      {"LlamaForCausalLM", "GPT2LMHeadModel", "\"architectures\": found [\"GPT2LMHeadModel\"]"},
      {"{", "[", "not a JSON object"},
      // Enormous, though every size is allowed: refused before memory is taken.
      {"\"intermediate_size\": 10", "\"intermediate_size\": 2000000000", "found shape [10, 12]"},
  };
  for (const auto& c : cases) {
    ASSERT_TRUE(write_file(folder_ / "config.json", original).ok());
    replace_in_file(folder_ / "config.json", c.from, c.to);
    EXPECT_THAT(error_of(folder_.path()), AllOf(HasSubstr(folder_.path()), HasSubstr(c.message))) << c.to;
  }
}

TEST(ModelConfig, ReadsWhatOthersWrite) {
  const auto config = ModelConfig::from_json(
      R"({"vocab_size": 32000, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
          "max_position_embeddings": 2048, "eos_token_id": [7, 8], "pad_token_id": null, "unknown": {"a": 1},
          "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}})",
      "config.json");
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(config->num_kv_heads, 4);
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->eos_token, 7);
  EXPECT_EQ(config->pad_token, -1);
  EXPECT_EQ(config->rope_theta, 500000.0f);
  EXPECT_FALSE(config->tie_embeddings);
  EXPECT_EQ(config->rms_norm_eps, 1e-6f);
}

}  // namespace
}  // namespace loquat
