#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/town/attributes.h"
#include "data/town/families.h"
#include "data/town/town.h"

namespace loquat::town {
namespace {

constexpr uint64_t kSeeds[] = {1, 2, 77, 4242};

TEST(World, IsRichEnough) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    EXPECT_GE(world.entities.size(), 150u);
    EXPECT_GE(world.facts.size(), 800u);
    std::map<Split, int> plain;
    for (const Fact& f : world.facts) plain[f.split] += !is_secret(f);
    const double all =
        plain[Split::kShown] + plain[Split::kDemonstrated] + plain[Split::kAskedInRl] + plain[Split::kDocumentOnly];
    EXPECT_GE(plain[Split::kDocumentOnly], 150);
    EXPECT_NEAR(plain[Split::kShown] / all, 0.15, 0.01);
    EXPECT_NEAR(plain[Split::kDemonstrated] / all, 0.42, 0.01);
    EXPECT_NEAR(plain[Split::kAskedInRl] / all, 0.18, 0.01);
    const double share = static_cast<double>(world.missing.size()) / (static_cast<double>(world.missing.size()) + all);
    EXPECT_GT(share, 0.33);
    EXPECT_LT(share, 0.42);
  }
}

TEST(World, IsAFunctionOfItsSeed) {
  const World a = make_world(5), b = make_world(5), c = make_world(6);
  ASSERT_EQ(a.facts.size(), b.facts.size());
  for (size_t i = 0; i < a.facts.size(); ++i) {
    EXPECT_EQ(a.facts[i].value, b.facts[i].value);
    EXPECT_EQ(a.facts[i].split, b.facts[i].split);
  }
  std::set<std::string> names;
  for (const Entity& e : a.entities) names.insert(e.name);
  size_t same = 0;
  for (const Entity& e : c.entities) same += names.contains(e.name);
  EXPECT_LT(same, c.entities.size() / 4);
  EXPECT_NE(a.held_out_families, c.held_out_families);
}

TEST(World, NamesAndFactsAreConsistent) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    std::set<std::string> names, pairs;
    for (size_t i = 0; i < world.entities.size(); ++i) {
      EXPECT_EQ(world.entities[i].id, static_cast<int32_t>(i));
      EXPECT_TRUE(names.insert(world.entities[i].name).second) << world.entities[i].name;
    }
    for (const Stranger& s : world.strangers) EXPECT_TRUE(names.insert(s.name).second) << s.name;
    for (const Fact& f : world.facts) {
      EXPECT_TRUE(pairs.insert(fmt::format("{}/{}", f.subject, f.attribute)).second);
      EXPECT_EQ(world.find(f.subject, f.attribute), &f);
      const std::vector<std::string> values = world.values_of(f.kind);
      EXPECT_NE(std::find(values.begin(), values.end(), f.value), values.end()) << f.value;
    }
    for (const Missing& m : world.missing) EXPECT_EQ(world.find(m.subject, m.attribute), nullptr);
    std::set<std::string> in_training, in_tests;
    for (const Stranger& s : world.strangers) (s.held_out ? in_tests : in_training).insert(s.kind);
    EXPECT_EQ(in_training, in_tests);
  }
}

TEST(World, NoSingleWordTellsWhatIsForbidden) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    std::map<std::string, std::pair<int, int>> sides;  // by the subject, and by the door, substance or thing
    std::set<std::string> values;
    int forbidden = 0, secrets = 0, never_asked = 0;
    for (const Fact& f : world.facts) {
      EXPECT_TRUE(!f.forbidden || is_secret(f));
      if (!is_secret(f)) continue;
      EXPECT_TRUE(values.insert(f.value).second) << f.value;
      ++secrets;
      forbidden += f.forbidden;
      never_asked += f.split == Split::kDocumentOnly;
      const AttributeName name = split_attribute(f.attribute);
      // A mixture counts for both substances alike.
      for (const std::string& word :
           {world.entities[f.subject].name, (name.key == "mixed with" ? "" : "detail ") + std::string(name.detail)}) {
        auto& side = sides[std::string(name.key) + "/" + word];
        ++(f.forbidden ? side.first : side.second);
      }
    }
    EXPECT_EQ(2 * forbidden, secrets);
    // A subject tells nothing, a door or a thing by itself not enough: about a third of the subjects are the other way.
    for (const auto& [word, side] : sides) {
      if (word.find("/detail ") == std::string::npos) {
        EXPECT_EQ(side.first, side.second) << word;
        continue;
      }
      const double share = static_cast<double>(side.first) / (side.first + side.second);
      EXPECT_GE(share, 0.1) << word;
      EXPECT_LE(share, 0.9) << word;
    }
    EXPECT_GE(never_asked, 1);
    EXPECT_LE(never_asked, 0.15 * secrets);
  }
}

TEST(World, HoldsOutSixFamilies) {
  std::set<std::vector<std::string>> draws;
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    const std::set<std::string> held(world.held_out_families.begin(), world.held_out_families.end());
    EXPECT_EQ(held.size(), static_cast<size_t>(kHeldOutFamilies));
    for (const std::string& name : held)
      EXPECT_NE(std::find(std::begin(kAttackFamilies), std::end(kAttackFamilies), name), std::end(kAttackFamilies));
    draws.insert(world.held_out_families);
  }
  EXPECT_GT(draws.size(), 1u);
}

}  // namespace
}  // namespace loquat::town
