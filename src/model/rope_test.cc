// Rotary positions against a reference of others.
#include "model/rope.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "model/course_snapshots_for_test.h"
#include "model/model_for_test.h"

namespace loquat {
namespace {

// There neighbours rotate together, here (as in Hugging Face's files) a number and the one half a head further.
TEST(Rope, ReproducesTheCoursesSnapshot) {
  const std::string path = course_snapshot("test_rope");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no snapshot at hand";
  constexpr int64_t kSequences = 4, kPositions = 12, kHead = 64, kRows = kSequences * kPositions;
  const std::vector<float> expected = read_npz(path);
  ASSERT_EQ(expected.size(), static_cast<size_t>(kRows * kHead));
  const std::vector<float> given = TorchRandom(4).normal(expected.size());
  ModelConfig config = small_config();
  config.head_dim = kHead;
  config.rope_theta = 10000;
  const std::vector<float> table = rope_table(config, LayerRope::kGlobal);
  const auto place = [](int64_t i) { return i % 2 * (kHead / 2) + i / 2; };
  std::vector<int32_t> positions(kRows);
  for (int64_t row = 0; row < kRows; ++row) positions[row] = static_cast<int32_t>(row % kPositions);
  for (const Kernels* kernels : all_cpu_kernels()) {
    SCOPED_TRACE(kernels->name);
    std::vector<float> x(expected.size());
    for (int64_t i = 0; i < kRows * kHead; ++i) x[i - i % kHead + place(i % kHead)] = given[i];
    kernels->rope(Mat{x.data(), kRows, kHead, kHead, DType::kF32}, kHead, kHead, positions.data(), table.data(), false);
    for (int64_t i = 0; i < kRows * kHead; ++i)
      ASSERT_NEAR(x[i - i % kHead + place(i % kHead)], expected[i], 2e-6) << i;
  }
}

}  // namespace
}  // namespace loquat
