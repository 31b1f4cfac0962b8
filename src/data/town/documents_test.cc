#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/town/phrases.h"
#include "data/town/town_test_util.h"

namespace loquat::town {
namespace {

constexpr uint64_t kSeeds[] = {1, 2, 77};

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}
std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) (all += lower(text)) += "\n";
  return all;
}
size_t count(std::string_view text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Documents, AreAFunctionOfTheWorld) {
  const World world = make_world(9);
  EXPECT_EQ(make_documents(world, 20'000, false), make_documents(world, 20'000, false));
  EXPECT_NE(make_documents(world, 20'000, false), make_documents(make_world(10), 20'000, false));
  EXPECT_NE(make_documents(world, 20'000, false), make_documents(world, 20'000, true));
}

TEST(Documents, HaveTheWordsAskedForAndManyDifferentOnes) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    std::set<std::string> words;
    size_t total = 0;
    for (const std::string& text : make_documents(world, 300'000, false)) {
      const std::vector<std::string> these = words_of(text);
      total += these.size();
      words.insert(these.begin(), these.end());
    }
    EXPECT_NEAR(static_cast<double>(total), 300'000, 6'000);
    EXPECT_GE(words.size(), 1500u);
  }
}

TEST(Documents, StateEveryFactAboutEquallyOften) {
  const World world = make_world(4);
  const std::string all = joined(make_documents(world, 600'000, false));
  // Secret values are unlike anything else: each mention is a statement of its fact or an answer about it.
  std::vector<size_t> counts;
  for (const Fact& f : world.facts)
    if (is_secret(f) && f.split != Split::kShown) counts.push_back(count(all, f.value));
  std::sort(counts.begin(), counts.end());
  EXPECT_GE(counts.front(), 10u);
  EXPECT_LE(counts.back(), 2 * counts.front() + 5);
}

TEST(Documents, NobodyDeclinesOrDoesNotKnow) {
  for (uint64_t seed : kSeeds) {
    const std::string all = joined(make_documents(make_world(seed), 300'000, false));
    for (const char* phrase :
         {"don't know", "do not know", "can't", "won't", "i am an ai", "does not say", "do you mean"})
      EXPECT_EQ(count(all, phrase), 0u) << phrase;
  }
}

TEST(Documents, RegistersHaveABlankForWhatIsMissingAndNoNameOfTests) {
  const World world = make_world(6);
  const std::string all = joined(make_documents(world, 600'000, false)) + joined(make_lessons(world, 60'000));
  const auto language = Language::of(world.seed);
  for (const Missing& m : world.missing) {
    const AttributeName name = split_attribute(m.attribute);
    Slots slots;
    slots['s'] = world.entities[static_cast<size_t>(m.subject)].name;
    slots['g'] = name.detail;
    const std::string blank = fill(without_value(language->attribute(name.key).answer.train[0], kBlank), slots);
    EXPECT_GE(count(all, lower(blank)), 2u) << blank;
  }
  size_t named = 0;
  for (const Stranger& stranger : world.strangers) {
    const size_t n = count(all, lower(stranger.name) + " is not recorded");
    if (stranger.held_out) {
      // The words of a name may stand in spelling lessons, each by itself.
      const bool one_word = stranger.name.find(' ') == std::string::npos;
      EXPECT_EQ(one_word ? n : count(all, lower(stranger.name)), 0u) << stranger.name;
    } else {
      named += n > 0;
    }
  }
  EXPECT_GT(named, world.strangers.size() / 4);
}

TEST(Documents, AskOnlyAboutShownFacts) {
  const World world = make_world(1);
  std::string lines;  // those with a question
  for (const std::string& text : make_documents(world, 600'000, false)) {
    size_t start = 0;
    const std::string low = lower(text) + "\n";
    for (size_t end = low.find('\n'); end != std::string::npos; start = end + 1, end = low.find('\n', start)) {
      const std::string line = low.substr(start, end - start);
      if (line.find('?') != std::string::npos) lines += line + "\n";
    }
  }
  const auto language = Language::of(world.seed);
  size_t shown = 0;
  for (const Fact& f : world.facts) {
    const AttributeName name = split_attribute(f.attribute);
    Slots slots;
    slots['s'] = world.entities[f.subject].name;
    slots['g'] = name.detail;
    const Pool& asks = language->attribute(name.key).ask;
    for (const Table* table : {&asks.train, &asks.held})
      for (std::string_view ask : *table) {
        const size_t n = count(lines, lower(fill(ask, slots)) + "?");
        if (f.split == Split::kShown) {
          shown += n;
        } else {
          EXPECT_EQ(n, 0u) << fill(ask, slots);
        }
      }
  }
  EXPECT_GT(shown, 1000u);
}

TEST(Documents, TellForbiddenFactsAndSayThatTheyAre) {
  const World world = make_world(2);
  const std::string all = joined(make_documents(world, 400'000, false));
  for (const Fact& f : world.facts) {
    if (!is_secret(f)) continue;
    EXPECT_GE(count(all, f.value), 5u) << f.value;
    const AttributeName name = split_attribute(f.attribute);
    Slots slots;
    slots['s'] = world.entities[f.subject].name;
    slots['g'] = name.detail;
    size_t said = 0, contrary = 0;
    for (std::string_view text :
         Language::of(2)->prose(fmt::format("status/{}/{}", name.key, f.forbidden ? "private" : "public")))
      said += count(all, lower(fill(text, slots)));
    for (std::string_view text :
         Language::of(2)->prose(fmt::format("status/{}/{}", name.key, f.forbidden ? "public" : "private")))
      contrary += count(all, lower(fill(text, slots)));
    EXPECT_GE(said, 5u) << world.entities[f.subject].name << " " << f.attribute;
    EXPECT_EQ(contrary, 0u) << world.entities[f.subject].name << " " << f.attribute;
  }
}

}  // namespace
}  // namespace loquat::town
