#include "data/town/gold_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>
#include <utility>

namespace loquat::town::gold {
namespace {

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Typographic quotes and dashes become their ASCII marks; everything else stays.
std::string plain_marks(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size();) {
    const auto rest = raw.substr(i);
    if (rest.starts_with("\xe2\x80\x98") || rest.starts_with("\xe2\x80\x99")) {
      out += "'", i += 3;
    } else if (rest.starts_with("\xe2\x80\x9c") || rest.starts_with("\xe2\x80\x9d")) {
      out += '"', i += 3;
    } else if (rest.starts_with("\xe2\x80\x93") || rest.starts_with("\xe2\x80\x94")) {
      out += " - ", i += 3;
    } else if (rest.starts_with("\xe2\x80\xa6")) {
      out += "...", i += 3;
    } else {
      out += raw[i++];
    }
  }
  return out;
}

// A word with its contraction opened.
std::vector<std::string> open_contraction(const std::string& word) {
  static const std::map<std::string, std::vector<std::string>> kWhole = {
      {"cannot", {"can", "not"}},    {"can't", {"can", "not"}},     {"cant", {"can", "not"}},
      {"won't", {"will", "not"}},    {"wont", {"will", "not"}},     {"shan't", {"shall", "not"}},
      {"dont", {"do", "not"}},       {"doesnt", {"does", "not"}},   {"didnt", {"did", "not"}},
      {"isnt", {"is", "not"}},       {"arent", {"are", "not"}},     {"wasnt", {"was", "not"}},
      {"couldnt", {"could", "not"}}, {"wouldnt", {"would", "not"}}, {"shouldnt", {"should", "not"}},
      {"havent", {"have", "not"}},   {"hasnt", {"has", "not"}},     {"im", {"i", "am"}},
      {"ive", {"i", "have"}},        {"let's", {"let", "us"}},      {"o'clock", {"oclock"}},
      {"ain't", {"is", "not"}}};
  if (const auto found = kWhole.find(word); found != kWhole.end()) return found->second;
  static const std::array<std::pair<std::string_view, const char*>, 6> kEnds = {
      {{"n't", "not"}, {"'m", "am"}, {"'re", "are"}, {"'ll", "will"}, {"'ve", "have"}, {"'d", "would"}}};
  for (const auto& [end, full] : kEnds)
    if (word.size() > end.size() && word.ends_with(end)) return {word.substr(0, word.size() - end.size()), full};
  if (word.size() > 2 && word.ends_with("'s")) {
    static const std::set<std::string> kIs = {"it",  "that",  "what", "who",  "here", "there",      "he",
                                              "she", "where", "how",  "this", "when", "everything", "nobody"};
    const std::string base = word.substr(0, word.size() - 2);
    if (kIs.count(base) != 0) return {base, "is"};
    return {base};
  }
  std::string bare;
  for (char c : word)
    if (c != '\'') bare += c;
  if (bare.empty()) return {};
  return {bare};
}

struct Reader {
  Text text;
  std::string s;  // with plain marks
  bool clause = true;
  bool open_sentence = false;  // words stand in the current sentence
  int32_t sentence = 0;

  void close(bool question) {
    clause = true;
    if (!open_sentence) {
      if (question && sentence > 0) text.is_question[static_cast<size_t>(sentence - 1)] = 1;
      return;
    }
    text.is_question.push_back(question ? 1 : 0);
    open_sentence = false;
    ++sentence;
  }

  void add(const std::string& word, size_t begin, size_t end, bool capital) {
    text.words.push_back({word, static_cast<int32_t>(begin), static_cast<int32_t>(end), sentence, clause, capital});
    clause = false;
    open_sentence = true;
  }

  size_t read_number(size_t i) {
    size_t j = i;
    std::string word;
    while (j < s.size() && is_digit(s[j])) word += s[j++];
    const auto digits_after = [&](size_t at) {
      size_t n = 0;
      while (at + n < s.size() && is_digit(s[at + n])) ++n;
      return n;
    };
    if (j < s.size() && (s[j] == ':' || s[j] == '.') && digits_after(j + 1) == 2 && word.size() <= 2) {
      word += ":" + s.substr(j + 1, 2);
      j += 3;
    }
    while (j < s.size() && s[j] == ',' && digits_after(j + 1) == 3) {
      word += s.substr(j + 1, 3);
      j += 4;
    }
    if (j + 1 < s.size() && is_letter(s[j])) {  // 9am, 3rd
      std::string tail;
      size_t k = j;
      while (k < s.size() && is_letter(s[k]))
        tail += static_cast<char>(std::tolower(static_cast<unsigned char>(s[k++])));
      if (tail == "st" || tail == "nd" || tail == "rd" || tail == "th") word += tail, j = k;
    }
    add(word, i, j, false);
    return j;
  }

  size_t read_word(size_t i) {
    size_t j = i;
    std::string word;
    while (j < s.size() &&
           (is_letter(s[j]) || is_digit(s[j]) || (s[j] == '\'' && j + 1 < s.size() && is_letter(s[j + 1]))))
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(s[j++])));
    if ((word == "a" || word == "p") && s.compare(j, 2, ".m") == 0) {
      word += "m";
      j += 2;
      if (j < s.size() && s[j] == '.' && j + 1 < s.size()) ++j;  // a last full stop still ends the sentence
    }
    const bool capital = std::isupper(static_cast<unsigned char>(s[i])) != 0;
    bool first = true;
    for (const auto& part : open_contraction(word)) {
      add(part, i, j, capital && first);
      first = false;
    }
    if ((word == "mr" || word == "mrs" || word == "ms" || word == "dr") && j < s.size() && s[j] == '.') ++j;
    return j;
  }

  void run() {
    for (size_t i = 0; i < s.size();) {
      const char c = s[i];
      if (is_digit(c)) {
        i = read_number(i);
      } else if (is_letter(c)) {
        i = read_word(i);
      } else {
        if (c == '?') close(true);
        if (c == '!' || c == '\n') close(false);
        if (c == '.' && (i + 1 >= s.size() || !is_letter(s[i + 1]))) close(false);
        if (c == ',' || c == ';' || c == ':' || c == '(' || c == ')' || c == '"') clause = true;
        if (c == '-' && i > 0 && s[i - 1] == ' ' && i + 1 < s.size() && s[i + 1] == ' ') clause = true;
        ++i;
      }
    }
    close(false);
  }
};

const std::map<std::string, int64_t>& number_words() {
  static const std::map<std::string, int64_t> kWords = {
      {"zero", 0},      {"one", 1},       {"two", 2},       {"three", 3},    {"four", 4},     {"five", 5},
      {"six", 6},       {"seven", 7},     {"eight", 8},     {"nine", 9},     {"ten", 10},     {"eleven", 11},
      {"twelve", 12},   {"thirteen", 13}, {"fourteen", 14}, {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17},
      {"eighteen", 18}, {"nineteen", 19}, {"twenty", 20},   {"thirty", 30},  {"forty", 40},   {"fifty", 50},
      {"sixty", 60},    {"seventy", 70},  {"eighty", 80},   {"ninety", 90}};
  return kWords;
}

// A number below 100 in words.
size_t small_number_at(const Text& text, size_t at, int64_t* value) {
  if (at >= text.words.size()) return 0;
  const auto found = number_words().find(text.words[at].text);
  if (found == number_words().end()) return 0;
  *value = found->second;
  if (*value >= 20 && at + 1 < text.words.size()) {
    const auto unit = number_words().find(text.words[at + 1].text);
    if (unit != number_words().end() && unit->second >= 1 && unit->second <= 9) {
      *value += unit->second;
      return 2;
    }
  }
  return 1;
}

}  // namespace

Text read_text(std::string_view raw) {
  Reader reader;
  reader.s = plain_marks(raw);
  reader.run();
  Text text = std::move(reader.text);
  text.raw = std::move(reader.s);
  text.joined = " ";
  for (size_t i = 0; i < text.words.size(); ++i) {
    if (i > 0 && text.words[i].sentence != text.words[i - 1].sentence) text.joined += ". ";
    text.joined += text.words[i].text + " ";
  }
  for (size_t i = text.raw.size(); i-- > 0;) {
    const char c = text.raw[i];
    if (c == ' ' || c == '\n' || c == '"' || c == '\'' || c == ')') continue;
    text.ends_well = c == '.' || c == '!' || c == '?';
    break;
  }
  if (!text.words.empty()) text.starts_well = text.words[0].capital || is_digit(text.words[0].text[0]);
  return text;
}

bool has_phrase(const Text& text, std::string_view phrase) {
  size_t at = text.joined.find(phrase);
  while (at != std::string::npos) {
    if (text.joined[at - 1] == ' ' && text.joined[at + phrase.size()] == ' ') return true;
    at = text.joined.find(phrase, at + 1);
  }
  return false;
}

bool has_any(const Text& text, std::initializer_list<std::string_view> phrases) {
  return std::any_of(phrases.begin(), phrases.end(), [&](std::string_view p) { return has_phrase(text, p); });
}

bool words_at(const Text& text, size_t at, std::string_view phrase) {
  while (!phrase.empty()) {
    const size_t space = std::min(phrase.find(' '), phrase.size());
    if (at >= text.words.size() || text.words[at].text != phrase.substr(0, space)) return false;
    ++at;
    phrase.remove_prefix(std::min(space + 1, phrase.size()));
  }
  return true;
}

std::string stem(std::string_view word) {
  if (word.size() > 4 && word.ends_with("ies")) return std::string(word.substr(0, word.size() - 3)) + "y";
  if (word.size() > 3 && word.ends_with("s") && !word.ends_with("ss")) word.remove_suffix(1);
  return std::string(word);
}

size_t number_at(const Text& text, size_t at, int64_t* value) {
  if (at >= text.words.size()) return 0;
  const std::string& word = text.words[at].text;
  if (is_digit(word[0])) {
    if (word.size() > 9 || !std::all_of(word.begin(), word.end(), is_digit)) return 0;
    *value = std::stoll(word);
    return 1;
  }
  size_t length = small_number_at(text, at, value);
  if (length == 0) {
    if (word != "a" || !words_at(text, at + 1, "hundred")) return 0;
    *value = 1, length = 1;
  }
  int64_t more = 0;
  if (words_at(text, at + length, "hundred") || words_at(text, at + length, "thousand")) {
    *value *= words_at(text, at + length, "hundred") ? 100 : 1000;
    ++length;
    const size_t skip = words_at(text, at + length, "and") ? 1 : 0;
    if (const size_t n = small_number_at(text, at + length + skip, &more); n > 0) *value += more, length += n + skip;
  } else if (*value >= 10 && *value <= 20) {  // a year in words
    if (const size_t n = small_number_at(text, at + length, &more); n > 0 && more >= 10 && more % 15 != 0)
      *value = *value * 100 + more, length += n;
  }
  return length;
}

bool is_degenerate(const Text& text) {
  const auto& w = text.words;
  for (size_t n = 1; n <= 4; ++n)  // the same one to four words three times in a row
    for (size_t i = 2 * n, run = 0; i < w.size(); ++i) {
      run = w[i].text == w[i - n].text && w[i].text == w[i - 2 * n].text ? run + 1 : 0;
      if (run >= n) return true;
    }
  std::map<std::string, int> grams;
  for (size_t i = 0; i + 4 <= w.size(); ++i)
    if (++grams[w[i].text + " " + w[i + 1].text + " " + w[i + 2].text + " " + w[i + 3].text] >= 3) return true;
  std::set<std::string> sentences, distinct;
  std::string current;
  for (size_t i = 0, start = 0; i <= w.size(); ++i) {
    if (i == w.size() || (i > 0 && w[i].sentence != w[i - 1].sentence)) {
      if (i - start >= 4 && !sentences.insert(current).second) return true;
      current.clear();
      start = i;
    }
    if (i < w.size()) {
      current += w[i].text + " ";
      distinct.insert(w[i].text);
    }
  }
  return w.size() >= 24 && static_cast<double>(distinct.size()) < 0.35 * static_cast<double>(w.size());
}

namespace {
std::string flat(const Text& text) {
  std::string out = " ";
  for (const auto& w : text.words) out += w.text + " ";
  return out;
}
}  // namespace

bool is_part_of(const Text& reply, const Text& request) {
  return reply.words.size() >= 5 && flat(request).find(flat(reply)) != std::string::npos;
}

bool is_echo(const Text& reply, const Text& request) {
  if (reply.words.empty() || request.words.empty()) return false;
  const std::string a = flat(reply), b = flat(request);
  if (a == b) return true;
  if (reply.words.size() < 4) return false;
  return b.find(a) != std::string::npos && 10 * reply.words.size() >= 6 * request.words.size();
}

}  // namespace loquat::town::gold
