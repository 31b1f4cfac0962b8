#include "data/contrast.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"

namespace loquat {
namespace {

struct Word {
  std::string_view text;  // without what is no letter or digit around it
  size_t begin = 0;
};

bool is_word_byte(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 0x80 || std::isalnum(u) != 0 || c == '\'';
}

std::vector<Word> words_in(std::string_view text) {
  std::vector<Word> words;
  for (size_t i = 0; i < text.size();) {
    if (!is_word_byte(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_word_byte(text[end])) ++end;
    words.push_back({text.substr(i, end - i), i});
    i = end;
  }
  return words;
}

const std::string& reply_of(const Demonstration& demonstration) {
  CHECK(!demonstration.messages.empty(), "demonstration {} is empty", demonstration.id);
  return demonstration.messages.back().content;
}

std::string opening_of(std::string_view reply) {
  const std::vector<Word> words = words_in(reply);
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(2, words.size()); ++i) (out += words[i].text) += ' ';
  return out;
}

// Words [begin, end) of one text and [other_begin, other_end) of the other, between words that both share.
struct Difference {
  size_t begin, end, other_begin, other_end;
};

// By the longest common subsequence of words; only where both sides have words.
std::vector<Difference> differences(const std::vector<Word>& a, const std::vector<Word>& b) {
  const size_t n = a.size(), m = b.size();
  std::vector<uint16_t> common((n + 1) * (m + 1), 0);  // of a[i ...] and b[j ...]
  const auto at = [&](size_t i, size_t j) -> uint16_t& { return common[i * (m + 1) + j]; };
  for (size_t i = n; i-- > 0;)
    for (size_t j = m; j-- > 0;)
      at(i, j) =
          a[i].text == b[j].text ? static_cast<uint16_t>(at(i + 1, j + 1) + 1) : std::max(at(i + 1, j), at(i, j + 1));
  std::vector<Difference> out;
  size_t i = 0, j = 0;
  while (i < n && j < m) {
    if (a[i].text == b[j].text) {
      ++i, ++j;
      continue;
    }
    const size_t begin = i, other_begin = j;
    while (i < n && j < m && a[i].text != b[j].text) at(i + 1, j) >= at(i, j + 1) ? ++i : ++j;
    if (i == n || j == m) i = n, j = m;
    if (i > begin && j > other_begin) out.push_back({begin, i, other_begin, j});
  }
  return out;
}

std::string_view between(std::string_view text, const std::vector<Word>& words, size_t begin, size_t end) {
  const size_t from = words[begin].begin;
  return text.substr(from, words[end - 1].begin + words[end - 1].text.size() - from);
}

}  // namespace

ReplySwapper::ReplySwapper(std::span<const Demonstration> demonstrations) {
  for (const Demonstration& demonstration : demonstrations) {
    const std::string& reply = reply_of(demonstration);
    by_opening_[opening_of(reply)].push_back(reply);
  }
}

std::string ReplySwapper::swap(std::string_view reply, Rng& rng) const {
  constexpr int kDonors = 12;
  constexpr size_t kMostWords = 12, kLongest = 120;
  const auto found = by_opening_.find(opening_of(reply));
  const std::vector<Word> words = words_in(reply);
  if (found == by_opening_.end() || words.size() > kLongest) return {};
  for (int attempt = 0; attempt < kDonors; ++attempt) {
    const std::string_view donor = rng.pick(found->second);
    const std::vector<Word> others = words_in(donor);
    if (others.size() > kLongest) continue;
    std::vector<Difference> spans = differences(words, others);
    std::erase_if(spans, [](const Difference& d) {
      return d.end - d.begin > kMostWords || d.other_end - d.other_begin > kMostWords;
    });
    if (spans.empty()) continue;
    const Difference& d = rng.pick(spans);
    const std::string_view old = between(reply, words, d.begin, d.end);
    std::string out(reply);
    return out.replace(static_cast<size_t>(old.data() - reply.data()), old.size(),
                       between(donor, others, d.other_begin, d.other_end));
  }
  return {};
}

namespace {

// Words [begin, end) of a reply between joiners.
struct Part {
  size_t begin, end;
};

bool is_joiner(std::string_view word) {
  return word == "and" || word == "or" || word == "plus";
}

// Neighbouring parts of one sentence, the first ending and the second beginning at a joiner.
std::vector<std::pair<Part, Part>> joined_parts(std::string_view text, const std::vector<Word>& words) {
  std::vector<std::pair<Part, Part>> pairs;
  Part last{0, 0}, now{0, 0};
  bool joined = false;  // `last` and `now` stand side by side
  const auto close = [&](size_t end, bool joins) {
    now.end = end;
    if (joined && now.end > now.begin && last.end > last.begin) pairs.push_back({last, now});
    joined = joins;
    last = now;
  };
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t after = words[i].begin + words[i].text.size();
    const std::string_view gap = text.substr(after, i + 1 < words.size() ? words[i + 1].begin - after : text.npos);
    if (is_joiner(words[i].text)) {
      if (now.begin < i) close(i, true);
      now.begin = i + 1;
    } else if (const size_t mark = gap.find_first_of(",.;:!?\n"); mark != gap.npos) {
      close(i + 1, gap[mark] == ',');
      now.begin = i + 1;
    }
  }
  return pairs;
}

}  // namespace

std::string say_twice(std::string_view reply, Rng& rng) {
  constexpr size_t kMostWords = 4;  // of a thing
  const std::vector<Word> words = words_in(reply);
  auto pairs = joined_parts(reply, words);
  std::erase_if(pairs, [&](const auto& pair) { return pair.second.end - pair.second.begin > kMostWords; });
  if (pairs.empty()) return {};
  const auto& [first, second] = rng.pick(pairs);
  const size_t count = std::min(first.end - first.begin, second.end - second.begin);
  const std::string_view old = between(reply, words, second.begin, second.end);
  std::string again(between(reply, words, first.end - count, first.end));
  if (std::islower(static_cast<unsigned char>(old.front())) != 0) {
    again.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(again.front())));
  }
  if (again == old) return {};
  std::string out(reply);
  return out.replace(static_cast<size_t>(old.data() - reply.data()), old.size(), again);
}

std::vector<Ranking> contrasts(std::span<const Demonstration> demonstrations,
                               std::span<const std::vector<std::string>> samples, const ContrastOptions& options,
                               Rng rng) {
  CHECK(samples.empty() || samples.size() == demonstrations.size(), "{} demonstrations, samples for {}",
        demonstrations.size(), samples.size());
  const ReplySwapper swapper(demonstrations);
  std::vector<Ranking> rankings;
  for (size_t i = 0; i < demonstrations.size(); ++i) {
    const std::string& good = reply_of(demonstrations[i]);
    Ranking ranking{demonstrations[i].id + "/contrast", demonstrations[i].messages, {{good, 0, 0, {}}}};
    ranking.prompt.pop_back();
    const auto add = [&](std::string text) {
      const auto same = [&](const RankedResponse& response) { return response.text == text; };
      if (!text.empty() && std::none_of(ranking.responses.begin(), ranking.responses.end(), same))
        ranking.responses.push_back({std::move(text), 1, 0, {}});
    };
    for (int64_t n = 0; n < options.swapped; ++n) add(swapper.swap(good, rng));
    for (int64_t n = 0; n < options.repeated; ++n) add(say_twice(good, rng));
    for (int64_t n = 0; n < options.others; ++n) add(reply_of(demonstrations[rng.below(demonstrations.size())]));
    if (!samples.empty())
      for (const std::string& sample : samples[i]) add(sample);
    if (ranking.responses.size() > 1 && !ranking.prompt.empty()) rankings.push_back(std::move(ranking));
  }
  return rankings;
}

}  // namespace loquat
