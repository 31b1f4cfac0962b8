#include "redteam/attacks/wrap.h"

#include <cctype>
#include <sstream>

namespace loquat::redteam {

std::string substitute(std::string_view text, std::string_view mark, std::string_view value) {
  std::string out(text);
  for (size_t at = 0; (at = out.find(mark, at)) != std::string::npos; at += value.size())
    out.replace(at, mark.size(), value);
  return out;
}

Messages fill(std::initializer_list<std::string_view> templates, const std::string& request, Rng& rng) {
  const std::string_view chosen = templates.begin()[rng.below(templates.size())];
  return {{"user", substitute(substitute(chosen, "{q}", request), "{c}", as_clause(request))}};
}

std::string as_clause(const std::string& request) {
  std::string out = request;
  while (!out.empty() && (out.back() == '?' || out.back() == '.' || out.back() == '!' || out.back() == ' '))
    out.pop_back();
  if (out.size() > 1 && out[0] != 'I') out[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(out[0])));
  return out;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

}  // namespace loquat::redteam
