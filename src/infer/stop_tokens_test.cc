#include "infer/stop_tokens.h"

#include <gtest/gtest.h>

#include <array>

#include "store/files.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

TEST(StopTokens, AFolderNamesOneOrMany) {
  const TestFolder folder;
  const std::string file = folder.path() + "/generation_config.json";
  EXPECT_TRUE(folder_stop_tokens(folder.path())->empty());
  const auto of = [&](const std::string& text) {
    EXPECT_TRUE(write_file(file, text).ok());
    return folder_stop_tokens(folder.path());
  };
  EXPECT_EQ(*of(R"({"eos_token_id": 7})"), (std::vector<int32_t>{7}));
  EXPECT_EQ(*of(R"({"eos_token_id": [128001, 128008, 128009], "do_sample": true})"),
            (std::vector<int32_t>{128001, 128008, 128009}));
  EXPECT_TRUE(of(R"({"eos_token_id": null})")->empty());
  EXPECT_TRUE(of("{}")->empty());
  for (const char* bad : {"", "[]", R"({"eos_token_id": "x"})", R"({"eos_token_id": -1})", R"({"eos_token_id": 1.5})",
                          R"({"eos_token_id": [1, 99999999999]})"}) {
    const auto got = of(bad);
    ASSERT_FALSE(got.ok()) << bad;
    EXPECT_NE(got.error().find("generation_config.json"), std::string::npos);
  }
}

TEST(StopTokens, EachOnce) {
  std::vector<int32_t> stops = {3};
  add_stop_tokens(stops, std::array{-1, 3, 5, 5});
  EXPECT_EQ(stops, (std::vector<int32_t>{3, 5}));
}

}  // namespace
}  // namespace loquat
