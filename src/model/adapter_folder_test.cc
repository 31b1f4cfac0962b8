// Adapters' folders as PEFT has them: round trips, merging, sharing of bases, and a refusal of what does not fit that
// names file and field.
#include "model/adapter_folder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "model/base_pool.h"
#include "store/files.h"
#include "store/safetensors.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

ModelConfig config_for_test() {
  ModelConfig c;
  c.vocab_size = 23;
  c.hidden_size = 24;
  c.num_layers = 2;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 6;
  c.intermediate_size = 20;
  c.max_positions = 32;
  return c;
}

void randomize(Model& model, uint64_t seed) {
  Rng rng(seed, "adapter folder");
  model.for_each_param([&](const Param& p) {
    for (int64_t i = 0; i < p.size; ++i)
      p.value[i] = static_cast<float>((p.shape.size() == 1 ? 1 : 0) + 0.3 * rng.normal());
  });
  model.refresh();
}

std::vector<float> outputs_of(Model& model) {
  Batch batch;
  batch.add(std::vector<int32_t>{1, 2, 3, 7, 20});
  const Mat hidden = model.forward(batch);
  const std::vector<int64_t> rows = {0, 1, 2, 3, 4};
  if (model.config().head == HeadKind::kScore) return model.scores(hidden, rows);
  std::vector<float> logits(5 * static_cast<size_t>(model.config().vocab_size));
  model.logits(hidden, rows, logits.data());
  return logits;
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
}

// A base in a folder, and adapters over it.
class AdapterFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    Model base(config_for_test(), kernels(), DType::kF32, false);
    randomize(base, 1);
    ASSERT_TRUE(save_model(base, folder_ / "base").ok());
  }
  static const Kernels& kernels() { return *all_kernels().front(); }
  LoadOptions options(HeadKind head = HeadKind::kLanguage) {
    LoadOptions load;
    load.compute = DType::kF32;
    load.head = head;
    load.allow_new_head = true;
    load.bases = &pool_;
    return load;
  }
  std::unique_ptr<Model> new_adapter(HeadKind head, bool dora) {
    LoadOptions load = options(head);
    load.with_gradients = true;
    load.lora.rank = 3;
    load.lora.alpha = 4.5;
    load.lora.targets = *lora_targets({"q_proj", "v_proj", "down_proj"});
    load.lora.dora = dora;
    auto model = load_model(folder_ / "base", kernels(), load);
    EXPECT_TRUE(model.ok()) << model.error();
    randomize(**model, 2);
    return std::move(*model);
  }
  // Saves an adapter as "a", changes its configuration, and says why it cannot be loaded.
  std::string error_with(const std::function<void(json&)>& change) {
    EXPECT_TRUE(save_model(*new_adapter(HeadKind::kLanguage, false), folder_ / "a").ok());
    json config = json::parse(*read_file(config_path()));
    change(config);
    EXPECT_TRUE(write_file(config_path(), config.dump()).ok());
    return error_of_loading();
  }
  // The same after a change of its tensors.
  std::string error_with_tensors(const std::function<void(std::vector<TensorEntry>&)>& change) {
    EXPECT_TRUE(save_model(*new_adapter(HeadKind::kLanguage, false), folder_ / "a").ok());
    const auto file = SafetensorsFile::open(folder_ / "a/adapter_model.safetensors");
    std::vector<TensorEntry> tensors = file->tensors();
    change(tensors);
    EXPECT_TRUE(write_safetensors(folder_ / "a/adapter_model.safetensors", tensors, {}).ok());
    return error_of_loading();
  }
  // A check without reading weights says the same.
  std::string error_of_loading() {
    const auto model = load_model(folder_ / "a", kernels(), options());
    LoadOptions served = options();
    served.serving_only = true;
    const Status checked = check_model_folder(folder_ / "a", kernels(), served);
    EXPECT_EQ(checked.ok() ? "" : checked.error(), model.ok() ? "" : model.error());
    return model.ok() ? "loaded" : model.error();
  }
  std::string config_path() const { return folder_ / "a/adapter_config.json"; }

  TestFolder folder_;
  BasePool pool_{kernels(), DType::kF32, WeightType::kCompute, true};
};

TEST_F(AdapterFolderTest, ComesBackInTheSameBytesAndMerges) {
  for (const HeadKind head : {HeadKind::kLanguage, HeadKind::kScore}) {
    for (const bool dora : {false, true}) {
      SCOPED_TRACE(dora);
      const auto model = new_adapter(head, dora);
      const std::vector<float> expected = outputs_of(*model);
      ASSERT_TRUE(save_model(*model, folder_ / "a").ok());
      EXPECT_FALSE(file_exists(folder_ / "a/model.safetensors"));
      const auto config = read_model_config(folder_ / "a");
      ASSERT_TRUE(config.ok()) << config.error();
      EXPECT_EQ(config->head, head);

      const auto again = load_model(folder_ / "a", kernels(), options(head));
      ASSERT_TRUE(again.ok()) << again.error();
      EXPECT_EQ((*again)->base(), model->base()) << "the base is held twice";
      EXPECT_EQ(outputs_of(**again), expected);
      ASSERT_TRUE(save_model(**again, folder_ / "b").ok());
      for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
        EXPECT_EQ(*read_file(folder_ / (std::string("b/") + name)), *read_file(folder_ / (std::string("a/") + name)));

      // Without a pool: over a base of its own, or, to be trained, merged.
      LoadOptions own = options(head);
      own.bases = nullptr;
      const auto served = load_model(folder_ / "a", kernels(), own);
      ASSERT_TRUE(served.ok()) << served.error();
      EXPECT_EQ(outputs_of(**served), expected);
      own.with_gradients = true;
      const auto merged = load_model(folder_ / "a", kernels(), own);
      ASSERT_TRUE(merged.ok()) << merged.error();
      EXPECT_EQ((*merged)->base(), nullptr);
      expect_near(outputs_of(**merged), expected, 2e-4);
      ASSERT_TRUE(save_model(**merged, folder_ / "merged").ok());
      own.with_gradients = false;
      const auto whole = load_model(folder_ / "merged", kernels(), own);
      ASSERT_TRUE(whole.ok()) << whole.error();
      expect_near(outputs_of(**whole), expected, 2e-4);
    }
  }
}

TEST_F(AdapterFolderTest, ACopyNamesTheSameBase) {
  const auto model = new_adapter(HeadKind::kLanguage, false);
  ASSERT_TRUE(save_model(*model, folder_ / "a").ok());
  ASSERT_TRUE(copy_adapter_folder(folder_ / "a", folder_ / "deep/er/copy").ok());
  const auto copy = load_model(folder_ / "deep/er/copy", kernels(), options());
  ASSERT_TRUE(copy.ok()) << copy.error();
  EXPECT_EQ((*copy)->base(), model->base());
  EXPECT_EQ(outputs_of(**copy), outputs_of(*model));
}

// The base has another's weights, of the same shapes: it opens, and says so; not where they are a copy in another form.
TEST_F(AdapterFolderTest, ABaseOfOtherWeightsIsSaid) {
  ASSERT_TRUE(save_model(*new_adapter(HeadKind::kLanguage, false), folder_ / "a").ok());
  const auto said = [&] {
    const std::string log = folder_ / "log";
    const int file = ::open(log.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    set_log_output(file, false);
    LoadOptions load = options();
    load.bases = nullptr;
    EXPECT_TRUE(load_model(folder_ / "a", kernels(), load).ok());
    load.serving_only = true;
    EXPECT_TRUE(check_model_folder(folder_ / "a", kernels(), load).ok());
    EXPECT_TRUE(merge_adapter_folder(folder_ / "a", folder_ / "merged", kernels(), DType::kF32).ok());
    set_log_output(STDERR_FILENO, false);
    ::close(file);
    const std::string text = *read_file(log);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), text.empty() ? 0 : 3) << text;
    return text;
  };
  EXPECT_EQ(said(), "");
  Model base(config_for_test(), kernels(), DType::kF32, false);
  randomize(base, 1);
  ASSERT_TRUE(save_model(base, folder_ / "base", DType::kBF16).ok());
  EXPECT_EQ(said(), "");
  const auto whole = *SafetensorsFile::open(folder_ / "base/model.safetensors");
  ASSERT_TRUE(write_safetensors_folder(folder_ / "base", whole.tensors(), {}, 6000).ok());
  ASSERT_TRUE(file_exists(folder_ / "base/model.safetensors.index.json"));
  EXPECT_EQ(said(), "");

  // One matrix moved, as a merged adapter would: norms and embeddings are those of before.
  base.for_each_param([&](const Param& p) {
    for (int64_t i = 0; p.name.ends_with("1.mlp.down_proj.weight") && i < p.size; ++i) p.value[i] += 0.01f;
  });
  ASSERT_TRUE(save_model(base, folder_ / "base").ok());
  EXPECT_THAT(said(), AllOf(HasSubstr((folder_ / "a") + ": the adapter was trained over another base"),
                            HasSubstr("base_model_name_or_path")));
  const auto own = *SafetensorsFile::open(folder_ / "a/adapter_model.safetensors");
  ASSERT_TRUE(write_safetensors(folder_ / "a/adapter_model.safetensors", own.tensors(), {{"format", "pt"}}).ok());
  EXPECT_EQ(said(), "");  // another program's adapter
}

// A reward model's own head goes on under a new adapter.
TEST_F(AdapterFolderTest, ABasesScoreHeadIsKept) {
  ModelConfig c = config_for_test();
  c.head = HeadKind::kScore;
  Model reward(c, kernels(), DType::kF32, false);
  randomize(reward, 4);
  ASSERT_TRUE(save_model(reward, folder_ / "reward").ok());
  LoadOptions load = options(HeadKind::kScore);
  const auto frozen = load_model(folder_ / "reward", kernels(), load);
  ASSERT_TRUE(frozen.ok()) << frozen.error();
  EXPECT_EQ(outputs_of(**frozen), outputs_of(reward));
  load.with_gradients = true;
  load.lora.rank = 2;
  load.lora.targets = lora_modules();
  const auto adapted = load_model(folder_ / "reward", kernels(), load);
  ASSERT_TRUE(adapted.ok()) << adapted.error();
  EXPECT_EQ(outputs_of(**adapted), outputs_of(reward));
}

TEST_F(AdapterFolderTest, MergesIntoAPlainFolder) {
  const auto model = new_adapter(HeadKind::kScore, false);
  ASSERT_TRUE(save_model(*model, folder_ / "a").ok());
  ASSERT_TRUE(write_file(folder_ / "a/reward.json", "{}").ok());
  ASSERT_TRUE(write_file(folder_ / "base/tokenizer.json", "[]").ok());
  ASSERT_TRUE(merge_adapter_folder(folder_ / "a", folder_ / "whole", kernels(), DType::kF32).ok());
  EXPECT_FALSE(is_adapter_folder(folder_ / "whole"));
  EXPECT_TRUE(file_exists(folder_ / "whole/reward.json"));
  EXPECT_TRUE(file_exists(folder_ / "whole/tokenizer.json"));
  const auto whole = load_model(folder_ / "whole", kernels(), {.compute = DType::kF32, .head = HeadKind::kScore});
  ASSERT_TRUE(whole.ok()) << whole.error();
  expect_near(outputs_of(**whole), outputs_of(*model), 2e-4);
  EXPECT_FALSE(merge_adapter_folder(folder_ / "base", folder_ / "x", kernels(), DType::kF32).ok());
  EXPECT_THAT(merge_adapter_folder(folder_ / "none", folder_ / "x", kernels(), DType::kF32).error(),
              HasSubstr("there is no such folder"));
  EXPECT_FALSE(merge_adapter_folder(folder_ / "a", folder_ / "base", kernels(), DType::kF32).ok());
}

// Their biases bear the projections' names too.
TEST_F(AdapterFolderTest, MergesOverABaseWithBiases) {
  for (const char* type : {"qwen2", "gpt2"}) {
    SCOPED_TRACE(type);
    const bool gpt2 = type == std::string("gpt2");
    const json sizes = {{"model_type", type},
                        {"vocab_size", 23},
                        {gpt2 ? "n_embd" : "hidden_size", 24},
                        {gpt2 ? "n_inner" : "intermediate_size", 20},
                        {gpt2 ? "n_layer" : "num_hidden_layers", 2},
                        {gpt2 ? "n_head" : "num_attention_heads", 4},
                        {gpt2 ? "n_positions" : "max_position_embeddings", 32}};
    const auto config = ModelConfig::from_json(sizes.dump(), type);
    ASSERT_TRUE(config.ok()) << config.error();
    Model base(*config, kernels(), DType::kF32, false);
    randomize(base, 1);
    ASSERT_TRUE(save_model(base, folder_ / type).ok());
    LoadOptions load = options();
    load.with_gradients = true;
    load.lora.rank = 3;
    load.lora.targets = *lora_targets({"q_proj", "o_proj", "up_proj"});
    const auto adapter = load_model(folder_ / type, kernels(), load);
    ASSERT_TRUE(adapter.ok()) << adapter.error();
    randomize(**adapter, 2);
    const std::string saved = folder_ / (std::string(type) + "-adapter"), whole = saved + "-merged";
    ASSERT_TRUE(save_model(**adapter, saved).ok());
    const Status merged = merge_adapter_folder(saved, whole, kernels(), DType::kF32);
    ASSERT_TRUE(merged.ok()) << merged.error();
    const auto model = load_model(whole, kernels(), {.compute = DType::kF32});
    ASSERT_TRUE(model.ok()) << model.error();
    expect_near(outputs_of(**model), outputs_of(**adapter), 2e-4);
  }
}

TEST_F(AdapterFolderTest, HasThePartsOfPeft) {
  ASSERT_TRUE(save_model(*new_adapter(HeadKind::kScore, true), folder_ / "deep/a").ok());
  const json config = json::parse(*read_file(folder_ / "deep/a/adapter_config.json"));
  EXPECT_EQ(config["peft_type"], "LORA");
  EXPECT_EQ(config["task_type"], "SEQ_CLS");
  EXPECT_EQ(config["r"], 3);
  EXPECT_EQ(config["lora_alpha"], 4.5);
  EXPECT_EQ(config["target_modules"], json::array({"q_proj", "v_proj", "down_proj"}));
  EXPECT_EQ(config["use_dora"], true);
  EXPECT_EQ(config["modules_to_save"], json::array({"score"}));
  EXPECT_EQ(config["base_model_name_or_path"], "../../base");
  const auto file = SafetensorsFile::open(folder_ / "deep/a/adapter_model.safetensors");
  ASSERT_TRUE(file.ok()) << file.error();
  EXPECT_EQ(file->tensors().size(), 2u * 3 * 3 + 1);
  const std::string layer = "base_model.model.model.layers.1.";
  const auto shape_of = [&](const std::string& name) {
    const TensorEntry* tensor = file->find(name);
    return tensor == nullptr ? std::vector<int64_t>{} : tensor->shape;
  };
  EXPECT_THAT(shape_of(layer + "self_attn.v_proj.lora_A.weight"), testing::ElementsAre(3, 24));
  EXPECT_THAT(shape_of(layer + "self_attn.v_proj.lora_B.weight"), testing::ElementsAre(12, 3));
  EXPECT_THAT(shape_of(layer + "mlp.down_proj.lora_magnitude_vector"), testing::ElementsAre(24));
  EXPECT_THAT(shape_of("base_model.model.score.weight"), testing::ElementsAre(1, 24));
}

TEST_F(AdapterFolderTest, ALanguageAdapterUnderANewScoreHead) {
  ASSERT_TRUE(save_model(*new_adapter(HeadKind::kLanguage, false), folder_ / "a").ok());
  LoadOptions load = options(HeadKind::kScore);
  load.with_gradients = true;
  const auto model = load_model(folder_ / "a", kernels(), load);
  ASSERT_TRUE(model.ok()) << model.error();
  EXPECT_EQ((*model)->config().head, HeadKind::kScore);
  load.allow_new_head = false;
  EXPECT_FALSE(load_model(folder_ / "a", kernels(), load).ok());
}

TEST_F(AdapterFolderTest, AnAdapterThatIsTrainedOnKeepsItsShape) {
  ASSERT_TRUE(save_model(*new_adapter(HeadKind::kLanguage, false), folder_ / "a").ok());
  LoadOptions load = options();
  load.with_gradients = true;
  load.lora.rank = 5;
  load.lora.targets = lora_modules();
  const auto model = load_model(folder_ / "a", kernels(), load);
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error(), AllOf(HasSubstr("rank 3"), HasSubstr("rank 5")));
}

TEST_F(AdapterFolderTest, WrongConfigurationsAreNamed) {
  const std::string path = config_path();
  const auto expect_error = [&](const char* key, const json& value) {
    EXPECT_THAT(error_with([&](json& c) { c[key] = value; }),
                AllOf(HasSubstr(path), HasSubstr(std::string("\"") + key + "\""), HasSubstr("expected")))
        << key;
  };
  EXPECT_EQ(error_with([](json&) {}), "loaded");
  expect_error("peft_type", "IA3");
  expect_error("task_type", "TOKEN_CLS");
  expect_error("r", 0);
  expect_error("r", "three");
  expect_error("lora_alpha", nullptr);
  expect_error("target_modules", json::array({"q_proj", "c_attn"}));
  expect_error("target_modules", 3);
  expect_error("use_dora", "yes");
  expect_error("bias", "all");
  expect_error("rank_pattern", json{{"q_proj", 8}});
  expect_error("modules_to_save", json::array({"embed_tokens"}));
  expect_error("layers_to_transform", json::array({1}));
  expect_error("base_model_name_or_path", "meta/none");
  expect_error("base_model_name_or_path", nullptr);
  EXPECT_THAT(error_with([](json& c) { c = 3; }), HasSubstr(path));
}

TEST_F(AdapterFolderTest, WrongTensorsAreNamed) {
  const std::string name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
  const auto of = [&](std::vector<TensorEntry>& tensors) {
    return std::find_if(tensors.begin(), tensors.end(), [&](const TensorEntry& t) { return t.name == name; });
  };
  EXPECT_THAT(error_with_tensors([&](auto& t) { t.erase(of(t)); }),
              AllOf(HasSubstr("adapter_model.safetensors"), HasSubstr(name), HasSubstr("missing")));
  EXPECT_THAT(error_with_tensors([&](auto& t) {
                of(t)->shape = {24, 3};
              }),
              AllOf(HasSubstr(name), HasSubstr("[24, 3]"), HasSubstr("[3, 24]")));
  EXPECT_THAT(error_with_tensors([&](auto& t) { of(t)->dtype = "I32"; }), AllOf(HasSubstr(name), HasSubstr("I32")));
  EXPECT_THAT(error_with_tensors([&](auto& t) {
                t.push_back(*of(t));
                t.back().name = "base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight";
              }),
              AllOf(HasSubstr("layers.7"), HasSubstr("does not belong")));
  // Another rank than the tensors have.
  EXPECT_THAT(error_with([](json& c) { c["r"] = 4; }), AllOf(HasSubstr("[3, 24]"), HasSubstr("[4, 24]")));
  // A base of other sizes.
  ModelConfig other = config_for_test();
  other.intermediate_size = 22;
  Model base(other, kernels(), DType::kF32, false);
  base.init(Rng(1));
  ASSERT_TRUE(save_model(base, folder_ / "other").ok());
  EXPECT_THAT(error_with([&](json& c) { c["base_model_name_or_path"] = folder_ / "other"; }),
              AllOf(HasSubstr("down_proj"), HasSubstr("[3, 20]"), HasSubstr("[3, 22]"), HasSubstr("other")));
}

TEST_F(AdapterFolderTest, QuantisedBasesAreTrainedOver) {
  BasePool quantized(*all_kernels().back(), DType::kF32, WeightType::kInt8, true);
  if (!all_kernels().back()->quantized_weights) GTEST_SKIP();
  LoadOptions load = options();
  load.bases = &quantized;
  load.with_gradients = true;
  load.lora.rank = 4;
  load.lora.targets = lora_modules();
  const auto model = load_model(folder_ / "base", *all_kernels().back(), load);
  ASSERT_TRUE(model.ok()) << model.error();
  Batch batch;
  batch.add(std::vector<int32_t>{1, 2, 3, 7, 20});
  const std::vector<int64_t> rows = {0, 1, 2, 3};
  const std::vector<int32_t> targets = {2, 3, 7, 20};
  const std::vector<float> slopes(4, -1.0f);
  double first = 0, last = 0;
  for (int step = 0; step < 20; ++step) {  // plain descent
    const Mat hidden = (*model)->forward(batch, {.keep_for_backward = true});
    const auto now = (*model)->likelihood_backward(hidden, rows, targets, slopes);
    last = 0;
    for (const float l : now.logprobs.logprob) last -= l;
    if (step == 0) first = last;
    (*model)->zero_grads();
    (*model)->backward(batch, now.dhidden);
    const auto values = (*model)->values(), grads = (*model)->grads();
    for (size_t i = 0; i < values.size(); ++i) values[i] -= 0.01f * grads[i];
    (*model)->refresh();
  }
  EXPECT_LT(last, 0.8 * first);
}

}  // namespace
}  // namespace loquat
