#include "base/threads.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "base/machine.h"

namespace loquat {
namespace {

// Leaves the pool as it found it.
class Threads : public testing::Test {
 protected:
  void TearDown() override { set_thread_count(before_); }
  int before_ = thread_count();
};

// Sixteen threads that spin on two cores are twenty times slower than two.
TEST_F(Threads, NoMoreThanTheAffinityAllows) {
  std::thread([] {
    cpu_set_t before, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    EXPECT_EQ(usable_cores(), CPU_COUNT(&before));
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before)) ++cpu;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(usable_cores(), 1);
  }).join();
}

TEST_F(Threads, EveryPartRunsOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    EXPECT_EQ(thread_count(), threads);
    for (const int64_t parts : {0, 1, 2, 3, 7, 64, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(parts));
      parallel_for(parts, [&](int64_t part) { ++runs[static_cast<size_t>(part)]; });
      for (auto& r : runs) ASSERT_EQ(r.load(), 1) << threads << " threads, " << parts << " parts";
    }
  }
}

TEST_F(Threads, WritesOfPartsAreSeenAfterwards) {
  set_thread_count(4);
  std::vector<int64_t> values(4096);  // plain memory: what the parts wrote must be visible without atomics
  for (int round = 1; round <= 300; ++round) {
    parallel_for(16, [&](int64_t part) {
      for (int64_t i = part * 256; i < (part + 1) * 256; ++i) values[static_cast<size_t>(i)] += i;
    });
  }
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], static_cast<int64_t>(i) * 300);
}

TEST_F(Threads, ManySmallJobs) {
  set_thread_count(3);
  int64_t expected = 0;
  std::atomic<int64_t> sum{0};
  for (int64_t job = 0; job < 5000; ++job) {
    parallel_for(1 + job % 5, [&](int64_t part) { sum += part + 1; });
    expected += (1 + job % 5) * (2 + job % 5) / 2;
  }
  EXPECT_EQ(sum.load(), expected);
}

TEST_F(Threads, SleepingThreadsWakeUp) {
  set_thread_count(3);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // past the spinning
    std::atomic<int> runs{0};
    parallel_for(10, [&](int64_t) { ++runs; });
    EXPECT_EQ(runs.load(), 10);
  }
}

TEST_F(Threads, NestedCallsRunInTheirThread) {
  set_thread_count(4);
  std::atomic<int64_t> runs{0};
  std::atomic<int> strangers{0};
  for (int round = 0; round < 50; ++round) {
    parallel_for(8, [&](int64_t) {
      const auto outer = std::this_thread::get_id();
      parallel_for(8, [&](int64_t) {
        ++runs;
        if (std::this_thread::get_id() != outer) ++strangers;
      });
    });
  }
  EXPECT_EQ(runs.load(), 50 * 64);
  EXPECT_EQ(strangers.load(), 0);
}

TEST_F(Threads, CallersOnSeveralThreadsTakeTurns) {
  set_thread_count(2);
  std::vector<std::thread> callers;
  std::atomic<int64_t> runs{0};
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int job = 0; job < 200; ++job) parallel_for(6, [&](int64_t) { ++runs; });
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(runs.load(), 4 * 200 * 6);
}

TEST_F(Threads, TheCountMayChangeBetweenJobs) {
  for (int round = 0; round < 30; ++round) {
    set_thread_count(1 + round % 5);
    std::atomic<int64_t> sum{0};
    parallel_for(100, [&](int64_t part) { sum += part; });
    ASSERT_EQ(sum.load(), 4950);
  }
}

TEST_F(Threads, BlocksDoNotDependOnTheThreads) {
  using Block = std::pair<int64_t, int64_t>;
  std::vector<std::vector<Block>> all;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    std::vector<Block> blocks(4);
    parallel_blocks(100, 30, [&](int64_t begin, int64_t end) {
      blocks[static_cast<size_t>(begin / 30)] = {begin, end};
    });
    all.push_back(blocks);
  }
  EXPECT_EQ(all[0], (std::vector<Block>{{0, 30}, {30, 60}, {60, 90}, {90, 100}}));
  EXPECT_EQ(all[1], all[0]);
  EXPECT_EQ(all[2], all[0]);
}

TEST_F(Threads, ZeroThreadsIsAProgrammersError) {
  EXPECT_DEATH(set_thread_count(0), "0 threads");
}

}  // namespace
}  // namespace loquat
