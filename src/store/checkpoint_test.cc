#include "store/checkpoint.h"

#include <gtest/gtest.h>

#include "store/files.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

CheckpointState state_at(int64_t step, size_t floats = 1000) {
  CheckpointState state;
  state.step = step;
  state.texts["rng"] = std::to_string(step * 7);
  state.texts["empty"] = "";
  state.texts["bytes"] = std::string("a\0b\xff", 4);
  state.tensors["weights"].resize(floats);
  for (size_t i = 0; i < floats; ++i) state.tensors["weights"][i] = static_cast<float>(i) + static_cast<float>(step);
  state.tensors["none"] = {};
  return state;
}

void expect_same(const CheckpointState& a, const CheckpointState& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.texts, b.texts);
  EXPECT_EQ(a.tensors, b.tensors);
}

TEST(Checkpoint, AnEmptyFolderHasNone) {
  TestFolder folder;
  std::string note = "old";
  auto state = CheckpointFolder(folder / "never-made").load_newest(&note);
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->step, -1);
  EXPECT_EQ(note, "");
}

TEST(Checkpoint, TheNewestIsReadByAnotherProcess) {
  TestFolder folder;
  CheckpointFolder writer(folder / "state");
  for (int64_t step = 1; step <= 5; ++step) {
    ASSERT_TRUE(writer.save(state_at(step)).ok());
    auto state = CheckpointFolder(folder / "state").load_newest(nullptr);
    ASSERT_TRUE(state.ok());
    expect_same(*state, state_at(step));
  }
  writer.remove();
  EXPECT_EQ(CheckpointFolder(folder / "state").load_newest(nullptr)->step, -1);
}

TEST(Checkpoint, ASaveInANewProcessKeepsTheNewestFile) {
  TestFolder folder;
  for (int64_t step = 1; step <= 6; ++step) {
    ASSERT_TRUE(CheckpointFolder(folder / "state").save(state_at(step)).ok());
    // Both files now: this step and the one before.
    std::string note;
    ASSERT_EQ(CheckpointFolder(folder / "state").load_newest(&note)->step, step);
    EXPECT_EQ(note, "");
  }
}

// Damages the newest file in `damage`'s way: the one before must be used, and that must be said.
template <typename F>
void expect_previous_used(F&& damage) {
  TestFolder folder;
  CheckpointFolder writer(folder.path());
  ASSERT_TRUE(writer.save(state_at(10)).ok());
  ASSERT_TRUE(writer.save(state_at(20)).ok());
  const std::string newest = folder / "state-b";
  std::string bytes = *read_file(newest);
  damage(bytes);
  put_bytes(newest, bytes);
  std::string note;
  CheckpointFolder reader(folder.path());
  auto state = reader.load_newest(&note);
  ASSERT_TRUE(state.ok());
  expect_same(*state, state_at(10));
  EXPECT_NE(note.find(newest), std::string::npos) << note;
  EXPECT_NE(note.find("step 10"), std::string::npos) << note;
  // The next save goes over the damaged file, not over the only whole one.
  ASSERT_TRUE(reader.save(state_at(30)).ok());
  note.clear();
  EXPECT_EQ(CheckpointFolder(folder.path()).load_newest(&note)->step, 30);
  EXPECT_EQ(note, "");
}

TEST(Checkpoint, ATruncatedFileIsPassedOverAtAnyLength) {
  TestFolder folder;
  CheckpointFolder writer(folder.path());
  ASSERT_TRUE(writer.save(state_at(10, 20)).ok());
  ASSERT_TRUE(writer.save(state_at(20, 20)).ok());
  const std::string whole = *read_file(folder / "state-b");
  for (size_t size = 0; size < whole.size(); ++size) {
    put_bytes(folder / "state-b", whole.substr(0, size));
    std::string note;
    auto state = CheckpointFolder(folder.path()).load_newest(&note);
    ASSERT_TRUE(state.ok());
    ASSERT_EQ(state->step, 10) << size;
    ASSERT_NE(note, "") << size;
  }
  expect_previous_used([](std::string& bytes) { bytes.resize(bytes.size() / 2); });
}

TEST(Checkpoint, EveryFlippedByteIsFound) {
  TestFolder folder;
  CheckpointFolder writer(folder.path());
  ASSERT_TRUE(writer.save(state_at(10, 20)).ok());
  ASSERT_TRUE(writer.save(state_at(20, 20)).ok());
  const std::string whole = *read_file(folder / "state-b");
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
    put_bytes(folder / "state-b", bytes);
    auto state = CheckpointFolder(folder.path()).load_newest(nullptr);
    ASSERT_TRUE(state.ok());
    ASSERT_EQ(state->step, 10) << at;
  }
  expect_previous_used([](std::string& bytes) { bytes[bytes.size() / 2] ^= 1; });
}

TEST(Checkpoint, AppendedBytesAreFound) {
  expect_previous_used([](std::string& bytes) { bytes += '\0'; });
}

TEST(Checkpoint, BothDamagedMeansAnewAndIsSaid) {
  TestFolder folder;
  CheckpointFolder writer(folder.path());
  ASSERT_TRUE(writer.save(state_at(10)).ok());
  ASSERT_TRUE(writer.save(state_at(20)).ok());
  put_bytes(folder / "state-a", "short");
  put_bytes(folder / "state-b", std::string(1000, 'x'));
  std::string note;
  CheckpointFolder reader(folder.path());
  auto state = reader.load_newest(&note);
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->step, -1);
  EXPECT_NE(note.find("state-a"), std::string::npos);
  EXPECT_NE(note.find("state-b"), std::string::npos);
  ASSERT_TRUE(reader.save(state_at(1)).ok());
  EXPECT_EQ(CheckpointFolder(folder.path()).load_newest(nullptr)->step, 1);
}

TEST(Checkpoint, AFullDiskKeepsTheStateBefore) {
  TestFolder folder;
  CheckpointFolder writer(folder.path());
  ASSERT_TRUE(writer.save(state_at(10)).ok());
  ASSERT_TRUE(writer.save(state_at(20)).ok());
  {
    FileSizeLimit full(1 << 20);
    const Status saved = writer.save(state_at(30, 1 << 20));
    ASSERT_FALSE(saved.ok());
    EXPECT_NE(saved.error().find("state-a: cannot write"), std::string::npos) << saved.error();
  }
  EXPECT_EQ(folder.entries(), 2u);  // no temporary stays
  std::string note;
  expect_same(*CheckpointFolder(folder.path()).load_newest(&note), state_at(20));
  EXPECT_EQ(note, "");
  ASSERT_TRUE(writer.save(state_at(30)).ok());  // there is space again
  expect_same(*CheckpointFolder(folder.path()).load_newest(nullptr), state_at(30));
}

TEST(Checkpoint, AKilledSaveLeavesTheNewestWhole) {
  TestFolder folder;
  CheckpointFolder writer(folder.path());
  ASSERT_TRUE(writer.save(state_at(10)).ok());
  put_bytes(folder / ".tmp-state-b", "what a killed save had written");
  EXPECT_EQ(CheckpointFolder(folder.path()).load_newest(nullptr)->step, 10);
  ASSERT_TRUE(writer.save(state_at(20)).ok());
  EXPECT_FALSE(file_exists(folder / ".tmp-state-b"));
  EXPECT_EQ(CheckpointFolder(folder.path()).load_newest(nullptr)->step, 20);
}

}  // namespace
}  // namespace loquat
