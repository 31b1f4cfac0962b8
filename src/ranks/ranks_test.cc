// Collectives of threads and of MPI's ranks; what ranks agree on; how a step's items are cut.
#include "ranks/ranks.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <numeric>

#include "ranks/mpirun_for_tests.h"
#include "ranks/thread_ranks_for_tests.h"

namespace loquat {
namespace {

using testing::HasSubstr;

float value_of(int rank, int64_t i) {
  return static_cast<float>(rank + 1) * 0.37f + static_cast<float>(i % 1000) * 0.01f;
}

// n values over the ranks, and cuts of any size: with an empty part.
void expect_collectives(Ranks& ranks, int64_t n) {
  std::vector<int64_t> cuts = equal_cuts(n, ranks.size());
  if (ranks.size() > 2) cuts[2] = cuts[1];
  const int64_t begin = cuts[ranks.rank()], end = cuts[ranks.rank() + 1];
  std::vector<float> x(static_cast<size_t>(n)), whole(x);
  for (int64_t i = 0; i < n; ++i) x[static_cast<size_t>(i)] = value_of(ranks.rank(), i);
  ranks.reduce_scatter(x.data(), cuts);
  const auto sum_of = [&](int64_t i) {
    float sum = 0;
    for (int r = 0; r < ranks.size(); ++r) sum += value_of(r, i);
    return sum;  // in the order of ranks: the same bits
  };
  int64_t wrong = 0;
  for (int64_t i = begin; i < end; ++i) wrong += x[static_cast<size_t>(i)] != sum_of(i);
  EXPECT_EQ(wrong, 0) << "reduce_scatter of " << n;
  ranks.gather(x.data() + begin, cuts, whole.data());
  ranks.all_gather(x.data(), cuts);
  for (int64_t i = 0; i < n; ++i) {
    wrong += x[static_cast<size_t>(i)] != sum_of(i);
    if (ranks.first()) wrong += whole[static_cast<size_t>(i)] != sum_of(i);
  }
  EXPECT_EQ(wrong, 0) << "gather of " << n;
}

void expect_all(Ranks& ranks, int64_t most) {
  for (const int64_t n : std::vector<int64_t>{0, 1, 7, 1000, most}) expect_collectives(ranks, n);
  std::vector<double> sums = {1, 0.25 * ranks.rank()};
  ranks.all_reduce(sums);
  EXPECT_EQ(sums[0], ranks.size());
  EXPECT_EQ(sums[1], 0.125 * ranks.size() * (ranks.size() - 1));
  const std::vector<std::string> texts = gather_texts(ranks, std::string(static_cast<size_t>(ranks.rank()), 'x'));
  for (int r = 0; r < ranks.size(); ++r)
    EXPECT_EQ(texts[static_cast<size_t>(r)], std::string(static_cast<size_t>(r), 'x'));
  std::vector<char> large(5 << 20, ranks.rank() == 1 ? 'b' : 'a');
  ranks.broadcast(large.data(), static_cast<int64_t>(large.size()), 1);
  EXPECT_EQ(std::count(large.begin(), large.end(), 'b'), static_cast<int64_t>(large.size()));
}

TEST(Ranks, CollectivesOfThreads) {
  for (const int n : {2, 3, 5}) run_on_threads(n, [](Ranks& ranks) { expect_all(ranks, 5000); });
}

TEST(Ranks, OneProcessDoesNothing) {
  Ranks& alone = one_process();
  std::vector<float> x = {1, 2, 3}, whole(3);
  const std::vector<int64_t> cuts = equal_cuts(3, 1);
  alone.reduce_scatter(x.data(), cuts);
  alone.all_gather(x.data(), cuts);
  alone.gather(x.data(), cuts, whole.data());
  EXPECT_EQ(x, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(whole, x);
  EXPECT_FALSE(agree(alone, Err("no")).ok());
  EXPECT_TRUE(agree(alone, {}, "print").ok());
}

TEST(Ranks, AgreeOnTheFirstErrorAndOnWhatTheyWorkOn) {
  run_on_threads(3, [](Ranks& ranks) {
    EXPECT_FALSE(ranks.agreed());
    EXPECT_TRUE(agree(ranks, {}, "same").ok());
    EXPECT_TRUE(ranks.agreed());
    const Status one = agree(ranks, ranks.rank() == 2 ? Status(Err("no such file")) : Status());
    EXPECT_EQ(one.error(), "rank 2: no such file");
    EXPECT_EQ(agree(ranks, Err("all alike")).error(), "all alike");
    const Status print = agree(ranks, {}, ranks.rank() == 1 ? "other" : "same");
    EXPECT_THAT(print.error(), HasSubstr("rank 1 has other options"));
    int done = 0;
    EXPECT_TRUE(on_first(ranks, [&]() -> Status {
                  ++done;
                  return {};
                }).ok());
    EXPECT_EQ(done, ranks.first() ? 1 : 0);
    EXPECT_EQ(on_first(ranks, [&]() -> Status { return Err("disk full"); }).error(), "disk full");
  });
}

TEST(Ranks, EveryItemIsOneRanksAndPartsAreAlike) {
  const std::vector<std::vector<int64_t>> cases = {{}, {5}, {1, 1, 1, 1, 1, 1, 1, 1}, {100, 1, 1, 1, 1, 96}, {0, 0, 3}};
  for (const auto& lengths : cases) {
    for (const int n : {1, 2, 3, 7}) {
      ThreadRanks::Shared shared(n);
      size_t at = 0;
      const int64_t total = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
      const int64_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
      for (int r = 0; r < n; ++r) {
        const auto [begin, end] = part_of(lengths, ThreadRanks(r, shared));
        EXPECT_EQ(begin, at) << "rank " << r << " of " << n;
        at = end;
        const int64_t tokens = std::accumulate(lengths.begin() + static_cast<std::ptrdiff_t>(begin),
                                               lengths.begin() + static_cast<std::ptrdiff_t>(end), int64_t{0});
        EXPECT_LE(tokens, total / n + longest + 1);
      }
      EXPECT_EQ(at, lengths.size());
    }
  }
}

// --- under mpirun: this program again, with only the test that the parent names --------------------------------------

ProcessResult run_as_ranks(int n, const std::string& test, const std::vector<std::string>& options = {}) {
  return mpirun(n,
                {std::filesystem::read_symlink("/proc/self/exe").string(), "--gtest_also_run_disabled_tests",
                 "--gtest_filter=InRanks.DISABLED_" + test},
                options);
}

TEST(InRanks, DISABLED_Collectives) {
  auto ranks = join_ranks();
  ASSERT_TRUE(ranks.ok()) << ranks.error();
  expect_all(**ranks, 2500000);  // in several pieces
}

TEST(InRanks, DISABLED_ForEver) {
  auto ranks = join_ranks();
  ASSERT_TRUE(ranks.ok()) << ranks.error();
  double x = 0;
  for (int i = 0;; ++i) {
    if (i == 3 && (*ranks)->rank() == 1) ::raise(SIGKILL);
    (*ranks)->all_reduce({&x, 1});
  }
}

TEST(Mpi, Collectives) {
  if (!mpirun_there()) GTEST_SKIP() << "no mpirun";
  for (const int n : {2, 3}) {
    const ProcessResult result = run_as_ranks(n, "Collectives");
    EXPECT_EQ(result.exit_status, 0) << result.output << result.errors;
  }
}

// By the launcher where it looks after its ranks, and by the ranks themselves where it does not.
TEST(Mpi, ARankThatDiesEndsTheOthersAndIsNamed) {
  if (!mpirun_there()) GTEST_SKIP() << "no mpirun";
  const ProcessResult watched = run_as_ranks(2, "ForEver");
  EXPECT_NE(watched.exit_status, 0);
  EXPECT_THAT(watched.output + watched.errors, HasSubstr("rank 1"));
  ::setenv("LOQUAT_RANK_PATIENCE", "2", 1);
  const ProcessResult alone = run_as_ranks(2, "ForEver", {"--enable-recovery"});
  ::unsetenv("LOQUAT_RANK_PATIENCE");
  EXPECT_THAT(alone.errors, HasSubstr("loquat: rank 1 (process "));
  EXPECT_THAT(alone.errors, HasSubstr("says nothing for 2 s"));
}

}  // namespace
}  // namespace loquat
