// Every benchmark on a model so small that it takes no time. No test depends on how long anything took.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/threads.h"
#include "measure/bench.h"
#include "measure/noise.h"
#include "measure/peak.h"

namespace loquat::measure {
namespace {

BenchOptions tiny_options(DType compute) {
  BenchOptions options;
  options.params = "tiny";
  options.compute = compute;
  options.batch = 3;
  options.seconds = 0.01;
  ModelConfig& config = options.config;
  config.vocab_size = 64;
  config.hidden_size = 32;
  config.num_layers = 2;
  config.num_heads = 2;
  config.num_kv_heads = 1;
  config.head_dim = 16;
  config.intermediate_size = 48;
  config.max_positions = 24;
  return options;
}

void expect_sound(const nlohmann::json& j, const std::string& benchmark) {
  ASSERT_FALSE(j["lines"].empty());
  for (const auto& line : j["lines"]) {
    EXPECT_EQ(line["benchmark"], benchmark);
    EXPECT_FALSE(line["name"].get<std::string>().empty());
    EXPECT_FALSE(line["unit"].get<std::string>().empty());
    for (const char* key : {"figure", "operations", "bytes", "floor_seconds_compute", "floor_seconds_memory", "seconds",
                            "share_of_floor", "tokens_per_second", "flops_per_token", "repetitions"}) {
      ASSERT_TRUE(line[key].is_number()) << line["name"] << " " << key;
      EXPECT_TRUE(std::isfinite(line[key].get<double>())) << line["name"] << " " << key;
      EXPECT_GT(line[key].get<double>(), 0) << line["name"] << " " << key;
    }
  }
  for (const char* key : {"tokens_per_second", "flops_per_token", "share_of_floor"})
    EXPECT_EQ(j[key], j["lines"][0][key]);
  EXPECT_GT(j["probe"]["peak"]["operations_per_second"].get<double>(), 0);
  ASSERT_FALSE(j["probe"]["bandwidth"].empty());
  EXPECT_GT(j["probe"]["bandwidth"][0]["bytes_per_second"].get<double>(), 0);
  EXPECT_GT(j["memory"][benchmark]["total"].get<int64_t>(), 0);
}

class EachBenchmark : public testing::TestWithParam<std::string> {};

TEST_P(EachBenchmark, SaysSoundFigures) {
  for (const DType compute : {DType::kBF16, DType::kF32}) {
    const BenchOptions options = tiny_options(compute);
    Measurements run(**best_kernels(), compute, options.seconds);
    const Status status = run_benchmark(GetParam(), options, run);
    ASSERT_TRUE(status.ok()) << status.error();
    expect_sound(nlohmann::json::parse(to_json(run)), GetParam());
    EXPECT_THAT(lines_text(run, 0), testing::HasSubstr("floor"));
    EXPECT_THAT(probe_text(run), testing::HasSubstr("bandwidth"));
  }
}
INSTANTIATE_TEST_SUITE_P(Measure, EachBenchmark, testing::ValuesIn(benchmark_names()));

TEST(Measure, QuantisedWeights) {
  for (const WeightType weights : {WeightType::kInt8, WeightType::kInt4}) {
    for (const char* name : {"prefill", "decode"}) {
      BenchOptions options = tiny_options(DType::kBF16);
      options.weights = weights;
      Measurements run(**cpu_kernels(), DType::kBF16, options.seconds, weights);
      const Status status = run_benchmark(name, options, run);
      ASSERT_TRUE(status.ok()) << status.error();
      const auto j = nlohmann::json::parse(to_json(run));
      expect_sound(j, name);
      EXPECT_EQ(j["weights"], weights == WeightType::kInt8 ? "int8" : "int4");
    }
  }
}

TEST(Measure, DecodingAfterALongPrompt) {
  BenchOptions options = tiny_options(DType::kBF16);
  options.prompt = options.config.max_positions - 8;
  Measurements run(**best_kernels(), options.compute, options.seconds);
  ASSERT_TRUE(run_benchmark("decode", options, run).ok());
  const std::string& shape = run.lines[0].shape;  // "after N tokens"
  EXPECT_GE(std::stoll(shape.substr(6)), options.prompt) << shape;
  options.prompt = options.config.max_positions;
  EXPECT_FALSE(run_benchmark("decode", options, run).ok());
}

TEST(Measure, TheReferenceIsMeasuredByItsProducts) {
  const Kernels& reference = *all_cpu_kernels().front();
  Probe probe(reference, DType::kF32, 0.001);
  EXPECT_THAT(probe.peak().what, testing::StartsWith("product"));
  EXPECT_EQ(probe.peak().best, probe.best_product().best);
}

TEST(Measure, TrainingSaysWhatTheMemoryHolds) {
  const BenchOptions options = tiny_options(DType::kBF16);
  Measurements run(**best_kernels(), options.compute, options.seconds);
  ASSERT_TRUE(run_benchmark("train", options, run).ok());
  const MemoryUse& memory = run.memory["train"];
  const int64_t values = 4 * options.config.param_count();
  EXPECT_EQ(memory.master, values);
  EXPECT_EQ(memory.gradients, values);
  EXPECT_EQ(memory.moments, 2 * values);
  // Both orientations, which may be padded.
  EXPECT_GE(memory.packed, static_cast<int64_t>(2 * weight_bytes(options.config, options.compute, true)));
  EXPECT_GE(memory.activations, static_cast<int64_t>(kept_bytes(options.config, options.compute, 3 * 24)));
  EXPECT_THAT(memory_text(memory), testing::HasSubstr("moments"));
}

TEST(Measure, MemoryIsCounted) {
  CountedKernels counted(**best_kernels());
  {
    const Buffer first(counted.table(), 1000);
    EXPECT_EQ(counted.held(), 1000);
    const Buffer second(counted.table(), 500);
    EXPECT_EQ(counted.held(), 1500);
  }
  EXPECT_EQ(counted.held(), 0);
  EXPECT_EQ(counted.most(), 1500);
}

TEST(Measure, AWorkingSetIsNoFasterThanASmallerOne) {
  Probe probe(**best_kernels(), DType::kF32, 0.001);
  probe.sample_bandwidth(1e6);
  EXPECT_GE(probe.bandwidth(1e6), probe.bandwidth(1e12));
  EXPECT_GT(probe.bandwidth(1e12), 0);
  const Floors floors = probe.floors({1e9, 1e6, 1e6});
  EXPECT_DOUBLE_EQ(floors.compute, 1e9 / probe.peak().best);
  EXPECT_DOUBLE_EQ(floors.memory, 1e6 / probe.bandwidth(1e6));
}

TEST(Measure, PeakLoopsEnd) {
  for (const Kernels* table : all_cpu_kernels()) {
    for (const DType compute : {DType::kBF16, DType::kF32}) {
      for (const WeightType weights : {WeightType::kCompute, WeightType::kInt8}) {
        const PeakLoop loop = peak_loop(table->name, compute, weights);
        EXPECT_EQ(loop.run == nullptr, std::string(table->name) == "reference");
        if (loop.run != nullptr) loop.run(10);
      }
    }
  }
  EXPECT_EQ(peak_loop("cuda", DType::kBF16, WeightType::kCompute).run, nullptr);
}

TEST(Measure, AModelTooLargeIsRefused) {
  BenchOptions options = tiny_options(DType::kBF16);
  options.params = "huge";
  options.config.hidden_size = 1 << 14;
  options.config.head_dim = 1 << 13;
  options.config.intermediate_size = 1 << 16;
  options.config.num_layers = 100;
  const Kernels& table = *all_cpu_kernels().back();
  Measurements run(table, options.compute, options.seconds);
  for (const char* name : {"train", "prefill", "decode", "ppo"}) {
    const Status status = run_benchmark(name, options, run);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_THAT(status.error(), testing::HasSubstr("huge"));
    EXPECT_THAT(status.error(), testing::HasSubstr("--params"));
  }
}

TEST(Measure, Medians) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 3, 2}), 2.5);
  const Timing timing = timing_of({3, 1, 2});
  EXPECT_EQ(timing.seconds, 2);
  EXPECT_EQ(timing.shortest, 1);
  EXPECT_EQ(timing.repetitions, 3);
}

}  // namespace
}  // namespace loquat::measure
