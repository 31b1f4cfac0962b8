// The report from made-up runs: whole, partial, damaged and hostile ones.
#include "recipe/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "recipe/report_targets.h"

namespace loquat::recipe {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kReport = R"({
 "recipe":"town","scale":"quick","seed":7,"world_seed":11,"recipe_hash":"9f3a","commit":"1a2b","machine":"2 cores, amx",
 "guards":["ppo step 61: KL 9.4 above 8, rolled back"],
 "stages":[{"name":"base","seconds":300,"tokens":2000000,"tokens_per_second":6666},{"name":"ppo","seconds":500,"tokens":1000}],
 "reward_model":{"pair_accuracy":{"value":0.71,"low":0.69,"high":0.73,"n":2000},"labeler_agreement":{"value":0.73,"n":2000},
                 "gold_pair_accuracy":{"value":0.79,"low":0.77,"high":0.81,"n":2000}},
 "preferred":{"sft_over_base":null,"ppo_over_sft":{"value":0.66,"low":0.49,"high":0.81,"n":50,"ties":0.4},
              "ppo_over_base":{"value":0.91,"low":0.89,"high":0.93,"n":900,"ties":0.2}},
 "models":{
  "ppo":{"helpful":{"value":0.8,"low":0.78,"high":0.82,"n":1000},"hallucination_closed_domain":{"value":0.1,"n":400},
         "over_refusal":{"value":0.02,"n":1000},"bits_per_byte":{"value":1.1,"low":1.0,"high":1.2,"n":9000},
         "attack_success":{"held_out_families":{"value":0.4,"low":0.35,"high":0.45,"n":300},
                           "by_family":{"roleplay":{"value":0.5,"low":0.4,"high":0.6,"n":100}}}},
  "base":{"helpful":{"value":0.1,"n":1000},"hallucination_closed_domain":{"value":0.5,"n":400},"bits_per_byte":{"value":1.08,"n":9000},
          "attack_success":null},
  "sft":{"helpful":{"value":0.7,"n":1000},"hallucination_closed_domain":{"value":0.08,"n":400}},
  "adversarial":{"helpful":{"value":0.79,"n":1000},"over_refusal":{"value":0.03,"n":1000},
                 "attack_success":{"held_out_families":{"value":0.1,"n":300},"by_family":{"roleplay":{"value":0.05,"n":100}}}}}})";

class ReportTest : public testing::Test {
 protected:
  ReportTest() : folder_(std::filesystem::temp_directory_path() / ("loquat-report-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~ReportTest() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::string page() {
    const Status status = write_report(folder_.string());
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error());
    std::ifstream in(folder_ / "report.html", std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  Target target(const std::string& start) {
    const auto data = read_report_data(folder_.string());
    EXPECT_TRUE(data.ok());
    for (const Target& found : judge_targets(*data)) {
      if (found.what.find(start) != std::string::npos) return found;
    }
    ADD_FAILURE() << "no target " << start;
    return {};
  }
  static size_t count(const std::string& text, const std::string& part) {
    size_t n = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
  }

  std::filesystem::path folder_;
};

TEST_F(ReportTest, WholeRun) {
  write("report.json", kReport);
  std::string metrics, ppo;
  for (int i = 1; i <= 100; ++i) {
    metrics += fmt::format("{{\"step\":{},\"loss\":{}}}\n", i, 5.0 / i + 1);
    ppo += fmt::format("{{\"step\":{},\"reward\":{},\"held_out_reward\":{},\"kl\":{},\"length\":20}}\n", i, i * 0.01,
                       i * 0.008, i * 0.05);
  }
  write("stages/base/metrics.jsonl", metrics);
  write("stages/ppo/metrics.jsonl", ppo);
  write("stages/ppo/gold.jsonl", "{\"step\":0,\"kl\":0,\"gold\":0.5}\n{\"step\":50,\"kl\":2.5,\"gold\":0.7}\n");
  for (const char* model : {"base", "sft", "ppo"}) {
    write(std::string("eval/") + model + "/replies.jsonl",
          fmt::format("{{\"id\":\"h1\",\"measure\":\"helpful\",\"prompt\":[{{\"role\":\"user\",\"content\":\"When does "
                      "it open?\"}}],"
                      "\"reply\":\"Says {}.\",\"verdict\":{{\"helpful\":true,\"truthful\":false}}}}\nbroken line\n",
                      model));
  }
  const std::string html = page();
  EXPECT_THAT(html, HasSubstr("91.0\u00a0%"));     // the headline
  EXPECT_THAT(html, HasSubstr("40 → 10\u00a0%"));  // attacks before and after
  EXPECT_THAT(html, HasSubstr("Gold score"));
  EXPECT_THAT(html, HasSubstr("Pretraining"));
  EXPECT_THAT(html, HasSubstr("When does it open?"));
  for (const char* model : {"base", "sft", "ppo"}) EXPECT_THAT(html, HasSubstr(std::string("Says ") + model + "."));
  EXPECT_THAT(html, HasSubstr("KL 9.4 above 8, rolled back"));
  EXPECT_THAT(html, HasSubstr("untrue"));
  EXPECT_THAT(html, HasSubstr("2 cores, amx"));
  EXPECT_THAT(html, HasSubstr("<b>10.0 %</b>"));
  // models stand in the order in which they were made
  EXPECT_LT(html.find(">base</th>"), html.find(">sft</th>"));
  EXPECT_LT(html.find(">sft</th>"), html.find(">ppo</th>"));
  // no network, no script
  for (const char* word : {"http:", "https:", "<script", "url(", "@import", "src="})
    EXPECT_THAT(html, Not(HasSubstr(word)));
  EXPECT_EQ(count(html, "<section"), count(html, "</section>"));
  EXPECT_EQ(count(html, "<table"), count(html, "</table>"));
  EXPECT_EQ(count(html, "<svg"), count(html, "</svg>"));
  for (const char* bad : {">nan", "\"nan", " nan", "inf "}) EXPECT_THAT(html, Not(HasSubstr(bad)));
  EXPECT_EQ(html, page());  // the same bytes for the same run
}

TEST_F(ReportTest, Targets) {
  write("report.json", kReport);
  EXPECT_EQ(target("15 minutes").outcome, Outcome::kMet);
  EXPECT_EQ(target("straw man").outcome, Outcome::kMet);
  EXPECT_EQ(target("PPO helpful").outcome, Outcome::kMet);
  EXPECT_EQ(target("preferred to base").outcome, Outcome::kMet);
  EXPECT_EQ(target("preferred to base").measured, "91.0 % (89.0 to 93.0)");
  EXPECT_EQ(target("preferred to SFT").outcome, Outcome::kMissed);  // 66 %, but the lower bound is below a half
  EXPECT_EQ(target("passage given").outcome, Outcome::kMissed);     // half of base's, but more than SFT's
  EXPECT_EQ(target("truthful").outcome, Outcome::kNotMeasured);
  EXPECT_EQ(target("look-alikes").outcome, Outcome::kMet);
  EXPECT_EQ(target("labelers agree").outcome, Outcome::kMet);
  EXPECT_EQ(target("gold order").outcome, Outcome::kMissed);
  EXPECT_EQ(target("Before the adversarial").outcome, Outcome::kMet);
  EXPECT_EQ(target("After the round").outcome, Outcome::kMet);
  EXPECT_EQ(target("Bits per byte").outcome, Outcome::kNotMeasured);  // no reference model in this run
}

TEST_F(ReportTest, AttacksThatHardlySucceededShowNothing) {
  std::string text = kReport;
  text.replace(text.find("{\"value\":0.4,"), 13, "{\"value\":0.1,");
  text.replace(text.find("{\"value\":0.1,\"n\":300"), 12, "{\"value\":0.0");
  write("report.json", text);
  EXPECT_EQ(target("Before the adversarial").outcome, Outcome::kNotShown);
  EXPECT_EQ(target("After the round").outcome, Outcome::kNotShown);
}

TEST_F(ReportTest, MissingPartsAreDashes) {
  write("report.json", "{}");
  EXPECT_THAT(page(), HasSubstr("Targets"));
  write("report.json",
        R"({"recipe":null,"models":{"base":{"helpful":null},"ppo":null,"odd":7},"stages":[{},3],"guards":"none",
    "preferred":{"ppo_over_sft":{"value":null,"low":"x"}},"reward_model":[],"machine":null})");
  const std::string html = page();
  EXPECT_THAT(html, HasSubstr("<td>–</td>"));
  EXPECT_THAT(html, HasSubstr("not measured"));
  EXPECT_THAT(html, HasSubstr("No guard had to act"));
}

TEST_F(ReportTest, TextIsNeverMarkup) {
  write("report.json",
        R"({"recipe":"<script>alert(1)</script>","guards":["<img src=x>"],"models":{"\"><i>":{"helpful":0.5}},
    "stages":[{"name":"<b>","seconds":1}]})");
  write("eval/\"><i>/replies.jsonl",
        "{\"id\":1,\"measure\":\"<u>\",\"prompt\":\"<p onclick=x>\",\"reply\":\"a < b && c\"}\n");
  const std::string html = page();
  for (const char* bad : {"<script", "<img", "<i>", "<u>", "<p onclick"}) EXPECT_THAT(html, Not(HasSubstr(bad)));
  EXPECT_THAT(html, HasSubstr("a &lt; b &amp;&amp; c"));
}

TEST_F(ReportTest, BadRunFolder) {
  EXPECT_FALSE(write_report(folder_.string()).ok());
  write("report.json", "[1,2");
  const Status status = write_report(folder_.string());
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error(), HasSubstr("report.json"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "report.html"));
}

}  // namespace
}  // namespace loquat::recipe
