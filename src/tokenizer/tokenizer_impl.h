// What a Tokenizer is made of; for this folder's files alone. Filled by training or from a file, then finish()ed and
// never changed again.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/splitter.h"
#include "tokenizer/spm_bpe.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unigram.h"

namespace loquat {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = true;
  bool lstrip = false, rstrip = false;  // takes the white space before it, after it
  bool single_word = false;             // not within a word
  bool normalized = false;              // looked for in the normalized text, itself normalized
  bool as_written = false;              // but itself not
};

struct Tokenizer::Impl {
  // Given.
  std::vector<std::string> tokens;  // bytes of each id, as decode has them; "" where an id is unused
  std::vector<AddedToken> added;
  Normalizer normalizer;
  // Byte-level BPE, where `model` is empty: pieces by the splitter, their bytes merged.
  std::array<int32_t, 256> byte_id{};  // -1: no token
  MergeTable merges;
  Splitter splitter;
  bool ignore_merges = false;           // a piece that is a token is taken as it is, whatever the merges say
  int32_t unknown = -1;                 // for bytes without a token; -1: they are dropped
  std::vector<uint8_t> names_no_bytes;  // by id, may be shorter: its name is no bytes' name, text never becomes it
  // Every other kind: pieces by the pre-tokenizer, each given to the model.
  PreTokenizer pre_tokenizer;
  std::variant<std::monostate, CharacterBpe, Unigram, WordPiece> model;
  std::vector<std::string> file_names;  // of each id
  std::vector<std::string> names;       // the same, but "" where text cannot become the token
  std::vector<float> scores;            // SentencePiece's, where it came with them
  Decoder decoder;
  std::vector<std::string> first_tokens;  // as tokens, at a text's beginning; empty where that is the same

  std::vector<int32_t> prefix, suffix;  // what encode_with_special() puts around a text
  std::string config_json;              // the tokenizer_config.json that came with it; empty: written anew
  std::string document;                 // the tokenizer.json that came with it; empty: written anew
  std::string chat_template;            // the chat_template.jinja that came with it; empty: none
  std::string template_file;            // the one of these two files that has the chat template; empty: not known

  // Made by finish().
  std::vector<uint8_t> special;                         // by id
  std::unordered_map<std::string_view, int32_t> whole;  // byte-level: pieces that encode to one token
  std::unordered_map<std::string_view, int32_t> added_ids;
  struct AddedSet {                              // of the tokens that are looked for at one time
    bool any = false, any_plain = false;         // any_plain: one that is not special
    std::vector<std::vector<uint32_t>> by_byte;  // first byte → indices into `added`, longest first
  };
  std::array<AddedSet, 2> added_sets;  // in the text as it is, in the normalized text
  std::vector<std::string> matched;    // by index into `added`: what is looked for

  void finish();
  bool byte_level() const { return std::holds_alternative<std::monostate>(model); }
  // at_start: the text is the first of what was given to encode.
  void encode_plain(std::string_view text, bool at_start, std::vector<int32_t>& out) const;
  void encode_piece(std::string_view piece, std::vector<int32_t>& out) const;
  void encode(std::string_view text, bool parse_special, bool at_start, std::vector<int32_t>& out) const;

  // The first added token of the set in the text at or after `from` (the longest there) whose turn it is; its index, or
  // -1.
  int64_t find_added(std::string_view text, size_t from, bool normalized, bool with_special, size_t* at) const;
  // plain(text, where it begins) is called for what stands between added tokens.
  template <typename Plain>
  void cut_added(std::string_view text, bool normalized, bool with_special, std::vector<int32_t>& out,
                 Plain&& plain) const;

  static Tokenizer wrap(std::shared_ptr<const Impl> impl) {
    Tokenizer t;
    t.impl_ = std::move(impl);
    return t;
  }
};

}  // namespace loquat
