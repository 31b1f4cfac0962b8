// Jobs over a program that is a shell script: order, progress, failure, stopping, and going on after a restart.
#include "jobs/jobs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "jobs/child.h"
#include "store/files.h"
#include "store/test_folder.h"

namespace loquat::jobs {
namespace {

using namespace std::chrono_literals;

class JobsTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = *database::Database::open(folder_ / "app.db");
    // say TEXT; fail TEXT; wait FILE (until it is there); note WORD (adds it to notes); write FILE TEXT
    std::ofstream(folder_ / "program") << "#!/bin/sh\ncd " << (folder_ / "") << R"(
case $1 in
  say) echo "$2" ;;
  fail) echo "loquat: $2" >&2; exit 2 ;;
  wait) echo "dpo  42 %  3 tokens/s"; while [ ! -e "$2" ]; do sleep 0.02; done ;;
  note) echo "$2" >>notes ;;
  write) printf '%s' "$3" >"$2" ;;
esac
)";
    ::chmod(std::string(folder_ / "program").c_str(), 0700);
    start();
  }
  void start() { jobs_ = *Jobs::start(database_, {folder_ / "program", folder_ / "jobs"}); }
  Job until(const std::string& id, const std::function<bool(const Job&)>& is) {
    Job job;
    for (int i = 0; i < 3000; ++i) {
      job = **jobs_->find(id);
      if (is(job)) return job;
      std::this_thread::sleep_for(10ms);
    }
    ADD_FAILURE() << "job is " << to_json(job);
    return job;
  }
  Job until_state(const std::string& id, const std::string& state) {
    return until(id, [&](const Job& job) { return job.state == state; });
  }
  std::string notes() { return file_exists(folder_ / "notes") ? *read_file(folder_ / "notes") : ""; }
  Plan plan(std::vector<Step> steps) {
    Plan plan;
    plan.name = "the twentieth";
    plan.dataset = "d1";
    plan.model = "next";
    plan.steps = std::move(steps);
    return plan;
  }

  TestFolder folder_;
  std::shared_ptr<database::Database> database_;
  std::unique_ptr<Jobs> jobs_;
};

TEST_F(JobsTest, StepsRunInOrderAndLeaveTheirFigures) {
  Plan p =
      plan({{"one", {"note", "1"}}, {"two", {"note", "2"}}, {"three", {"write", "figures.json", "{\"wins\": 7}"}}});
  p.figures = folder_ / "figures.json";
  const auto added = jobs_->add(p);
  ASSERT_TRUE(added.ok()) << added.error();
  const Job job = until_state(added->id, "done");
  EXPECT_EQ(notes(), "1\n2\n");
  EXPECT_EQ(job.step, "three");
  EXPECT_EQ(job.fraction, 1);
  EXPECT_EQ(to_json(job)["wins"]["wins"], 7);
  EXPECT_EQ(*jobs_->models_of("d1"), std::vector<std::string>{"next"});
  EXPECT_TRUE(jobs_->models_of("d2")->empty());
}

TEST_F(JobsTest, AFailureEndsTheJobWithItsWords) {
  const std::string id = jobs_->add(plan({{"one", {"fail", "rankings: no such file"}}, {"two", {"note", "2"}}}))->id;
  const Job job = until_state(id, "failed");
  EXPECT_EQ(job.message, "loquat: rankings: no such file");
  EXPECT_EQ(notes(), "");
  EXPECT_TRUE(jobs_->models_of("d1")->empty());
}

TEST_F(JobsTest, OneAtATimeAndBothKindsAreStopped) {
  const std::string first = jobs_->add(plan({{"one", {"wait", "never"}}}))->id;
  const std::string second = jobs_->add(plan({{"one", {"note", "second"}}}))->id;
  const std::string third = jobs_->add(plan({{"one", {"note", "third"}}}))->id;
  const Job running = until(first, [](const Job& job) { return job.fraction > 0; });
  EXPECT_EQ(running.state, "running");
  EXPECT_DOUBLE_EQ(running.fraction, 0.42);
  EXPECT_TRUE(*jobs_->stop(second));  // it waits
  EXPECT_TRUE(*jobs_->stop(first));
  until_state(first, "stopped");
  until_state(third, "done");
  EXPECT_EQ((*jobs_->find(second))->state, "stopped");
  EXPECT_EQ(notes(), "third\n");
  EXPECT_FALSE(*jobs_->stop(first));
  EXPECT_FALSE(*jobs_->stop("none"));
}

TEST_F(JobsTest, GoesOnAfterARestart) {
  const std::string id = jobs_->add(plan({{"one", {"wait", "now"}}, {"two", {"note", "done"}}}))->id;
  const std::string later = jobs_->add(plan({{"one", {"note", "later"}}}))->id;
  until_state(id, "running");
  jobs_.reset();
  EXPECT_EQ(notes(), "");
  std::ofstream(folder_ / "now") << "x";
  start();
  until_state(id, "done");
  until_state(later, "done");
  EXPECT_EQ(notes(), "done\nlater\n");
}

TEST_F(JobsTest, ServersThatShareADatabaseLeaveEachOthersJobs) {
  const std::string id = jobs_->add(plan({{"one", {"wait", "now"}}}))->id;
  until_state(id, "running");
  auto other = Jobs::start(database_, {folder_ / "nothing", folder_ / "jobs", "other"});
  ASSERT_TRUE(other.ok()) << other.error();
  std::this_thread::sleep_for(700ms);  // it looks for work
  EXPECT_EQ((*(*other)->find(id))->state, "running");
  std::ofstream(folder_ / "now") << "x";
  until_state(id, "done");
}

TEST_F(JobsTest, AProgramThatIsNotThereFails) {
  jobs_.reset();
  jobs_ = *Jobs::start(database_, {folder_ / "nothing", folder_ / "jobs"});
  until_state(jobs_->add(plan({{"one", {"note", "1"}}}))->id, "failed");
}

TEST(LastSaid, FindsTheShareInTheLastLines) {
  EXPECT_EQ(last_said("sft  3 %  x\nsft  41.5 %  y\n").fraction, 0.415);
  EXPECT_EQ(last_said("sft  3 %  x\nwriting\n").fraction, 0.03);
  EXPECT_EQ(last_said("sft  3 %  x\nwriting\n").line, "writing");
  EXPECT_EQ(last_said("a\rdpo  7 %\r").fraction, 0.07);
  EXPECT_FALSE(last_said("nothing yet\n").fraction);
  EXPECT_FALSE(last_said(" %").fraction);
  EXPECT_FALSE(last_said("").fraction);
}

TEST(ChildTest, IsMadeToEndWhereItDoesNot) {
  const TestFolder folder;
  auto child = Child::start({"/bin/sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done"}, folder / "log");
  ASSERT_TRUE(child.ok());
  for (int i = 0; i < 500 && read_file(folder / "log")->empty(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_FALSE(child->ended());
  EXPECT_EQ(child->stop(100ms), 128 + 9);
  EXPECT_EQ(child->ended(), 128 + 9);
}

}  // namespace
}  // namespace loquat::jobs
