// Shared by this folder's tests: small texts to train on, random bytes, a folder of a test's own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

inline std::vector<std::string> sample_texts() {
  return {"The ferry leaves at 9 and the ferry comes back at 10. It's late, isn't it?\n\nThey're here, they'll wait.",
          "Mara Finch keeps the Copper Kettle on Lantern Street; the kettle is copper, the street is long.\r\n",
          "Füße, naïve café, 東京都 東京, Привет мир привет, \xF0\x9F\x98\x80\xF0\x9F\x98\x80 12345 67890 12345",
          "  indented\n\tlines\n\n\nand    spaces    and    spaces   "};
}

inline Tokenizer small_tokenizer(int64_t vocab_size = 400) {
  auto t = Tokenizer::train(sample_texts(), {.vocab_size = vocab_size, .special_tokens = loquat_special_tokens()});
  EXPECT_TRUE(t.ok()) << t.error();
  return *t;
}

inline std::string random_bytes(Rng& rng, size_t length) {
  std::string out(length, '\0');
  for (char& c : out) c = static_cast<char>(rng.below(256));
  return out;
}

inline std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// Public data beside the project, where it is at hand (tests skip without it).
inline std::string shared_data(const std::string& name) {
  return std::string(LOQUAT_SOURCE_DIR) + "/../shared/data/" + name;
}

// The cases of a ggml vocabulary test: texts and the ids that the original tokenizer gives.
struct VocabularyCase {
  std::string text;
  std::vector<int32_t> ids;
};
inline std::vector<VocabularyCase> vocabulary_cases(const std::string& name) {
  const std::string path = shared_data("tokenizers/gguf/ggml-vocab-" + name + ".gguf");
  const std::string inputs = file_bytes(path + ".inp"), separator = "\n__ggml_vocab_test__\n";
  std::istringstream outputs(file_bytes(path + ".out"));
  std::vector<VocabularyCase> cases;
  std::string line;
  for (size_t begin = 0; begin <= inputs.size() && std::getline(outputs, line);) {
    const size_t end = std::min(inputs.find(separator, begin), inputs.size());
    std::istringstream numbers(line);
    cases.push_back({inputs.substr(begin, end - begin), {}});
    for (int32_t id; numbers >> id;) cases.back().ids.push_back(id);
    begin = end + separator.size();
  }
  return cases;
}

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              fmt::format("loquat-{}-{}-{}", info->test_suite_name(), info->name(), getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ / name; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::filesystem::path folder_;
};

}  // namespace loquat
