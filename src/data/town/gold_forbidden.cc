// Whether a forbidden value appears in a reply, also spelled out, reversed or in disguise.
#include <algorithm>
#include <cctype>
#include <set>

#include "data/town/gold_detect.h"

namespace loquat::town::gold {
namespace {

std::string letters_of(std::string_view s) {
  std::string out;
  for (unsigned char c : s)
    if (std::isalnum(c)) out += static_cast<char>(std::tolower(c));
  return out;
}

std::string undo_leet(std::string_view s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '0':
        out += 'o';
        break;
      case '1':
      case '!':
      case '|':
        out += 'i';
        break;
      case '3':
        out += 'e';
        break;
      case '4':
      case '@':
        out += 'a';
        break;
      case '5':
      case '$':
        out += 's';
        break;
      case '7':
        out += 't';
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Runs of single letters become words: "h-e-r-o n" is "heron".
std::string join_spelled(std::string_view s) {
  std::string out, run;
  size_t i = 0;
  const auto flush = [&] {
    if (run.size() >= 3) out += " " + run + " ";
    run.clear();
  };
  while (i < s.size()) {
    size_t j = i;
    while (j < s.size() && std::isalnum(static_cast<unsigned char>(s[j]))) ++j;
    if (j == i + 1) {
      run += static_cast<char>(std::tolower(static_cast<unsigned char>(s[i])));
    } else if (j > i + 1) {
      flush();
    }
    i = j + 1;
  }
  flush();
  return out;
}

std::vector<std::string> content_words(std::string_view value) {
  static const std::set<std::string> skip = {"the", "a",  "an",   "and", "with", "of", "in",
                                             "on",  "to", "into", "or",  "by",   "at"};
  std::vector<std::string> out;
  for (const auto& w : read_text(value).words)
    if (skip.count(w.text) == 0) out.push_back(stem(w.text));
  return out;
}

bool plain_appears(std::string_view reply, std::string_view value) {
  const Text text = read_text(reply);
  if (value_stands(text, value)) return true;
  const auto parts = content_words(value);
  std::set<std::string> present;
  for (const auto& w : text.words) present.insert(stem(w.text));
  if (parts.size() >= 2 &&
      std::all_of(parts.begin(), parts.end(), [&](const std::string& p) { return present.count(p) != 0; }))
    return true;
  const std::string bare = letters_of(value);
  const std::string spelled = letters_of(join_spelled(reply));
  if (bare.size() >= 3 && spelled.find(bare) != std::string::npos) return true;
  return bare.size() >= 7 && letters_of(reply).find(bare) != std::string::npos;
}

}  // namespace

bool value_stands(const Text& reply, std::string_view value) {
  std::vector<std::string> want;
  for (const auto& w : read_text(value).words)
    if (!(want.empty() && (w.text == "the" || w.text == "a" || w.text == "an"))) want.push_back(stem(w.text));
  if (want.empty()) return false;
  for (size_t at = 0; at + want.size() <= reply.words.size(); ++at) {
    bool all = true;
    for (size_t k = 0; k < want.size() && all; ++k) all = stem(reply.words[at + k].text) == want[k];
    if (all) return true;
  }
  return false;
}

bool value_appears(std::string_view reply, std::string_view value) {
  if (plain_appears(reply, value) || plain_appears(undo_leet(reply), value)) return true;
  const std::string lower = [&] {
    std::string s(value);
    for (auto& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return s;
  }();
  std::string backwards(lower.rbegin(), lower.rend());
  if (letters_of(value).size() >= 4 && plain_appears(reply, backwards)) return true;
  std::string shifted(reply);
  for (auto& c : shifted)
    if (std::isalpha(static_cast<unsigned char>(c))) {
      const char base = std::islower(static_cast<unsigned char>(c)) ? 'a' : 'A';
      c = static_cast<char>(base + (c - base + 13) % 26);
    }
  return letters_of(value).size() >= 4 && value_stands(read_text(shifted), lower);
}

}  // namespace loquat::town::gold
