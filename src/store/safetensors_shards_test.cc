#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "store/safetensors.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

class Shards : public testing::Test {
 protected:
  // Three tensors of 16, 8 and 40 bytes.
  void write(uint64_t max_bytes) {
    const Status written = write_safetensors_folder(folder_.path(), tensors_, {{"format", "pt"}}, max_bytes);
    ASSERT_TRUE(written.ok()) << written.error();
  }
  std::string index() { return *read_file(folder_ / "model.safetensors.index.json"); }
  void put_index(const std::string& text) { put_bytes(folder_ / "model.safetensors.index.json", text); }
  // Behind the index's path.
  std::string error() {
    const auto file = SafetensorsFile::open_folder(folder_.path());
    if (file) return "";
    const std::string path = folder_ / "model.safetensors.index.json: ";
    EXPECT_TRUE(file.error().starts_with(path)) << file.error();
    return file.error().substr(std::min(path.size(), file.error().size()));
  }

  TestFolder folder_;
  std::vector<float> values_ = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  std::span<const uint8_t> all_{reinterpret_cast<const uint8_t*>(values_.data()), 40};
  std::vector<TensorEntry> tensors_ = {
      {"b", "F32", {2, 2}, all_.first(16)}, {"a", "BF16", {4}, all_.first(8)}, {"c", "F32", {10}, all_}};
};

TEST_F(Shards, WrittenAboveASizeAndReadAsOne) {
  write(24);
  EXPECT_EQ(folder_.entries(), 3u);
  EXPECT_EQ(index(), R"({
  "metadata": {
    "total_size": 64
  },
  "weight_map": {
    "b": "model-00001-of-00002.safetensors",
    "a": "model-00001-of-00002.safetensors",
    "c": "model-00002-of-00002.safetensors"
  }
}
)");
  const auto file = SafetensorsFile::open_folder(folder_.path());
  ASSERT_TRUE(file.ok()) << file.error();
  EXPECT_EQ(file->path(), folder_ / "model.safetensors.index.json");
  EXPECT_EQ(file->metadata().at("format"), "pt");
  ASSERT_EQ(file->tensors().size(), 3u);
  for (const TensorEntry& given : tensors_) {
    const TensorEntry* t = file->find(given.name);
    ASSERT_NE(t, nullptr);
    EXPECT_EQ(t->dtype, given.dtype);
    EXPECT_EQ(t->shape, given.shape);
    EXPECT_TRUE(std::equal(t->bytes.begin(), t->bytes.end(), given.bytes.begin(), given.bytes.end()));
  }
  const auto files = safetensors_files(folder_.path());
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->size(), 3u);
}

TEST_F(Shards, TheTensorsLieInTheMappedFiles) {
  write(24);
  const auto file = SafetensorsFile::open_folder(folder_.path());
  ASSERT_TRUE(file.ok());
  const auto at = reinterpret_cast<uintptr_t>(file->find("c")->bytes.data());
  std::ifstream maps("/proc/self/maps");
  bool mapped = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) != 2 || at < begin || at >= end) continue;
    mapped = line.find("model-00002-of-00002.safetensors") != std::string::npos;
  }
  EXPECT_TRUE(mapped);
}

TEST_F(Shards, OneFileUpToTheSize) {
  write(64);
  EXPECT_TRUE(file_exists(folder_ / "model.safetensors"));
  EXPECT_EQ(folder_.entries(), 1u);
  EXPECT_EQ(safetensors_files(folder_.path())->size(), 1u);
}

// A tensor larger than the bound is a shard of its own; another form's files go.
TEST_F(Shards, AnotherFormTakesThePlaceOfTheOld) {
  write(kShardBytes);
  put_bytes(folder_ / "tokenizer.json", "{}");
  write(1);
  EXPECT_EQ(folder_.entries(), 5u);
  EXPECT_FALSE(file_exists(folder_ / "model.safetensors"));
  EXPECT_EQ(error(), "");
  write(24);
  EXPECT_EQ(folder_.entries(), 4u);
  write(kShardBytes);
  EXPECT_EQ(folder_.entries(), 2u);
}

TEST_F(Shards, BadIndex) {
  write(24);
  const std::string one = "model-00001-of-00002.safetensors", two = "model-00002-of-00002.safetensors";
  const auto map = [&](const std::string& inner) { return R"({"weight_map": {)" + inner + "}}"; };
  const auto entry = [](const std::string& tensor, const std::string& file) {
    return fmt::format(R"("{}": "{}")", tensor, file);
  };
  const std::string b = entry("b", one), a = entry("a", one), c = entry("c", two);
  const struct {
    std::string text, error;
  } cases[] = {
      {map(b + "," + a + "," + c), ""},
      {R"({"metadata": {"x": [1, {"weight_map": 2}]}, "weight_map": {)" + b + "," + a + "," + c + "}}", ""},
      {"", "not JSON at its byte 1"},
      {"[]", "expected a JSON object"},
      {"{}", "expected a weight_map"},
      {R"({"weight_map": []})", "weight_map: expected an object"},
      {R"({"weight_map": "x"})", "weight_map: expected an object"},
      {map(R"("a": 1)"), "weight_map: tensor 'a': expected the name of a file"},
      {map(R"("a": ["x"])"), "weight_map: tensor 'a': expected the name of a file"},
      {map(R"("a": {})"), "weight_map: tensor 'a': expected the name of a file"},
      {map(b + "," + a + "," + b), "weight_map: tensor 'b' stands twice"},
      {R"({"weight_map": {}, "weight_map": {}})", "'weight_map' stands twice"},
      {std::string(1000, '['), "lists or objects within one another too deep"},
      {map(entry("a", "../" + one)), "weight_map: tensor 'a': '../" + one + "' does not lie in this folder"},
      {map(entry("a", "/etc/x.safetensors")),
       "weight_map: tensor 'a': '/etc/x.safetensors' does not lie in this folder"},
      {map(entry("a", "..")), "weight_map: tensor 'a': '..' does not lie in this folder"},
      {map(entry("a", "pytorch_model.bin")),
       "weight_map: tensor 'a': found 'pytorch_model.bin', expected a .safetensors file"},
      {map(b + "," + c), "tensor 'a' of " + folder_ / one + " is not in the index"},
      {map(b + "," + a + "," + c + "," + entry("d", two)), "tensor 'd' is not in " + two + ", where the index has it"},
      {map(b + "," + entry("a", two) + "," + c), "tensor 'a' is in " + one + ", the index has it in " + two},
      {map(b + "," + a + "," + c + "," + entry("d", "x.safetensors")),
       "the shard " + folder_ / "x.safetensors" + " is missing"},
  };
  for (const auto& each : cases) {
    put_index(each.text);
    EXPECT_EQ(error(), each.error) << each.text;
  }
}

TEST_F(Shards, AMissingShardAndABadOne) {
  write(24);
  const std::string path = folder_ / "model-00001-of-00002.safetensors";
  const std::string bytes = *read_file(path);
  put_bytes(path, bytes.substr(0, bytes.size() - 1));
  const auto file = SafetensorsFile::open_folder(folder_.path());
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.error().find("model-00001-of-00002.safetensors: header: tensor 'a'"), std::string::npos)
      << file.error();
  std::filesystem::remove(path);
  EXPECT_EQ(error(), "the shard " + path + " is missing");
}

TEST_F(Shards, TensorsInTwoShards) {
  write(24);
  const std::string one = folder_ / "model-00001-of-00002.safetensors";
  put_bytes(folder_ / "x.safetensors", *read_file(one));
  put_index(R"({"weight_map": {"b": "model-00001-of-00002.safetensors", "a": "x.safetensors"}})");
  EXPECT_EQ(error(), "tensor 'a' is in model-00001-of-00002.safetensors, the index has it in x.safetensors");
}

TEST_F(Shards, BytesThatDoNotFit) {
  tensors_[1].bytes = all_.first(6);
  const Status written = write_safetensors_folder(folder_.path(), tensors_, {}, 24);
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().find("tensor 'a': BF16 of shape [4] takes 8 bytes, 6 were given"), std::string::npos);
  EXPECT_FALSE(file_exists(folder_ / "model.safetensors.index.json"));
}

}  // namespace
}  // namespace loquat
