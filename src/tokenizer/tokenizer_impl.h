// What a Tokenizer is made of; for this folder's files alone. Filled by training or from a file, then finish()ed and
// never changed again.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/splitter.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = true;
  bool lstrip = false, rstrip = false;  // takes the white space before it, after it
};

struct Tokenizer::Impl {
  // Given.
  std::vector<std::string> tokens;  // bytes of each id; "" where an id is unused
  std::vector<AddedToken> added;
  std::array<int32_t, 256> byte_id{};  // -1: no token
  MergeTable merges;
  Splitter splitter;
  bool ignore_merges = false;  // a piece that is a token is taken as it is, whatever the merges say
  int32_t unknown = -1;        // for bytes without a token; -1: they are dropped
  std::string config_json;     // the tokenizer_config.json that came with it; empty: written anew
  std::string chat_template;   // the chat_template.jinja that came with it; empty: none

  // Made by finish().
  std::vector<uint8_t> special;                         // by id
  std::unordered_map<std::string_view, int32_t> whole;  // pieces that encode to one token
  std::unordered_map<std::string_view, int32_t> added_ids;
  std::vector<std::vector<uint32_t>> added_by_byte;  // first byte → indices into added, longest first

  void finish();
  void encode_plain(std::string_view text, std::vector<int32_t>& out) const;
  void encode_piece(std::string_view piece, std::vector<int32_t>& out) const;
  // The first added token in the text at or after `from` (the longest there) whose turn it is; its index, or -1.
  int64_t find_added(std::string_view text, size_t from, bool with_special, size_t* at) const;

  static Tokenizer wrap(std::shared_ptr<const Impl> impl) {
    Tokenizer t;
    t.impl_ = std::move(impl);
    return t;
  }
};

}  // namespace loquat
