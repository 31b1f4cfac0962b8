// Models that only serve, and quantised folders: round trips, and a clear refusal of what does not fit.
#include "model/quantized_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "kernels/quantize.h"
#include "model/model.h"
#include "store/files.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ModelConfig config_for_test(bool tied) {
  ModelConfig c;
  c.vocab_size = 70;
  c.hidden_size = 128;
  c.num_layers = 2;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 32;
  c.intermediate_size = 256;
  c.max_positions = 32;
  c.tie_embeddings = tied;
  return c;
}

std::vector<const Kernels*> tables() {
  std::vector<const Kernels*> all;
  for (const Kernels* k : all_cpu_kernels()) {
    if (k->quantized_weights) all.push_back(k);
  }
  return all;
}

void save_random(const ModelConfig& config, const std::string& folder) {
  Model model(config, *all_cpu_kernels().front(), DType::kF32, false);
  model.init(Rng(3));
  // A trained model's weights are larger than a new one's: else its layers change next to nothing.
  model.for_each_param([](const Param& p) {
    for (int64_t i = 0; p.shape.size() > 1 && i < p.size; ++i) p.value[i] *= 3;
  });
  ASSERT_TRUE(save_model(model, folder, DType::kBF16).ok());
}

std::vector<float> logits_of(Model& model) {
  Batch batch;
  batch.add(std::vector<int32_t>{1, 2, 3, 4, 5, 6, 7});
  std::vector<int64_t> rows{0, 1, 2, 3, 4, 5, 6};
  std::vector<float> logits(rows.size() * static_cast<size_t>(model.config().vocab_size));
  model.logits(model.forward(batch), rows, logits.data());
  return logits;
}

std::unique_ptr<Model> load(const std::string& folder, const Kernels& kernels, LoadOptions options) {
  auto model = load_model(folder, kernels, options);
  EXPECT_TRUE(model.ok()) << model.error();
  return model.ok() ? *std::move(model) : nullptr;
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += std::pow(a[i] - b[i], 2);
    squares += std::pow(b[i], 2);
  }
  return std::sqrt(error / squares);
}

TEST(ServingModel, HasTheBitsOfOneThatTrains) {
  for (const bool tied : {true, false}) {
    TestFolder folder;
    save_random(config_for_test(tied), folder.path());
    for (const Kernels* k : tables()) {
      const auto whole = load(folder.path(), *k, {}), serving = load(folder.path(), *k, {.serving_only = true});
      EXPECT_TRUE(logits_of(*whole) == logits_of(*serving)) << k->name;
      EXPECT_TRUE(serving->serves_only());
      EXPECT_LT(serving->master_bytes(), whole->master_bytes() / 4);
    }
  }
}

TEST(ServingModel, ScoreHead) {
  TestFolder folder;
  ModelConfig c = config_for_test(true);
  c.head = HeadKind::kScore;
  save_random(c, folder.path());
  const Kernels& k = *tables().back();
  const auto whole = load(folder.path(), k, {.head = HeadKind::kScore});
  const auto serving = load(folder.path(), k, {.serving_only = true, .head = HeadKind::kScore});
  Batch batch;
  batch.add(std::vector<int32_t>{1, 2, 3});
  const std::vector<int64_t> rows{1, 2};
  EXPECT_EQ(whole->scores(whole->forward(batch), rows), serving->scores(serving->forward(batch), rows));
}

TEST(ServingModel, QuantisedIsNear) {
  TestFolder folder;
  save_random(config_for_test(false), folder.path());
  for (const Kernels* k : tables()) {
    const auto exact = logits_of(*load(folder.path(), *k, {.serving_only = true}));
    const auto int8 = logits_of(*load(folder.path(), *k, {.serving_only = true, .weights = WeightType::kInt8}));
    const auto int4 = logits_of(*load(folder.path(), *k, {.serving_only = true, .weights = WeightType::kInt4}));
    EXPECT_LT(relative_error(int8, exact), 0.03) << k->name;
    EXPECT_LT(relative_error(int4, exact), 0.25) << k->name;
    EXPECT_GT(relative_error(int4, exact), 0.01) << k->name;
  }
}

TEST(ServingModelDeath, HasNoMasterWeights) {
  TestFolder folder;
  save_random(config_for_test(true), folder.path());
  const auto model = load(folder.path(), *tables().back(), {.serving_only = true});
  EXPECT_DEATH(model->values(), "only serves");
  EXPECT_DEATH(model->refresh(), "only serves");
  EXPECT_DEATH(model->for_each_param([](const Param&) {}), "only serves");
}

class QuantizedFolder : public testing::TestWithParam<WeightType> {
 protected:
  void SetUp() override {
    save_random(config_for_test(false), folder_ / "plain");
    ASSERT_TRUE(write_file(folder_ / "plain/tokenizer.json", "{}").ok());
    const Status status = quantize_model_folder(folder_ / "plain", folder_ / "q", GetParam());
    ASSERT_TRUE(status.ok()) << status.error();
  }
  std::string error(LoadOptions options = {.serving_only = true}) {
    const auto model = load_model(folder_ / "q", *tables().back(), options);
    return model.ok() ? "loaded" : model.error();
  }
  void replace_in_config(const std::string& from, const std::string& to) {
    std::string text = *read_file(folder_ / "q/config.json");
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " is not in " << text;
    text.replace(at, from.size(), to);
    ASSERT_TRUE(write_file(folder_ / "q/config.json", text).ok());
  }
  // Writes the tensors again as `change` leaves them.
  void rewrite(const std::function<void(std::vector<TensorEntry>&)>& change) {
    const auto file = SafetensorsFile::open(folder_ / "q/model.safetensors");
    ASSERT_TRUE(file.ok());
    auto tensors = file->tensors();
    change(tensors);
    ASSERT_TRUE(write_safetensors(folder_ / "other.safetensors", tensors, {}).ok());
    ASSERT_TRUE(write_file(folder_ / "q/model.safetensors", *read_file(folder_ / "other.safetensors")).ok());
  }
  void rewrite(const std::string& name, const std::function<void(TensorEntry&)>& change) {
    rewrite([&](std::vector<TensorEntry>& tensors) {
      for (TensorEntry& tensor : tensors) {
        if (tensor.name == name) return change(tensor);
      }
      FAIL() << "no tensor " << name;
    });
  }
  TestFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Bits, QuantizedFolder, testing::Values(WeightType::kInt8, WeightType::kInt4),
                         [](const auto& info) { return fmt::format("int{}", bits_of(info.param)); });

TEST_P(QuantizedFolder, GivesTheBitsOfQuantisingOnLoad) {
  for (const Kernels* k : tables()) {
    const auto ahead = load(folder_ / "q", *k, {.serving_only = true});
    const auto on_load = load(folder_ / "plain", *k, {.serving_only = true, .weights = GetParam()});
    EXPECT_TRUE(logits_of(*ahead) == logits_of(*on_load)) << k->name;
  }
  EXPECT_TRUE(file_exists(folder_ / "q/tokenizer.json"));
}

TEST_P(QuantizedFolder, IsInCompressedTensorsForm) {
  const auto file = SafetensorsFile::open(folder_ / "q/model.safetensors");
  ASSERT_TRUE(file.ok());
  const bool int4 = GetParam() == WeightType::kInt4;
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  EXPECT_EQ(file->find(name), nullptr);
  const TensorEntry* packed = file->find(name + "_packed");
  ASSERT_NE(packed, nullptr);
  EXPECT_EQ(packed->shape, (std::vector<int64_t>{128, int4 ? 32 : 64}));
  EXPECT_EQ(file->find(name + "_scale")->shape, (std::vector<int64_t>{128, int4 ? 8 : 4}));
  EXPECT_NE(file->find("lm_head.weight"), nullptr);
  EXPECT_NE(file->find("model.embed_tokens.weight"), nullptr);
  const auto config = nlohmann::json::parse(*read_file(folder_ / "q/config.json"));
  const auto& q = config.at("quantization_config");
  EXPECT_EQ(q.at("quant_method"), "compressed-tensors");
  EXPECT_EQ(q.at("config_groups").at("group_0").at("weights").at("num_bits"), int4 ? 4 : 8);
  EXPECT_EQ(q.at("ignore"), nlohmann::json::array({"lm_head"}));
  // The first value by the format's own words: lowest bits first, half the range added.
  const auto plain = SafetensorsFile::open(folder_ / "plain/model.safetensors");
  BF16 value, scale;
  std::memcpy(&value, plain->find(name)->bytes.data(), 2);
  std::memcpy(&scale, file->find(name + "_scale")->bytes.data(), 2);
  const int code = int4 ? packed->bytes[0] & 15 : packed->bytes[0];
  EXPECT_NEAR(to_float(scale) * static_cast<float>(code - (int4 ? 8 : 128)), to_float(value),
              std::abs(to_float(scale)) * 1.01f);
}

TEST_P(QuantizedFolder, LargerGroupsAndWholeRows) {
  // As another program may have it: one scale for a row of down_proj (256 values).
  const std::string bits = fmt::format("\"group_size\": {}", group_length(GetParam()));
  std::vector<std::vector<uint8_t>> memory;
  for (const auto& [text, group] :
       {std::pair<std::string, int64_t>{"\"group_size\": 256", 256}, {"\"group_size\": null", 0}}) {
    ASSERT_TRUE(quantize_model_folder(folder_ / "plain", folder_ / "q", GetParam()).ok());
    replace_in_config(bits, text);
    if (group == 0) replace_in_config("\"strategy\": \"group\"", "\"strategy\": \"channel\"");
    rewrite([&](std::vector<TensorEntry>& tensors) {
      for (TensorEntry& t : tensors) {
        if (!t.name.ends_with("_scale")) continue;
        t.shape[1] = 1;
        memory.emplace_back(static_cast<size_t>(t.shape[0]) * 2);
        for (size_t i = 0; i < memory.back().size(); i += 2) {
          const BF16 one = to_bf16(0.01f);
          std::memcpy(memory.back().data() + i, &one, 2);
        }
        t.bytes = memory.back();
      }
    });
    EXPECT_EQ(error(), "loaded");
  }
}

TEST_P(QuantizedFolder, IsForServingOnly) {
  EXPECT_THAT(error({}), AllOf(HasSubstr(folder_ / "q"), HasSubstr("quantised to"), HasSubstr("not trained on")));
  EXPECT_EQ(error({.serving_only = true, .weights = GetParam()}), "loaded");
  const WeightType other = GetParam() == WeightType::kInt4 ? WeightType::kInt8 : WeightType::kInt4;
  EXPECT_THAT(error({.serving_only = true, .weights = other}), HasSubstr("were asked for"));
  const Status again = quantize_model_folder(folder_ / "q", folder_ / "r", GetParam());
  EXPECT_THAT(again.error(), HasSubstr("quantised already"));
  const Status same = quantize_model_folder(folder_ / "plain", folder_ / "plain", GetParam());
  EXPECT_THAT(same.error(), HasSubstr("another folder"));
}

TEST_P(QuantizedFolder, TablesWithoutQuantisedWeightsSaySo) {
  Kernels table = *tables().back();
  table.quantized_weights = false;
  const auto model = load_model(folder_ / "q", table, {.serving_only = true});
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error(), HasSubstr("kernels have none"));
}

TEST_P(QuantizedFolder, BadConfigs) {
  const std::string original = *read_file(folder_ / "q/config.json");
  const std::string size = fmt::format("\"group_size\": {}", group_length(GetParam()));
  const std::string bits = fmt::format("\"num_bits\": {}", bits_of(GetParam()));
  const struct {
    std::string from, to, message;
  } cases[] = {
      {"\"compressed-tensors\"", "\"gptq\"", "\"quant_method\": found \"gptq\", expected \"compressed-tensors\""},
      {"\"pack-quantized\"", "\"int-quantized\"", "\"format\": found \"int-quantized\""},
      {bits, "\"num_bits\": 3", "\"num_bits\": found 3, expected 4 or 8"},
      {bits, "\"num_bits\": \"4\"", "\"num_bits\": found \"4\""},
      {"\"symmetric\": true", "\"symmetric\": false", "\"symmetric\": found false"},
      {size, "\"group_size\": 24", "\"group_size\": found 24, expected a multiple of"},
      {size, "\"group_size\": 0", "\"group_size\": found 0"},
      {size, "\"group_size\": -64", "\"group_size\": found -64"},
      {size, "\"group_size\": 1e300", "\"group_size\": found 1e+300"},
      {size, "\"group_size\": 64.5", "\"group_size\": found 64.5"},
      {"\"strategy\": \"group\"", "\"strategy\": \"tensor\"", "\"strategy\": found \"tensor\""},
      {"\"input_activations\": null", "\"input_activations\": {}", "\"input_activations\": found {}"},
      {"\"config_groups\": {", "\"config_groups\": {\"group_1\": {},", "\"config_groups\": found"},
      {"\"config_groups\"", "\"config_group\"", "\"config_groups\": found nothing"},
      {"\"quantization_config\": {", "\"quantization_config\": 5, \"other\": {", "found 5, expected an object"},
      {"\"quantization_config\"", "\"other\"", "\"model.layers.0.self_attn.q_proj.weight\" [128, 128] is missing"},
  };
  for (const auto& c : cases) {
    ASSERT_TRUE(write_file(folder_ / "q/config.json", original).ok());
    replace_in_config(c.from, c.to);
    EXPECT_THAT(error(), AllOf(HasSubstr(folder_ / "q"), HasSubstr(c.message))) << c.to;
  }
}

TEST_P(QuantizedFolder, BadTensors) {
  const std::string good = *read_file(folder_ / "q/model.safetensors");
  const std::string name = "model.layers.1.self_attn.k_proj.weight";
  const auto remove = [&](const std::string& gone) {
    rewrite([&](auto& tensors) { std::erase_if(tensors, [&](const TensorEntry& t) { return t.name == gone; }); });
  };
  const int64_t wrong_shape[2] = {64, 127};
  const BF16 infinite[64 * 4] = {to_bf16(INFINITY)};
  const struct {
    std::function<void()> break_it;
    const char* message;
  } cases[] = {
      {[&] { remove(name + "_scale"); }, "k_proj.weight_scale\" [64, "},
      {[&] { remove(name + "_shape"); }, "k_proj.weight_shape\" [2] is missing"},
      {[&] { remove(name + "_packed"); }, "k_proj.weight\" [64, 128] is missing"},
      {[&] { rewrite(name + "_packed", [](auto& t) { std::swap(t.shape[0], t.shape[1]); }); },
       "k_proj.weight_packed\": found shape"},
      {[&] { rewrite(name + "_packed", [](auto& t) { t.dtype = "F32"; }); }, "found dtype F32, expected I32"},
      {[&] { rewrite(name + "_scale", [](auto& t) { std::swap(t.shape[0], t.shape[1]); }); },
       "k_proj.weight_scale\": found shape"},
      {[&] { rewrite(name + "_scale", [](auto& t) { t.dtype = "I16"; }); }, "k_proj.weight_scale\": found dtype I16"},
      {[&] {
         rewrite(name + "_scale", [&](auto& t) {
           t.bytes = {reinterpret_cast<const uint8_t*>(infinite), t.bytes.size()};
         });
       },
       "k_proj.weight_scale\" has a scale of inf"},
      {[&] {
         rewrite(name + "_shape", [&](auto& t) { t.bytes = {reinterpret_cast<const uint8_t*>(wrong_shape), 16}; });
       },
       "k_proj.weight_shape\": found [64, 127], config.json asks for [64, 128]"},
      {[&] {
         rewrite([&](auto& tensors) {
           tensors.push_back(tensors.back());
           tensors.back().name = name + "_g_idx";
         });
       },
       "k_proj.weight_g_idx\""},
  };
  for (const auto& c : cases) {
    ASSERT_TRUE(write_file(folder_ / "q/model.safetensors", good).ok());
    c.break_it();
    EXPECT_THAT(error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(c.message)));
  }
}

TEST_P(QuantizedFolder, OneProductIsOfOneType) {
  const auto plain = SafetensorsFile::open(folder_ / "plain/model.safetensors");
  const std::string name = "model.layers.0.self_attn.v_proj.weight";
  rewrite([&](auto& tensors) {
    std::erase_if(tensors, [&](const TensorEntry& t) { return t.name.starts_with(name); });
    tensors.push_back(*plain->find(name));
  });
  EXPECT_THAT(error(), AllOf(HasSubstr("v_proj"), HasSubstr("expected both or neither")));
  const std::string output = "model.layers.0.self_attn.o_proj.weight";
  ASSERT_TRUE(quantize_model_folder(folder_ / "plain", folder_ / "q", GetParam()).ok());
  rewrite([&](auto& tensors) {
    std::erase_if(tensors, [&](const TensorEntry& t) { return t.name.starts_with(output); });
    tensors.push_back(*plain->find(output));
  });
  EXPECT_EQ(error(), "loaded");
}

TEST(ServingModel, ShortRowsKeepEightBits) {
  TestFolder folder;
  ModelConfig c = config_for_test(true);
  c.hidden_size = 64;
  c.intermediate_size = 120;
  save_random(c, folder / "plain");
  const Kernels& k = *tables().back();
  // All rows but those of the attention's output, of 128.
  const auto int4 = logits_of(*load(folder / "plain", k, {.serving_only = true, .weights = WeightType::kInt4}));
  const auto int8 = logits_of(*load(folder / "plain", k, {.serving_only = true, .weights = WeightType::kInt8}));
  EXPECT_LT(relative_error(int4, int8), 0.2);
  EXPECT_GT(relative_error(int4, int8), 0);
  ASSERT_TRUE(quantize_model_folder(folder / "plain", folder / "q", WeightType::kInt4).ok());
  EXPECT_THAT(*read_file(folder / "q/config.json"), HasSubstr("\"model.layers.0.self_attn.q_proj\""));
}

TEST(QuantizeModelFolder, RowsThatEndWithinAGroupStay) {
  TestFolder folder;
  ModelConfig c = config_for_test(true);
  c.intermediate_size = 90;
  save_random(c, folder / "plain");
  ASSERT_TRUE(quantize_model_folder(folder / "plain", folder / "q", WeightType::kInt8).ok());
  EXPECT_THAT(*read_file(folder / "q/config.json"), HasSubstr("\"model.layers.1.mlp.down_proj\""));
  const auto model = load(folder / "q", *tables().back(), {.serving_only = true});
  const auto exact = load(folder / "plain", *tables().back(), {.serving_only = true});
  EXPECT_LT(relative_error(logits_of(*model), logits_of(*exact)), 0.03);
}

}  // namespace
}  // namespace loquat
