#include "data/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "data/mixture.h"
#include "store/test_folder.h"
#include "store/toml.h"

namespace loquat {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class SourceTest : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(folder_ / name).parent_path());
    put_bytes(folder_ / name, bytes);
    return folder_ / name;
  }
  std::string texts(const std::string& path) {
    const auto got = read_texts(path);
    if (!got.ok()) return got.error();
    std::string out;
    for (const std::string& text : *got) out += text + "|";
    return out;
  }
  TestFolder folder_;
};

TEST_F(SourceTest, FoldersAndGlobs) {
  file("d/b.jsonl", R"({"text": "b"})");
  file("d/a.csv", "text\na\n");
  file("d/sub/c.json", R"([{"text": "c"}])");
  file("d/README.md", "# About");
  file("d/notes.txt", "notes");
  file("d/.hidden.jsonl", "{");
  file("d/dataset_info.json", "{}");
  file("books/2.md", "two");
  file("books/1.txt", "one");
  file("empty/x.bin", "x");
  EXPECT_EQ(texts(folder_ / "d"), "a|b|c|");
  EXPECT_EQ(texts(folder_ / "books/"), "one|two|");
  EXPECT_EQ(texts(folder_ / "d/[ab].[jc]*"), "a|b|");
  EXPECT_THAT(texts(folder_ / "empty"), HasSubstr("the folder holds no data file"));
  EXPECT_THAT(texts(folder_ / "d/*.parquet"), HasSubstr("no file has such a name"));
  EXPECT_THAT(texts(folder_ / "missing.jsonl"), HasSubstr("No such file"));
  file("d/odd*name.jsonl", R"({"text": "odd"})");
  EXPECT_EQ(texts(folder_ / "d/odd*name.jsonl"), "odd|");
}

TEST_F(SourceTest, WeightsOnPaths) {
  const std::string a = file("a.jsonl", R"({"text": "a"})");
  const std::string at = file("x@2", R"({"text": "at"})");
  auto sources = data_sources(std::vector<std::string>{a + "@2.5", a, at});
  ASSERT_TRUE(sources.ok()) << sources.error();
  EXPECT_EQ((*sources)[0].weight, 2.5);
  EXPECT_THAT((*sources)[0].files, ElementsAre(a));
  EXPECT_EQ((*sources)[2].weight, std::nullopt);  // the file's own name
  EXPECT_THAT(mixture_weights(*sources), ElementsAre(2.5, 1, 1));
  sources = data_sources(std::vector<std::string>{a, at});
  EXPECT_TRUE(mixture_weights(*sources).empty());
  EXPECT_THAT(data_sources(a + "@0").error(), HasSubstr("found the weight 0"));
  EXPECT_THAT(data_sources(a + "@-1").error(), HasSubstr("weight -1"));
  EXPECT_EQ(texts(a + "@3"), "a|");
}

TEST_F(SourceTest, AMixtureFile) {
  file("a.csv", "question,answer\nq1,a1\nq2,a2\nq3,a3\n");
  file("b.json", R"({"train": [{"prompt": "p", "completion": "c"}], "test": [{"prompt": "x", "completion": "y"}]})");
  const std::string mix = file("mix.toml", fmt::format(R"(# a mixture
[[mixture]]
path = "{0}/a.csv"
weight = 3
limit = 2
map = {{ prompt = "question", completion = "answer" }}
shape = "prompt and completion"
[[mixture]]
paths = ["{0}/b.json"]
split = "train"
)",
                                                       folder_.path()));
  const auto sources = data_sources(mix);
  ASSERT_TRUE(sources.ok()) << sources.error();
  EXPECT_THAT(mixture_weights(*sources), ElementsAre(3, 1));
  const auto got = read_demonstrations(mix);
  ASSERT_TRUE(got.ok()) << got.error();
  ASSERT_EQ(got->size(), 3u);
  EXPECT_EQ((*got)[1].messages, (Messages{{"user", "q2"}, {"assistant", "a2"}}));
  EXPECT_EQ((*got)[2].messages, (Messages{{"user", "p"}, {"assistant", "c"}}));
  EXPECT_NE((*sources)[0].settings(), (*sources)[1].settings());
  EXPECT_EQ(data_sources(folder_ / "a.csv")->front().settings(), "");
}

TEST_F(SourceTest, SaysWhatIsWrongWithAMixture) {
  const auto error = [&](const std::string& text) {
    const auto got = data_sources(file("m.toml", text));
    return got.ok() ? "no error" : got.error();
  };
  EXPECT_THAT(error(""), HasSubstr("found no [[mixture]]"));
  EXPECT_THAT(error("[[mixture]]\nweight = 1\n"), HasSubstr("found no path"));
  EXPECT_THAT(error("[[mixture]]\npath = \"a\"\nwieght = 1\n"), AllOf(HasSubstr("m.toml:3"), HasSubstr("weight")));
  EXPECT_THAT(error("[[mixture]]\npath = \"a\"\nweight = 0\n"), HasSubstr("m.toml:3"));
  EXPECT_THAT(error("[[mixture]]\npath = \"a\"\nshape = \"Sharegpt\"\n"),
              AllOf(HasSubstr("m.toml:3"), HasSubstr("ShareGPT")));
  EXPECT_THAT(error("[[mixture]]\npath = \"n.toml\"\n"), HasSubstr("a mixture within a mixture"));
  EXPECT_THAT(data_sources("{\"path\": ").error(), HasSubstr("not JSON"));
  EXPECT_THAT(data_sources("{\"pth\": \"a\"}").error(), HasSubstr("path"));
}

TEST_F(SourceTest, TablesInAStagesSection) {
  file("a.csv", "question,answer\nq1,a1\n");
  auto settings = parse_toml(fmt::format(R"([sft]
[[sft.demonstrations]]
path = "{}"
weight = 0.5
map = {{ prompt = "question", completion = "answer" }}
)",
                                         folder_ / "a.csv"),
                             "recipe.toml");
  ASSERT_TRUE(settings.ok());
  Settings section = settings->section("sft");
  const auto paths = data_paths(section, "demonstrations", {});
  ASSERT_TRUE(settings->finish().ok()) << settings->finish().error();
  ASSERT_EQ(paths.size(), 1u);
  const auto got = read_demonstrations(paths[0]);
  ASSERT_TRUE(got.ok()) << got.error();
  EXPECT_EQ((*got)[0].messages, (Messages{{"user", "q1"}, {"assistant", "a1"}}));
  EXPECT_EQ(*data_sources(paths)->front().weight, 0.5);
}

TEST(Mixture, GivesEachSourceItsShareInEveryEpoch) {
  Mixture mixture({1000, 10, 100}, {6, 3, 1}, 7);
  EXPECT_EQ(mixture.epoch_size(), 1110);
  std::vector<int64_t> next(3, 0);
  for (int64_t i = 0; i < 3 * 1110; ++i) {
    const Mixture::Draw draw = mixture.at(i);
    ASSERT_EQ(draw.number, next[draw.source]++) << i;  // each source in its own order, without gaps
    if (i % 1110 == 1109) {
      const int64_t epoch = i / 1110 + 1;
      EXPECT_THAT(next, ElementsAre(666 * epoch, 333 * epoch, 111 * epoch));
    }
  }
  EXPECT_DOUBLE_EQ(mixture.passes(1, 2220), 66.6);
  // Any draw alone is what it was in the row of all, also backwards.
  for (const int64_t at : {3000, 1110, 1109, 5, 0}) {
    Mixture resumed({1000, 10, 100}, {6, 3, 1}, 7);
    const auto a = resumed.at(at), b = mixture.at(at);
    EXPECT_EQ(a.source, b.source);
    EXPECT_EQ(a.number, b.number);
  }
}

TEST(Mixture, IsMixedAndDrawnBySeed) {
  Mixture a({500, 500}, {1, 1}, 1), b({500, 500}, {1, 1}, 2);
  int same = 0, first_half = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    same += a.at(i).source == b.at(i).source;
    first_half += i < 500 && a.at(i).source == 0;
  }
  EXPECT_LT(same, 600);
  EXPECT_GT(first_half, 200);
  EXPECT_LT(first_half, 300);
  double partial = a.passes(0, 500) + a.passes(1, 500);
  EXPECT_DOUBLE_EQ(partial, 1.0);
}

TEST(Mixture, TheLeastWeightIsStillSeen) {
  Mixture mixture({5, 5}, {1e6, 1}, 3);
  EXPECT_EQ(mixture.share(1), 1);
  EXPECT_EQ(mixture.epoch_size(), mixture.share(0) + 1);
}

}  // namespace
}  // namespace loquat
