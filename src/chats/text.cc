// Texts for the store: ids, clean text, titles, the words of a search and what is shown of a hit.
#include <utf8proc.h>

#include <algorithm>
#include <chrono>

#include "base/random_id.h"
#include "chats/chats.h"

namespace loquat::chats {
namespace {

constexpr size_t kMostWords = 6;
constexpr size_t kLongestWord = 100;  // in characters
constexpr size_t kTitleCharacters = 48;
constexpr char kHitBegins = '\x01', kHitEnds = '\x02';

// A text's characters in lower case, and at which byte each stands (and the end).
struct Folded {
  std::vector<int32_t> characters;
  std::vector<size_t> at;
};

Folded fold(std::string_view text) {
  Folded folded;
  size_t i = 0;
  while (i < text.size()) {
    utf8proc_int32_t c = 0;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data() + i);
    const auto length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    folded.characters.push_back(length > 0 ? utf8proc_tolower(c) : 0xfffd);
    folded.at.push_back(i);
    i += length > 0 ? static_cast<size_t>(length) : 1;
  }
  folded.at.push_back(text.size());
  return folded;
}

bool is_space(unsigned char c) {
  return c <= 0x20 || c == 0x7f;
}

// In one line: every run of blanks and control characters is one blank.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!is_space(byte) || c == kHitBegins || c == kHitEnds) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  return out;
}

}  // namespace

std::string new_id() {
  return random_id();
}

int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string plain_text(std::string text) {
  static constexpr std::string_view kUnknown = "\xef\xbf\xbd";
  size_t good = 0;  // so many bytes need no change
  std::string out;
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t c = 0;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data() + i);
    const auto length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    if (length > 0 && c != 0) {
      i += static_cast<size_t>(length);
      continue;
    }
    out.append(text, good, i - good);
    out += kUnknown;
    good = ++i;
  }
  if (good == 0) return text;
  return out.append(text, good);
}

std::string title_of(std::string_view message) {
  const std::string line = plain_text(one_line(message.substr(0, 16 * kTitleCharacters)));
  const Folded folded = fold(line);
  if (folded.characters.size() <= kTitleCharacters) {
    const size_t end = line.find_last_not_of(' ');
    return end == std::string::npos ? "" : line.substr(0, end + 1);
  }
  size_t end = folded.at[kTitleCharacters];
  // At a word's end, where there is one; Chinese has none.
  const size_t blank = line.rfind(' ', end);
  if (blank != std::string::npos && blank > end / 2) end = blank;
  return line.substr(0, end) + "…";
}

std::vector<std::string> words_of(std::string_view query) {
  std::vector<std::string> words;
  for (size_t i = 0; i < query.size() && words.size() < kMostWords;) {
    while (i < query.size() && is_space(static_cast<unsigned char>(query[i]))) ++i;
    const size_t begin = i;
    while (i < query.size() && !is_space(static_cast<unsigned char>(query[i]))) ++i;
    const std::string_view word = query.substr(begin, i - begin);
    if (word.empty()) continue;
    const Folded folded = fold(word);
    words.emplace_back(word.substr(0, folded.at[std::min(kLongestWord, folded.characters.size())]));
  }
  return words;
}

std::string snippet_of(std::string_view text, const std::vector<std::string>& words, size_t width) {
  const Folded folded = fold(text);
  const auto& all = folded.characters;
  for (const std::string& word : words) {
    const auto wanted = fold(word).characters;
    const auto hit = std::search(all.begin(), all.end(), wanted.begin(), wanted.end());
    if (hit == all.end() || wanted.empty()) continue;
    const auto begin = static_cast<size_t>(hit - all.begin());
    const size_t end = begin + wanted.size();
    const size_t around = width > wanted.size() ? (width - wanted.size()) / 2 : 0;
    const size_t from = begin > around ? begin - around : 0;
    const size_t to = std::min(end + around, all.size());
    const auto piece = [&](size_t a, size_t b) {
      std::string bytes(text.substr(folded.at[a], folded.at[b] - folded.at[a]));
      // The text's own marks would be taken for ours.
      std::erase_if(bytes, [](char c) { return c == kHitBegins || c == kHitEnds; });
      return bytes;
    };
    std::string out = piece(from, begin) + kHitBegins + piece(begin, end) + kHitEnds + piece(end, to);
    out = one_line(out);
    return (from > 0 ? "…" : "") + out + (to < all.size() ? "…" : "");
  }
  return "";
}

std::string trouble_with(const Message& message) {
  if (message.content.size() > kMostTextBytes || message.reasoning.size() > kMostTextBytes)
    return fmt::format("A message may have at most {} bytes.", kMostTextBytes);
  if (message.files.size() > kMostFiles) return fmt::format("A message may have at most {} files.", kMostFiles);
  size_t bytes = 0;
  for (const File& file : message.files) {
    if (file.name.empty() || file.name.size() > kMostNameBytes)
      return fmt::format("A file's name may have 1 to {} bytes.", kMostNameBytes);
    bytes += file.text.size();
  }
  if (bytes > kMostFileBytes) return fmt::format("A message's files may have at most {} bytes.", kMostFileBytes);
  if (message.model.size() > kMostNameBytes)
    return fmt::format("A model's name may have at most {} bytes.", kMostNameBytes);
  if (message.tool_calls.dump().size() > kMostTextBytes) return "The tool calls are too long.";
  return "";
}

std::string trouble_with(const Conversation& conversation) {
  if (conversation.title.size() > kMostTitleBytes)
    return fmt::format("A title may have at most {} bytes.", kMostTitleBytes);
  if (conversation.system.size() > kMostSystemBytes)
    return fmt::format("The system prompt may have at most {} bytes.", kMostSystemBytes);
  if (conversation.model.size() > kMostNameBytes)
    return fmt::format("A model's name may have at most {} bytes.", kMostNameBytes);
  return "";
}

}  // namespace loquat::chats
