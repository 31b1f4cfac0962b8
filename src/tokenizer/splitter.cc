#include "tokenizer/splitter.h"

#include "tokenizer/utf8.h"

namespace loquat {

const std::string kGpt4Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

void cut(const Pattern& pattern, std::string_view text, std::vector<std::string_view>& pieces) {
  size_t at = 0;
  pattern.each(text, [&](size_t begin, size_t end) {
    if (begin > at) pieces.push_back(text.substr(at, begin - at));
    if (end > begin) pieces.push_back(text.substr(begin, end - begin));
    at = end;
  });
  if (at < text.size()) pieces.push_back(text.substr(at));
}

}  // namespace

Result<Splitter> Splitter::make(std::vector<std::string> patterns) {
  Splitter splitter;
  for (const std::string& pattern : patterns) {
    auto made = Pattern::make(pattern);
    if (!made.ok()) return Err("pre-tokenizer {}", made.error());
    splitter.codes_.push_back(*std::move(made));
  }
  splitter.patterns_ = std::move(patterns);
  return splitter;
}

void Splitter::split_valid(std::string_view text, std::vector<std::string_view>& pieces) const {
  if (codes_.empty()) {
    pieces.push_back(text);
    return;
  }
  if (codes_.size() == 1) return cut(codes_[0], text, pieces);
  std::vector<std::string_view> from{text}, to;
  for (const auto& code : codes_) {
    to.clear();
    for (const std::string_view piece : from) cut(code, piece, to);
    std::swap(from, to);
  }
  pieces.insert(pieces.end(), from.begin(), from.end());
}

void Splitter::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  while (!text.empty()) {
    const size_t valid = valid_utf8_prefix(text);
    if (valid > 0) split_valid(text.substr(0, valid), pieces);
    if (valid == text.size()) return;
    pieces.push_back(text.substr(valid, 1));
    text.remove_prefix(valid + 1);
  }
}

}  // namespace loquat
