#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <unordered_set>

#include "base/check.h"
#include "base/threads.h"
#include "tokenizer/bpe_train.h"
#include "tokenizer/characters.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/utf8.h"

namespace loquat {
namespace {

// Where the white space ends that stands at `from`, and where that begins that ends at `to`.
size_t after_space(std::string_view text, size_t from) {
  while (from < text.size() && valid_utf8_prefix(text.substr(from, 4)) > 0) {
    const CodePoint c = code_point_at(text, from);
    if (!is_white_space(c.value)) break;
    from += c.length;
  }
  return from;
}

// The character that ends at `to`; 0 where there is none.
CodePoint character_before(std::string_view text, size_t to) {
  size_t at = to;
  while (at > 0 && to - at < 4) {
    --at;
    if ((text[at] & 0xC0) != 0x80) break;
  }
  const std::string_view character = text.substr(at, to - at);
  if (character.empty() || valid_utf8_prefix(character) != character.size()) return {};
  return code_point_at(character, 0);
}

size_t before_space(std::string_view text, size_t least, size_t to) {
  while (to > least) {
    const CodePoint c = character_before(text, to);
    if (c.length == 0 || !is_white_space(c.value)) break;
    to -= c.length;
  }
  return std::max(to, least);
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  const CodePoint before = character_before(text, begin);
  if (before.length > 0 && is_word_character(before.value)) return false;
  if (end == text.size() || valid_utf8_prefix(text.substr(end, 4)) == 0) return true;
  return !is_word_character(code_point_at(text, end).value);
}

Status check_special_tokens(const std::vector<std::string>& names) {
  std::unordered_set<std::string> seen;
  for (const std::string& name : names) {
    if (name.empty()) return Err("special tokens: found an empty one, expected a name such as {}", kEndOfText);
    if (valid_utf8_prefix(name) != name.size()) return Err("special tokens: '{}' is not UTF-8", name);
    if (!seen.insert(name).second) return Err("special tokens: '{}' stands there twice", name);
    // In tokenizer.json a token is named by its bytes' characters; one name cannot be two tokens.
    const auto bytes = characters_to_bytes(name);
    if (bytes && bytes->size() == 1) {
      return Err("special tokens: '{}' is the name of a byte's token, expected another name", name);
    }
  }
  return {};
}

}  // namespace

void Tokenizer::Impl::finish() {
  special.assign(tokens.size(), 0);
  for (AddedSet& set : added_sets) set.by_byte.assign(256, {});
  std::vector<uint8_t> not_text(tokens.size(), 0);
  for (size_t id = 0; id < names_no_bytes.size(); ++id) not_text[id] = names_no_bytes[id];
  for (uint32_t i = 0; i < added.size(); ++i) {
    special[added[i].id] = added[i].special;
    not_text[added[i].id] = 1;
    added_ids.emplace(added[i].content, added[i].id);
    const bool change = added[i].normalized && !added[i].as_written;
    matched.push_back(change ? normalizer.apply(added[i].content) : added[i].content);
    if (matched.back().empty()) continue;
    AddedSet& set = added_sets[added[i].normalized];
    set.any = true;
    set.any_plain = set.any_plain || !added[i].special;
    set.by_byte[static_cast<unsigned char>(matched.back()[0])].push_back(i);
  }
  for (AddedSet& set : added_sets) {
    for (auto& list : set.by_byte) {
      std::stable_sort(list.begin(), list.end(),
                       [&](uint32_t a, uint32_t b) { return matched[a].size() > matched[b].size(); });
    }
  }
  if (!byte_level()) return;
  // Most pieces of real text are one token. A piece is looked up whole where its merges do lead to that one token.
  std::vector<int32_t> ids;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty() || not_text[id]) continue;
    ids.clear();
    if (!ignore_merges) {
      for (const char b : tokens[id]) ids.push_back(byte_id[static_cast<unsigned char>(b)]);
      if (std::find(ids.begin(), ids.end(), -1) != ids.end()) continue;
      merges.apply(ids);
      if (ids.size() != 1) continue;
    }
    whole.emplace(tokens[id], ids.empty() ? static_cast<int32_t>(id) : ids[0]);
  }
}

void Tokenizer::Impl::encode_piece(std::string_view piece, std::vector<int32_t>& out) const {
  if (const auto it = whole.find(piece); it != whole.end()) {
    out.push_back(it->second);
    return;
  }
  thread_local std::vector<int32_t> ids;
  ids.clear();
  for (const char b : piece) {
    const int32_t id = byte_id[static_cast<unsigned char>(b)];
    if (id >= 0) {
      ids.push_back(id);
    } else if (unknown >= 0) {
      ids.push_back(unknown);
    }
  }
  merges.apply(ids);
  out.insert(out.end(), ids.begin(), ids.end());
}

void Tokenizer::Impl::encode_plain(std::string_view text, bool at_start, std::vector<int32_t>& out) const {
  if (byte_level()) {
    thread_local std::vector<std::string_view> pieces;
    pieces.clear();
    splitter.split(text, pieces);
    for (const std::string_view piece : pieces) encode_piece(piece, out);
    return;
  }
  std::vector<std::string> pieces;
  pre_tokenizer.run(text, at_start, pieces);
  std::visit(
      [&](const auto& m) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(m)>, std::monostate>) {
          for (const std::string& piece : pieces) m.encode(piece, out);
        }
      },
      model);
}

int64_t Tokenizer::Impl::find_added(std::string_view text, size_t from, bool normalized, bool with_special,
                                    size_t* at) const {
  const AddedSet& set = added_sets[normalized];
  for (size_t i = from; i < text.size(); ++i) {
    for (const uint32_t a : set.by_byte[static_cast<unsigned char>(text[i])]) {
      if (!with_special && added[a].special) continue;
      if (!text.substr(i).starts_with(matched[a])) continue;
      if (added[a].single_word && !stands_alone(text, i, i + matched[a].size())) continue;
      *at = i;
      return a;
    }
  }
  return -1;
}

template <typename Plain>
void Tokenizer::Impl::cut_added(std::string_view text, bool normalized, bool with_special, std::vector<int32_t>& out,
                                Plain&& plain) const {
  const bool look = with_special ? added_sets[normalized].any : added_sets[normalized].any_plain;
  size_t begin = 0;
  while (look && begin < text.size()) {
    size_t at = 0;
    const int64_t found = find_added(text, begin, normalized, with_special, &at);
    if (found < 0) break;
    const AddedToken& token = added[found];
    const size_t end = token.lstrip ? before_space(text, begin, at) : at;
    if (end > begin) plain(text.substr(begin, end - begin), begin);
    out.push_back(token.id);
    begin = at + matched[found].size();
    if (token.rstrip) begin = after_space(text, begin);
  }
  if (begin < text.size()) plain(text.substr(begin), begin);
}

void Tokenizer::Impl::encode(std::string_view text, bool parse_special, bool at_start,
                             std::vector<int32_t>& out) const {
  cut_added(text, false, parse_special, out, [&](std::string_view part, size_t begin) {
    std::string changed;
    if (!normalizer.empty()) {
      changed = normalizer.apply(part);
      part = changed;
    }
    cut_added(part, true, parse_special, out, [&](std::string_view plain, size_t at) {
      encode_plain(plain, at_start && begin == 0 && at == 0, out);
    });
  });
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special) const {
  std::vector<int32_t> out;
  out.reserve(text.size() / 3 + 1);
  impl_->encode(text, parse_special, true, out);
  return out;
}

std::vector<int32_t> Tokenizer::encode_with_special(std::string_view text, bool parse_special) const {
  std::vector<int32_t> out = impl_->prefix;
  out.reserve(text.size() / 3 + 1);
  impl_->encode(text, parse_special, true, out);
  out.insert(out.end(), impl_->suffix.begin(), impl_->suffix.end());
  return out;
}

std::vector<std::vector<int32_t>> Tokenizer::encode_batch(std::span<const std::string> texts,
                                                          bool parse_special) const {
  std::vector<std::vector<int32_t>> out(texts.size());
  // Blocks, so that a thread takes many short texts at a time; a long text is a block of its own work anyway.
  const int64_t grain = texts.size() > 4096 ? 64 : 1;
  parallel_blocks(static_cast<int64_t>(texts.size()), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = encode(texts[i], parse_special);
  });
  return out;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string out;
  bool first = !impl_->first_tokens.empty();
  for (const int32_t id : ids) {
    if (skip_special && is_special(id)) continue;
    if (first && id >= 0 && id < vocab_size()) {
      out += impl_->first_tokens[id];
    } else {
      out += token_bytes(id);
    }
    first = false;
  }
  impl_->decoder.finish(out);
  return out;
}

int64_t Tokenizer::vocab_size() const {
  return static_cast<int64_t>(impl_->tokens.size());
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return impl_->tokens[id];
}

int32_t Tokenizer::special(std::string_view token) const {
  const auto it = impl_->added_ids.find(token);
  return it == impl_->added_ids.end() || !is_special(it->second) ? -1 : it->second;
}

std::span<const int32_t> Tokenizer::prefix() const {
  return impl_->prefix;
}

std::span<const int32_t> Tokenizer::suffix() const {
  return impl_->suffix;
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && impl_->special[id] != 0;
}

std::vector<std::string> loquat_special_tokens() {
  std::vector<std::string> out;
  for (const auto name : {kEndOfText, kPad, kSystem, kUser, kAssistant, kEndOfTurn}) out.emplace_back(name);
  return out;
}

Result<Tokenizer> Tokenizer::train(std::span<const std::string> texts, const TokenizerTraining& options) {
  TRY_STATUS(can_read_text());
  TRY_STATUS(check_special_tokens(options.special_tokens));
  const auto specials = static_cast<int64_t>(options.special_tokens.size());
  constexpr int64_t kMaxVocabulary = 1 << 22;
  if (options.vocab_size < specials + 256 || options.vocab_size > kMaxVocabulary) {
    return Err("vocab_size: found {}, expected {} (256 bytes and {} special tokens) to {}", options.vocab_size,
               specials + 256, specials, kMaxVocabulary);
  }
  auto impl = std::make_shared<Impl>();
  TRY(impl->splitter, Splitter::make({options.pattern.empty() ? kGpt4Pattern : options.pattern}));
  for (const std::string& name : options.special_tokens) {
    impl->added.push_back({static_cast<int32_t>(impl->tokens.size()), name});
    impl->tokens.push_back(name);
  }
  for (int b = 0; b < 256; ++b) {
    impl->byte_id[b] = static_cast<int32_t>(impl->tokens.size());
    impl->tokens.emplace_back(1, static_cast<char>(b));
  }
  // In tokenizer.json a token is its name. So no merge may spell a special token, nor a token that another pair has
  // made.
  std::unordered_set<std::string> names(options.special_tokens.begin(), options.special_tokens.end());
  std::vector<std::string> bytes = impl->tokens;  // grows with the merges as they are accepted
  const auto allowed = [&](int32_t left, int32_t right) {
    std::string joined = bytes[left] + bytes[right];
    if (!names.insert(bytes_to_characters(joined)).second) return false;
    bytes.push_back(std::move(joined));
    return true;
  };
  const std::vector<PieceCount> pieces = count_pieces(texts, impl->splitter);
  if (pieces.empty()) return Err("tokenizer training: the texts are empty; expected some text to learn from");
  std::vector<Merge> merges =
      learn_merges(pieces, static_cast<int32_t>(specials), options.vocab_size - specials - 256, options.ties, allowed);
  impl->tokens = std::move(bytes);
  CHECK(impl->tokens.size() == static_cast<size_t>(specials) + 256 + merges.size());
  impl->merges = MergeTable(std::move(merges));
  impl->finish();
  return Impl::wrap(std::move(impl));
}

}  // namespace loquat
