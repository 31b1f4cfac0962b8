#include "infer/grammar/token_tree.h"

#include <algorithm>
#include <atomic>

namespace loquat {
namespace {

// A longer token (no known vocabulary has one) is never allowed.
constexpr size_t kLongestToken = 1024;

std::atomic<uint64_t> next_id{1};

}  // namespace

TokenTree::TokenTree(std::vector<std::pair<std::string_view, int32_t>> tokens, int64_t vocab_size)
    : id_(next_id++), vocab_size_(vocab_size), place_(static_cast<size_t>(vocab_size)) {
  std::erase_if(tokens, [](const auto& t) { return t.first.empty() || t.first.size() > kLongestToken; });
  std::sort(tokens.begin(), tokens.end());
  std::vector<uint32_t> open;  // the path to the last node
  std::string_view last;
  for (const auto& [text, token] : tokens) {
    const size_t common = std::mismatch(text.begin(), text.end(), last.begin(), last.end()).first - text.begin();
    for (; open.size() > common; open.pop_back()) nodes_[open.back()].end = static_cast<uint32_t>(nodes_.size());
    for (size_t i = common; i < text.size(); ++i) {
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.byte = static_cast<uint8_t>(text[i]),
                        .depth = static_cast<uint16_t>(i + 1),
                        .first_token = static_cast<uint32_t>(tokens_.size())});
    }
    tokens_.push_back(token);
    place_[token] = {static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(text.size())};
    text_ += text;
    longest_ = std::max(longest_, static_cast<uint32_t>(text.size()));
    if (text.size() == 1) single_.set(static_cast<uint8_t>(text[0]));
    last = text;
  }
  for (const uint32_t node : open) nodes_[node].end = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back({.first_token = static_cast<uint32_t>(tokens_.size())});
}

std::string_view TokenTree::bytes(int32_t token) const {
  if (token < 0 || token >= vocab_size_) return {};
  return std::string_view(text_).substr(place_[token].first, place_[token].second);
}

std::shared_ptr<const TokenTree> make_token_tree(const Tokenizer& tokenizer, int64_t vocab_size,
                                                 std::span<const int32_t> shown) {
  std::vector<std::pair<std::string_view, int32_t>> tokens;
  const auto count = static_cast<int32_t>(std::min(vocab_size, tokenizer.vocab_size()));
  for (int32_t id = 0; id < count; ++id) {
    if (!tokenizer.is_special(id) || std::find(shown.begin(), shown.end(), id) != shown.end())
      tokens.emplace_back(tokenizer.token_bytes(id), id);
  }
  return std::make_shared<const TokenTree>(std::move(tokens), vocab_size);
}

}  // namespace loquat
