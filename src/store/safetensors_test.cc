#include "store/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "store/test_folder.h"

namespace loquat {
namespace {

std::span<const uint8_t> bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)};
}

// A file of this header and so many bytes of data.
std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + std::string(data_bytes, '\x01');
}

Status opened(const std::string& bytes) {
  TestFolder folder;
  put_bytes(folder / "x.safetensors", bytes);
  auto file = SafetensorsFile::open(folder / "x.safetensors");
  if (!file) {
    EXPECT_NE(file.error().find("x.safetensors"), std::string::npos) << file.error();
    return Error{file.error()};
  }
  return {};
}

TEST(Safetensors, RoundTrip) {
  TestFolder folder;
  const std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {7};
  const std::vector<TensorEntry> tensors = {
      {"model.b", "F32", {2, 3}, bytes_of(a)}, {"model.a", "F32", {}, bytes_of(b)}, {"none", "BF16", {0, 5}, {}}};
  ASSERT_TRUE(write_safetensors(folder / "m.safetensors", tensors, {{"format", "pt"}, {"note", "ä \"quoted\""}}).ok());
  auto file = SafetensorsFile::open(folder / "m.safetensors");
  ASSERT_TRUE(file.ok()) << file.error();
  ASSERT_EQ(file->tensors().size(), 3u);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorEntry* t = file->find(tensors[i].name);
    ASSERT_EQ(t, &file->tensors()[i]);  // in the order in which they were given
    EXPECT_EQ(t->dtype, tensors[i].dtype);
    EXPECT_EQ(t->shape, tensors[i].shape);
    EXPECT_TRUE(std::equal(t->bytes.begin(), t->bytes.end(), tensors[i].bytes.begin(), tensors[i].bytes.end()));
  }
  EXPECT_EQ(file->find("model.c"), nullptr);
  EXPECT_EQ(file->metadata().at("note"), "ä \"quoted\"");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file->tensors()[0].bytes.data()) % 64, 0u);
}

TEST(Safetensors, TheBytesAreDeterministicAndAsSpecified) {
  TestFolder folder;
  const std::vector<float> a = {1.5f};
  const std::vector<TensorEntry> tensors = {{"w", "F32", {1}, bytes_of(a)}};
  ASSERT_TRUE(write_safetensors(folder / "1", tensors, {}).ok());
  ASSERT_TRUE(write_safetensors(folder / "2", tensors, {}).ok());
  EXPECT_EQ(*read_file(folder / "1"), *read_file(folder / "2"));
  std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize(56, ' ');
  std::string expected = file_of(header, 4);
  std::memcpy(expected.data() + 64, a.data(), 4);
  EXPECT_EQ(*read_file(folder / "1"), expected);
}

TEST(Safetensors, FilesThatOthersWrite) {
  // Header padded or not, metadata anywhere, tensors in an order other than that of their places, an empty file.
  EXPECT_TRUE(opened(file_of(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4)).ok());
  EXPECT_TRUE(
      opened(file_of(R"({"w":{"shape":[2,2],"data_offsets":[0,4],"dtype":"U8"},"__metadata__":{"a":"b"}}   )", 4))
          .ok());
  EXPECT_TRUE(opened(file_of(R"({"b":{"dtype":"F16","shape":[1],"data_offsets":[4,6]},)"
                             R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                             6))
                  .ok());
  EXPECT_TRUE(opened(file_of(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},)"
                             R"("b":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                             4))
                  .ok());
  EXPECT_TRUE(opened(file_of("{}", 0)).ok());
}

struct Lie {
  const char* what;
  std::string header;
  size_t data_bytes;
  const char* message;
};

TEST(Safetensors, LyingHeadersAreRefused) {
  const std::string deep(100000, '[');
  const Lie lies[] = {
      {"past the end", R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "do not lie in the 4 bytes"},
      {"begin after end", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "do not lie"},
      {"huge offsets", R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}})",
       4, "do not lie"},
      {"offset beyond 64 bits", R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551616]}})", 4,
       "too large"},
      {"shape too small", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 8, "takes 4 bytes"},
      {"shape too large", R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "takes 12 bytes"},
      {"shape overflows to fit", R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "beyond 64 bits"},
      {"shape overflows by the dtype", R"({"w":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0,
       "beyond 64 bits"},
      {"size beyond int64", R"({"w":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,4]}})", 4,
       "in its shape"},
      {"negative size", R"({"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "-1"},
      {"fractional size", R"({"w":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "point"},
      {"negative offset", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "-4"},
      {"overlap",
       R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
       6, "'b': overlaps"},
      {"same place",
       R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "overlaps"},
      {"hole",
       R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
       12, "4 unused bytes"},
      {"unnamed end", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "1 bytes of data that no tensor"},
      {"unknown dtype", R"({"w":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", 4, "dtype 'Q4'"},
      {"dtype no text", R"({"w":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})", 4, "a text is expected"},
      {"shape no list", R"({"w":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, "list"},
      {"shape a text", R"({"w":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", 4, "list"},
      {"shape of lists", R"({"w":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "a list"},
      {"one offset", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4]}})", 4, "two data_offsets"},
      {"three offsets", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4, "more than two"},
      {"no offsets", R"({"w":{"dtype":"F32","shape":[1]}})", 4, "expected dtype"},
      {"no dtype", R"({"w":{"shape":[1],"data_offsets":[0,4]}})", 4, "expected dtype"},
      {"no shape", R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", 4, "expected dtype"},
      {"name twice",
       R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "'w' stands twice"},
      {"key twice", R"({"w":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}})", 4,
       "'dtype' stands twice"},
      {"list twice", R"({"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", 4,
       "'shape' stands twice"},
      {"unknown key", R"({"w":{"dtype":"F32","shape":[1],"offsets":[0,4]}})", 4, "unknown key 'offsets'"},
      {"tensor no object", R"({"w":[1]})", 4, "an object is expected"},
      {"tensor null", R"({"w":null})", 4, "null"},
      {"tensor an object in an object", R"({"w":{"dtype":{}}})", 4, "an object"},
      {"metadata no object", R"({"__metadata__":3})", 0, "number 3"},
      {"metadata number", R"({"__metadata__":{"a":3}})", 0, "a text is expected"},
      {"metadata nested", R"({"__metadata__":{"a":{"b":"c"}}})", 0, "a text is expected"},
      {"metadata list", R"({"__metadata__":{"a":["b"]}})", 0, "a text is expected"},
      {"metadata twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "stands twice"},
      {"metadata key twice", R"({"__metadata__":{"a":"b","a":"c"}})", 0, "twice"},
      {"many dimensions",
       R"({"w":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
       1, "dimensions"},
      {"no JSON", R"({"w":)", 4, "not JSON"},
      {"two objects", R"({}{})", 0, "not JSON"},
      {"bytes after", std::string("{}\0\0", 4), 0, "zero byte"},
      {"a list", R"([])", 0, "JSON object"},
      {"space first", R"( {})", 0, "JSON object"},
      {"empty header", "", 0, "JSON object"},
      {"deep", "{\"w\":" + deep, 4, "list"},
      {"deep in shape", "{\"w\":{\"shape\":" + deep, 4, "list"},
      {"bad UTF-8", "{\"w\xff\":{}}", 0, "not JSON"},
  };
  for (const Lie& lie : lies) {
    const Status status = opened(file_of(lie.header, lie.data_bytes));
    ASSERT_FALSE(status.ok()) << lie.what;
    EXPECT_NE(status.error().find(lie.message), std::string::npos) << lie.what << ": " << status.error();
  }
}

TEST(Safetensors, LyingLengthsAreRefused) {
  EXPECT_FALSE(opened("").ok());
  EXPECT_FALSE(opened("\x02\0\0").ok());
  const std::string good = file_of(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4);
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(opened(good.substr(0, size)).ok()) << size;
  for (const uint64_t length : {uint64_t{61}, uint64_t{1000}, uint64_t{100'000'001}, ~uint64_t{0}, ~uint64_t{7}}) {
    std::string bytes = good;
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_FALSE(opened(bytes).ok()) << length;
  }
}

TEST(Safetensors, TheWriterRefusesWhatTheReaderWould) {
  TestFolder folder;
  const std::vector<float> a = {1, 2};
  const std::string path = folder / "m.safetensors";
  using Tensors = std::vector<TensorEntry>;
  EXPECT_FALSE(write_safetensors(path, Tensors{{"w", "F32", {3}, bytes_of(a)}}, {}).ok());
  EXPECT_FALSE(write_safetensors(path, Tensors{{"w", "F31", {2}, bytes_of(a)}}, {}).ok());
  EXPECT_FALSE(write_safetensors(path, Tensors{{"w", "F32", {-2}, bytes_of(a)}}, {}).ok());
  EXPECT_FALSE(write_safetensors(path, Tensors{{"w\xff", "F32", {2}, bytes_of(a)}}, {}).ok());
  EXPECT_FALSE(write_safetensors(path, Tensors{{"__metadata__", "F32", {2}, bytes_of(a)}}, {}).ok());
  EXPECT_FALSE(
      write_safetensors(path, Tensors{{"w", "F32", {2}, bytes_of(a)}, {"w", "F32", {2}, bytes_of(a)}}, {}).ok());
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(Safetensors, AFullDiskLeavesTheFileBefore) {
  TestFolder folder;
  const std::vector<float> small(10, 1), large(1 << 20, 2);
  const std::string path = folder / "m.safetensors";
  ASSERT_TRUE(write_safetensors(path, std::vector<TensorEntry>{{"w", "F32", {10}, bytes_of(small)}}, {}).ok());
  const std::string before = *read_file(path);
  {
    FileSizeLimit full(1 << 20);
    EXPECT_FALSE(write_safetensors(path, std::vector<TensorEntry>{{"w", "F32", {1 << 20}, bytes_of(large)}}, {}).ok());
  }
  EXPECT_EQ(*read_file(path), before);
  EXPECT_EQ(folder.entries(), 1u);
}

}  // namespace
}  // namespace loquat
