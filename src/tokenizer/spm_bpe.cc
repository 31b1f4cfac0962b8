#include "tokenizer/spm_bpe.h"

#include <algorithm>

#include "tokenizer/utf8.h"
#include "tokenizer/words.h"

namespace loquat {

CharacterBpe::CharacterBpe(std::span<const std::string> names, MergeTable merges, const CharacterBpeOptions& options)
    : merges_(std::move(merges)), options_(options) {
  ascii_.fill(-1);
  cut_words_ = true;
  const auto n = static_cast<int32_t>(names.size());
  for (int32_t id = 0; id < n; ++id) {
    const std::string& name = names[id];
    if (name.empty() || valid_utf8_prefix(name) != name.size()) continue;
    if (options_.ignore_merges) tokens_.emplace(name, id);
    const CodePoint c = code_point_at(name, 0);
    if (static_cast<size_t>(c.length) != name.size()) continue;
    if (c.value < 128) {
      ascii_[c.value] = id;
    } else {
      characters_.emplace(c.value, id);
    }
  }
  for (const Merge& merge : merges_.merges()) cut_words_ = cut_words_ && is_one_word(names[merge.result]);
  cut_words_ = cut_words_ && characters_.contains(code_point_at(kSpaceMark, 0).value);
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < n; ++id) {
    if (names[id].empty()) continue;
    ids.clear();
    start(names[id], ids);
    merges_.apply(ids);
    if (ids.size() == 1 && ids[0] != options_.unknown) whole_.emplace(names[id], ids[0]);
  }
}

void CharacterBpe::start(std::string_view word, std::vector<int32_t>& ids) const {
  bool after_unknown = false;
  for (size_t at = 0; at < word.size();) {
    const auto first = static_cast<unsigned char>(word[at]);
    int32_t id = -1;
    size_t length = 1;
    if (first < 128) {
      id = ascii_[first];
    } else if (valid_utf8_prefix(word.substr(at, 4)) > 0) {
      const CodePoint c = code_point_at(word, at);
      length = c.length;
      const auto it = characters_.find(c.value);
      if (it != characters_.end()) id = it->second;
    }
    if (id >= 0) {
      ids.push_back(id);
      after_unknown = false;
    } else if (options_.byte_fallback) {
      for (size_t i = at; i < at + length; ++i) ids.push_back(options_.byte_ids[static_cast<unsigned char>(word[i])]);
      after_unknown = false;
    } else if (options_.unknown >= 0) {
      if (!(after_unknown && options_.fuse_unknown)) ids.push_back(options_.unknown);
      after_unknown = true;
    }
    at += length;
  }
}

void CharacterBpe::encode_word(std::string_view word, std::vector<int32_t>& out) const {
  if (const auto it = whole_.find(word); it != whole_.end()) {
    out.push_back(it->second);
    return;
  }
  thread_local std::vector<int32_t> ids;
  ids.clear();
  start(word, ids);
  merges_.apply(ids);
  out.insert(out.end(), ids.begin(), ids.end());
}

void CharacterBpe::encode(std::string_view piece, std::vector<int32_t>& out) const {
  if (options_.ignore_merges) {
    if (const auto it = tokens_.find(piece); it != tokens_.end()) {
      out.push_back(it->second);
      return;
    }
  }
  if (!cut_words_) return encode_word(piece, out);
  while (!piece.empty()) {
    const std::string_view word = first_word(piece);
    encode_word(word, out);
    piece.remove_prefix(word.size());
  }
}

}  // namespace loquat
