#include "tokenizer/tokenizer_reader.h"

#include <algorithm>
#include <unordered_map>

#include "tokenizer/json_fields.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/words.h"

namespace loquat {
namespace {

using nlohmann::json;

// A file must not ask for more memory than its own size warrants: ids are less than this and, some gaps allowed, than a
// multiple of the number of tokens.
constexpr int64_t kMaxId = 1 << 22, kFreeIds = 100'000, kIdsPerToken = 16;

class Reader {
 public:
  Reader(const json& root, const SentencePieceRules* rules, Tokenizer::Impl& out)
      : root_(root), rules_(rules), out_(out) {}

  Status read() {
    if (!root_.is_object()) return wrong("the file", root_, "an object");
    TRY(out_.normalizer, Normalizer::make(member(root_, "normalizer"), "normalizer"));
    if (rules_ != nullptr) out_.normalizer.use_sentencepiece_rules();
    TRY(out_.pre_tokenizer, PreTokenizer::make(member(root_, "pre_tokenizer"), "pre_tokenizer"));
    TRY(out_.decoder, Decoder::make(member(root_, "decoder"), "decoder"));
    const json& model = member(root_, "model");
    if (!model.is_object()) return wrong("model", model, "an object");
    const size_t tokens = member(model, "vocab").size() + member(root_, "added_tokens").size();
    ids_end_ = std::min<int64_t>(kMaxId, kFreeIds + kIdsPerToken * static_cast<int64_t>(tokens));
    TRY_STATUS(read_added(member(root_, "added_tokens")));
    // Older files have no type: they are told by what they hold.
    const json& type = member(model, "type");
    if (type == "BPE" || (type.is_null() && model.contains("merges"))) {
      TRY_STATUS(read_bpe(model));
    } else if (type == "Unigram") {
      TRY_STATUS(read_unigram(model));
    } else if (type == "WordPiece") {
      TRY_STATUS(read_word_piece(model));
    } else {
      return wrong("model.type", type, R"("BPE", "Unigram" or "WordPiece")");
    }
    return read_post_processor(member(root_, "post_processor"), "post_processor");
  }

 private:
  Status read_id(const json& value, const std::string& field, int32_t& id) const {
    if (!value.is_number_integer() || value < 0 || value >= ids_end_) {
      return wrong(field, value, fmt::format("an id from 0 to {}", ids_end_ - 1));
    }
    id = value.get<int32_t>();
    return {};
  }

  Status read_added(const json& list) {
    if (list.is_null()) return {};
    if (!list.is_array()) return wrong("added_tokens", list, "a list");
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string field = fmt::format("added_tokens[{}]", i);
      AddedToken token;
      TRY(token.content, text_of(list[i], "content", field));
      if (token.content.empty()) return wrong(field + ".content", "", "text");
      TRY_STATUS(read_id(member(list[i], "id"), field + ".id", token.id));
      TRY(token.special, flag(list[i], "special", field, false));
      TRY(token.lstrip, flag(list[i], "lstrip", field, false));
      TRY(token.rstrip, flag(list[i], "rstrip", field, false));
      TRY(token.single_word, flag(list[i], "single_word", field, false));
      TRY(token.normalized, flag(list[i], "normalized", field, !token.special));
      // SentencePiece looks for the user's symbols in the whole normalized text, so that a "▁" before it is put there
      // once.
      token.as_written = rules_ != nullptr && !token.special;
      token.normalized = token.normalized || token.as_written;
      if (!ids_.emplace(token.content, token.id).second) {
        return wrong(field + ".content", token.content, "each token once");
      }
      TRY_STATUS(place(field, token.id, token.content));
      if (token.special) special_.resize(std::max<size_t>(special_.size(), token.id + 1));
      if (token.special) special_[token.id] = 1;
      out_.added.push_back(std::move(token));
    }
    return {};
  }

  bool is_special(int32_t id) const { return static_cast<size_t>(id) < special_.size() && special_[id] != 0; }
  bool is_text(int32_t id) const {
    const bool kept_out =
        rules_ != nullptr && static_cast<size_t>(id) < rules_->not_text.size() && rules_->not_text[id] != 0;
    return !is_special(id) && !kept_out;
  }

  // tokens[id] is the token's name until to_bytes() has made it what decode gives.
  Status place(const std::string& field, int32_t id, const std::string& name) {
    if (static_cast<size_t>(id) >= out_.tokens.size()) out_.tokens.resize(id + 1);
    if (!out_.tokens[id].empty()) return wrong(field + ".id", id, "an id that no other token has");
    out_.tokens[id] = name;
    return {};
  }

  // A token of the model; false: it is an added token, named a second time.
  Result<bool> add_token(const std::string& name, int32_t id, const std::string& field) {
    if (const auto it = ids_.find(name); it != ids_.end()) {
      if (it->second != id) return wrong(field, id, fmt::format("{}, as before", it->second));
      return false;
    }
    if (name.empty()) return wrong(field, name, "a token of at least one character");
    TRY_STATUS(place(field, id, name));
    ids_.emplace(name, id);
    return true;
  }

  Status read_vocabulary(const json& vocab) {
    if (!vocab.is_object()) return wrong("model.vocab", vocab, "an object of token to id");
    for (const auto& [name, value] : vocab.items()) {
      const std::string field = fmt::format("model.vocab[{}]", shown(name));
      int32_t id = 0;
      TRY_STATUS(read_id(value, field, id));
      TRY_STATUS(add_token(name, id, field));
    }
    return {};
  }

  Status read_unknown(const json& model, int32_t& id) const {
    const json& unknown = member(model, "unk_token");
    if (!unknown.is_string()) return {};
    const auto it = ids_.find(unknown.get_ref<const std::string&>());
    if (it == ids_.end()) return wrong("model.unk_token", unknown, "a token of model.vocab");
    id = it->second;
    return {};
  }

  // ids of <0x00> to <0xFF>. A file whose vocabulary lacks some is read as one without byte fallback would be only for
  // the characters that need them, which no published file has; so all are asked for.
  Status read_byte_ids(std::array<int32_t, 256>& ids) const {
    for (int b = 0; b < 256; ++b) {
      const auto it = ids_.find(byte_token_name(b));
      if (it == ids_.end() || is_special(it->second)) {
        return wrong("model.byte_fallback", true, "a token " + byte_token_name(b) + " that is not special");
      }
      ids[b] = it->second;
    }
    return {};
  }

  Status read_bpe(const json& model) {
    for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
      if (is_set(member(model, key))) {
        return wrong(std::string("model.") + key, member(model, key), "none: this is not supported");
      }
    }
    TRY_STATUS(read_vocabulary(member(model, "vocab")));
    TRY(std::vector<Merge> merges, read_merges(member(model, "merges")));
    CharacterBpeOptions options;
    TRY(options.byte_fallback, flag(model, "byte_fallback", "model", false));
    TRY(options.fuse_unknown, flag(model, "fuse_unk", "model", false));
    TRY(options.ignore_merges, flag(model, "ignore_merges", "model", false));
    TRY_STATUS(read_unknown(model, options.unknown));
    const auto patterns = out_.pre_tokenizer.byte_level_patterns();
    const bool fuses = options.fuse_unknown && options.unknown >= 0;
    if (patterns && out_.decoder.is_byte_level() && !options.byte_fallback && !fuses) {
      return make_byte_level(*patterns, std::move(merges), options);
    }
    if (options.byte_fallback) TRY_STATUS(read_byte_ids(options.byte_ids));
    keep_names();
    const bool ranked = rules_ != nullptr && rules_->merge_ranks.size() == merges.size();
    MergeTable table = ranked ? MergeTable(std::move(merges), rules_->merge_ranks) : MergeTable(std::move(merges));
    out_.model.emplace<CharacterBpe>(out_.names, std::move(table), options);
    to_bytes();
    return {};
  }

  Status make_byte_level(const std::vector<std::string>& patterns, std::vector<Merge> merges,
                         const CharacterBpeOptions& options) {
    TRY(out_.splitter, Splitter::make(patterns));
    out_.unknown = options.unknown;
    out_.ignore_merges = options.ignore_merges;
    std::vector<uint8_t> is_added(out_.tokens.size(), 0);
    for (const AddedToken& token : out_.added) is_added[token.id] = 1;
    out_.names_no_bytes.assign(out_.tokens.size(), 0);
    for (size_t id = 0; id < out_.tokens.size(); ++id) {
      if (is_added[id] || out_.tokens[id].empty()) continue;
      if (auto bytes = characters_to_bytes(out_.tokens[id])) {
        out_.tokens[id] = *std::move(bytes);
      } else {
        out_.names_no_bytes[id] = 1;
      }
    }
    for (int b = 0; b < 256; ++b) {
      const auto it = ids_.find(bytes_to_characters(std::string(1, static_cast<char>(b))));
      out_.byte_id[b] = it != ids_.end() && !is_special(it->second) ? it->second : -1;
    }
    out_.merges = MergeTable(std::move(merges));
    return {};
  }

  Result<std::vector<Merge>> read_merges(const json& list) {
    if (!list.is_array()) return wrong("model.merges", list, "a list");
    std::vector<Merge> merges;
    merges.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      const auto field = [&] { return fmt::format("model.merges[{}]", i); };
      std::string left, right;
      if (list[i].is_string()) {
        const auto& text = list[i].get_ref<const std::string&>();
        const size_t space = text.find(' ');
        if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
          left = text.substr(0, space);
          right = text.substr(space + 1);
        }
      } else if (list[i].is_array() && list[i].size() == 2 && list[i][0].is_string() && list[i][1].is_string()) {
        left = list[i][0];
        right = list[i][1];
      }
      if (left.empty() || right.empty()) return wrong(field(), list[i], R"("left right" or ["left", "right"])");
      Merge merge;
      for (const auto& [name, id] :
           {std::pair{left, &merge.left}, {right, &merge.right}, {left + right, &merge.result}}) {
        const auto it = ids_.find(name);
        if (it == ids_.end()) return wrong(field(), list[i], fmt::format("tokens of model.vocab; '{}' is none", name));
        *id = it->second;
      }
      // What a user types must not become a control token, so no merge makes one.
      if (!is_special(merge.result) && !is_special(merge.left) && !is_special(merge.right)) merges.push_back(merge);
    }
    return merges;
  }

  Status read_unigram(const json& model) {
    const json& list = member(model, "vocab");
    if (!list.is_array()) return wrong("model.vocab", list, "a list of [token, score]");
    std::vector<double> scores(out_.tokens.size(), 0.0);
    UnigramOptions options;
    for (size_t i = 0; i < list.size(); ++i) {
      const json& entry = list[i];
      const auto field = [&] { return fmt::format("model.vocab[{}]", i); };
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
        return wrong(field(), entry, "[token, score]");
      }
      if (i >= static_cast<size_t>(kMaxId)) return wrong("model.vocab", list.size(), "fewer tokens");
      TRY_STATUS(add_token(entry[0], static_cast<int32_t>(i), field()));
      scores.resize(std::max(scores.size(), i + 1));
      scores[i] = entry[1];
      options.min_score = i == 0 ? scores[i] : std::min(options.min_score, scores[i]);
    }
    const json& unknown = member(model, "unk_id");
    if (!unknown.is_null()) TRY_STATUS(read_id(unknown, "model.unk_id", options.unknown));
    if (options.unknown >= static_cast<int64_t>(list.size()))
      return wrong("model.unk_id", unknown, "an id of model.vocab");
    TRY(options.byte_fallback, flag(model, "byte_fallback", "model", false));
    if (options.byte_fallback) TRY_STATUS(read_byte_ids(options.byte_ids));
    options.single_precision = rules_ != nullptr;
    if (rules_ != nullptr && rules_->unigram_minimum) options.min_score = *rules_->unigram_minimum;
    keep_names();
    scores.resize(out_.names.size());
    if (options.unknown >= 0) out_.names[options.unknown].clear();
    out_.model.emplace<Unigram>(out_.names, std::move(scores), options);
    to_bytes();
    return {};
  }

  Status read_word_piece(const json& model) {
    TRY_STATUS(read_vocabulary(member(model, "vocab")));
    int32_t unknown = -1;
    TRY_STATUS(read_unknown(model, unknown));
    TRY(std::string prefix, text_of(model, "continuing_subword_prefix", "model"));
    const json& longest = member(model, "max_input_chars_per_word");
    if (!longest.is_null() && !longest.is_number_unsigned()) {
      return wrong("model.max_input_chars_per_word", longest, "a number");
    }
    keep_names();
    out_.model.emplace<WordPiece>(out_.names, std::move(prefix), unknown,
                                  longest.is_null() ? 100 : longest.get<size_t>());
    to_bytes();
    return {};
  }

  void keep_names() {
    out_.file_names = out_.names = out_.tokens;
    for (size_t id = 0; id < out_.names.size(); ++id) {
      if (!is_text(static_cast<int32_t>(id))) out_.names[id].clear();
    }
  }

  void to_bytes() {
    // Added tokens are not byte-level characters, whatever the decoder is.
    std::vector<uint8_t> as_it_is(out_.tokens.size(), 0);
    if (out_.pre_tokenizer.makes_bytes()) {
      for (const AddedToken& token : out_.added) as_it_is[token.id] = 1;
    }
    if (out_.decoder.first_differs()) out_.first_tokens = out_.tokens;
    for (size_t id = 0; id < out_.tokens.size(); ++id) {
      if (as_it_is[id]) continue;
      if (out_.decoder.first_differs()) out_.first_tokens[id] = out_.decoder.bytes(out_.tokens[id], true);
      out_.tokens[id] = out_.decoder.bytes(out_.tokens[id], false);
    }
  }

  Status read_post_processor(const json& value, const std::string& field) {
    const json& type = member(value, "type");
    if (value.is_null() || type == "ByteLevel") return {};
    if (type == "Sequence" && member(value, "processors").is_array()) {
      const json& list = member(value, "processors");
      for (size_t i = 0; i < list.size(); ++i) {
        TRY_STATUS(read_post_processor(list[i], fmt::format("{}.processors[{}]", field, i)));
      }
      return {};
    }
    std::vector<int32_t> before, after;
    if (type == "RobertaProcessing" || type == "BertProcessing") {
      for (const auto& [key, to] : {std::pair{"cls", &before}, {"sep", &after}}) {
        const json& pair = member(value, key);  // ["<s>", 0]
        if (!pair.is_array() || pair.size() != 2) return wrong(field + "." + key, pair, "[token, id]");
        TRY_STATUS(read_token_id(pair[1], field + "." + key, *to));
      }
    } else if (type == "TemplateProcessing") {
      TRY_STATUS(read_template(value, field, before, after));
    } else {
      return wrong(field + ".type", type,
                   "TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel or a Sequence of them");
    }
    out_.prefix.insert(out_.prefix.begin(), before.begin(), before.end());
    out_.suffix.insert(out_.suffix.end(), after.begin(), after.end());
    return {};
  }

  Status read_token_id(const json& value, const std::string& field, std::vector<int32_t>& to) const {
    int32_t id = 0;
    TRY_STATUS(read_id(value, field, id));
    if (static_cast<size_t>(id) >= out_.tokens.size()) return wrong(field, value, "a token's id");
    to.push_back(id);
    return {};
  }

  Status read_template(const json& value, const std::string& field, std::vector<int32_t>& before,
                       std::vector<int32_t>& after) const {
    const json& parts = member(value, "single");
    if (!parts.is_array()) return wrong(field + ".single", parts, "a list");
    bool text_seen = false;
    for (size_t i = 0; i < parts.size(); ++i) {
      const std::string part = fmt::format("{}.single[{}]", field, i);
      if (parts[i].is_object() && parts[i].contains("Sequence")) {
        if (text_seen) return wrong(part, parts[i], "the text once");
        text_seen = true;
        continue;
      }
      const json& name = member(member(parts[i], "SpecialToken"), "id");
      if (!name.is_string()) return wrong(part, parts[i], "a Sequence or a SpecialToken");
      const std::string key = name;
      const json& ids = member(member(member(value, "special_tokens"), key.c_str()), "ids");
      if (!ids.is_array()) return wrong(part, parts[i], "a token of special_tokens");
      for (const json& id : ids) TRY_STATUS(read_token_id(id, part, text_seen ? after : before));
    }
    return {};
  }

  const json& root_;
  const SentencePieceRules* rules_;
  Tokenizer::Impl& out_;
  int64_t ids_end_ = kMaxId;
  std::unordered_map<std::string, int32_t> ids_;  // by name
  std::vector<uint8_t> special_;                  // by id
};

}  // namespace

Result<std::shared_ptr<Tokenizer::Impl>> read_tokenizer(const json& document, const std::string& path,
                                                        const SentencePieceRules* rules) {
  auto impl = std::make_shared<Tokenizer::Impl>();
  const Status read = Reader(document, rules, *impl).read();
  if (!read.ok()) return Err("{}: {}", path, read.error());
  impl->finish();
  return impl;
}

}  // namespace loquat
