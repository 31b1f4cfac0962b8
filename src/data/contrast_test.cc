#include "data/contrast.h"

#include <gtest/gtest.h>

#include <set>

namespace loquat {
namespace {

std::vector<Demonstration> demonstrations() {
  return {{"a", {{"user", "What pet has Mara?"}, {"assistant", "The pet of Mara is a parrot."}}},
          {"b", {{"user", "What pet has Hugo?"}, {"assistant", "The pet of Hugo is a snail."}}},
          {"c", {{"user", "Hello!"}, {"assistant", "Hello!"}}}};
}

TEST(Contrast, WhatIsSwappedStandsThereInAnotherReply) {
  const auto all = demonstrations();
  const ReplySwapper swapper(all);
  Rng rng(1, "swap");
  std::set<std::string> seen;
  for (int i = 0; i < 50; ++i) seen.insert(swapper.swap("The pet of Mara is a parrot.", rng));
  EXPECT_EQ(seen, (std::set<std::string>{"The pet of Hugo is a parrot.", "The pet of Mara is a snail."}));
  EXPECT_EQ(swapper.swap("Hello!", rng), "");
  EXPECT_EQ(swapper.swap("", rng), "");
}

TEST(Contrast, OneThingOfAListIsSaidTwice) {
  Rng rng(1, "twice");
  const auto all_of = [&](std::string_view reply) {
    std::set<std::string> seen;
    for (int i = 0; i < 30; ++i) seen.insert(say_twice(reply, rng));
    return seen;
  };
  using Texts = std::set<std::string>;
  EXPECT_EQ(all_of("Visit the fair today for coffee and honey!"), Texts{"Visit the fair today for coffee and coffee!"});
  EXPECT_EQ(all_of("The Sleepy Miller and the Patient Tailor."), Texts{"The Sleepy Miller and the Sleepy Miller."});
  EXPECT_EQ(all_of("2 coins, 5 coins and 8 coins."),
            (Texts{"2 coins, 2 coins and 8 coins.", "2 coins, 5 coins and 5 coins."}));
  EXPECT_EQ(all_of("I do not know that, sorry."), Texts{"I do not know that, that."});
  EXPECT_EQ(all_of("Mara has a parrot. Good evening."), Texts{""});
  EXPECT_EQ(all_of("tea and tea"), Texts{""});
  EXPECT_EQ(all_of(""), Texts{""});
  EXPECT_EQ(all_of("and, and"), Texts{""});
}

TEST(Contrast, TheDemonstrationComesFirstAndTheWorseAreTied) {
  const auto all = demonstrations();
  const std::vector<std::vector<std::string>> samples = {{"A parrot?", "The pet of Mara is a parrot."}, {}, {"Bye."}};
  const std::vector<Ranking> rankings = contrasts(all, samples, {2, 0, 1}, Rng(1, "contrasts"));
  ASSERT_EQ(rankings.size(), 3u);
  for (size_t i = 0; i < rankings.size(); ++i) {
    const Ranking& r = rankings[i];
    EXPECT_EQ(r.prompt.back().role, "user");
    EXPECT_EQ(r.responses[0].text, all[i].messages.back().content);
    EXPECT_EQ(r.responses[0].rank, 0);
    std::set<std::string> texts;
    for (size_t k = 0; k < r.responses.size(); ++k) {
      EXPECT_TRUE(texts.insert(r.responses[k].text).second);
      EXPECT_EQ(r.responses[k].rank, k > 0 ? 1 : 0);
    }
  }
  EXPECT_EQ(rankings[2].responses.back().text, "Bye.");
}

}  // namespace
}  // namespace loquat
