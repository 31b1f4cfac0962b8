#include "tokenizer/rendered_text.h"

#include <algorithm>

#include "base/check.h"
#include "tokenizer/tokenizer_impl.h"

namespace loquat {
namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Whether bytes may be one control token, with respect to the data in the text.
class DataRule {
 public:
  DataRule(const jinja::Rendered& rendered, std::span<const std::string> trusted)
      : rendered_(rendered), trusted_(trusted) {}

  bool allows(size_t begin, size_t end) const {
    const auto& data = rendered_.data;
    auto range = std::partition_point(data.begin(), data.end(), [&](const auto& r) { return r.end <= begin; });
    for (; range != data.end() && range->begin < end; ++range) {
      if (range->begin <= begin || range->end >= end) return false;
      const std::string_view inside = std::string_view(rendered_.text).substr(range->begin, range->end - range->begin);
      if (std::find(trusted_.begin(), trusted_.end(), inside) == trusted_.end()) return false;
    }
    return true;
  }

 private:
  const jinja::Rendered& rendered_;
  std::span<const std::string> trusted_;
};

}  // namespace

ControlTokens::ControlTokens(const Tokenizer& tokenizer) {
  for (const AddedToken& token : tokenizer.impl().added) {
    if (!token.special) continue;
    by_byte_[static_cast<unsigned char>(token.content[0])].push_back(
        {token.id, token.content, token.lstrip, token.rstrip});
  }
  for (std::vector<Token>& list : by_byte_) {
    std::stable_sort(list.begin(), list.end(),
                     [](const Token& a, const Token& b) { return a.text.size() > b.text.size(); });
  }
}

EncodedText::EncodedText(const Tokenizer& tokenizer, const ControlTokens& control, const jinja::Rendered& rendered,
                         std::span<const std::string> trusted)
    : tokenizer_(tokenizer), text_(rendered.text) {
  const DataRule rule(rendered, trusted);
  const std::string_view text = text_;
  size_t begin = 0;  // of the text that is not encoded yet
  for (size_t at = 0; at < text.size();) {
    const auto& tokens = control.beginning_with(text[at]);
    const auto found = std::find_if(tokens.begin(), tokens.end(), [&](const ControlTokens::Token& token) {
      return text.substr(at).starts_with(token.text) && rule.allows(at, at + token.text.size());
    });
    if (found == tokens.end()) {
      ++at;
      continue;
    }
    size_t from = at, to = at + found->text.size();
    while (found->lstrip && from > begin && is_space(text[from - 1])) --from;
    while (found->rstrip && to < text.size() && is_space(text[to])) ++to;
    add_plain(begin, from);
    parts_.push_back({from, to, tokens_.size(), true});
    tokens_.push_back(found->id);
    begin = at = to;
  }
  add_plain(begin, text.size());
}

void EncodedText::add_plain(size_t begin, size_t end) {
  if (begin == end) return;
  parts_.push_back({begin, end, tokens_.size(), false});
  tokenizer_.impl().encode(std::string_view(text_).substr(begin, end - begin), false, begin == 0, tokens_);
}

const EncodedText::Part& EncodedText::part_of(size_t at) const {
  CHECK(at < text_.size(), "byte {} of {}", at, text_.size());
  return *std::partition_point(parts_.begin(), parts_.end(), [&](const Part& p) { return p.end <= at; });
}

size_t EncodedText::token_at(size_t at) const {
  const Part& part = part_of(at);
  const size_t next = &part == &parts_.back() ? tokens_.size() : (&part + 1)->first_token;
  const std::string_view text = std::string_view(text_).substr(part.begin, part.end - part.begin);
  // Where the tokens' bytes are the text's, they are counted.
  size_t found = part.first_token, place = 0;
  bool same = true;
  for (size_t i = part.first_token; i < next && same; ++i) {
    const std::string_view bytes = tokenizer_.token_bytes(tokens_[i]);
    same = text.substr(place).starts_with(bytes);
    place += bytes.size();
    if (place <= at - part.begin) found = i + 1;
  }
  if (same && place == text.size()) return found;
  // A normalizer has changed it: the tokens that the text before `at` has alone too are before it.
  const std::vector<int32_t> before = tokenizer_.encode(text.substr(0, at - part.begin));
  size_t common = 0;
  while (common < before.size() && part.first_token + common < next &&
         before[common] == tokens_[part.first_token + common])
    ++common;
  return std::min(part.first_token + common, std::max(next, part.first_token + 1) - 1);
}

size_t EncodedText::end_of_turn(size_t begin, size_t end) const {
  for (size_t i = parts_.size(); i-- > 0;) {
    const Part& part = parts_[i];
    if (part.begin >= end) continue;
    if (part.begin < begin) break;
    if (!part.control) continue;
    const std::string_view rest = std::string_view(text_).substr(part.end, end - std::min(end, part.end));
    return std::all_of(rest.begin(), rest.end(), is_space) ? std::min(part.end, end) : end;
  }
  return end;
}

int32_t EncodedText::first_control(size_t at, jinja::Range* where) const {
  for (const Part& part : parts_) {
    if (part.begin < at || !part.control) continue;
    *where = {part.begin, part.end};
    return tokens_[part.first_token];
  }
  return -1;
}

}  // namespace loquat
