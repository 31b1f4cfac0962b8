#include "tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "tokenizer/decoder.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/tokenizer_reader.h"
#include "tokenizer/words.h"

namespace loquat {
namespace {

using nlohmann::json;
using Type = SentencePieceModel::Type;

constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Letters with case, as of Unicode 11, and no others; escaped, since some would not survive normalization.
constexpr const char* kDeepSeekLetters =
    "\\s?["
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-"
    "\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-"
    "\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF"
    "\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-"
    "\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC"
    "\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115"
    "\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E"
    "\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-"
    "\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A"
    "\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-"
    "\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943"
    "]+";
constexpr const char* kDeepSeekPunctuation = "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+";
constexpr const char* kDeepSeekHan = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";
constexpr const char* kDeepSeek3Han = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";

struct Pre {
  std::vector<std::string> names;  // the first is written; others mean the same patterns
  std::vector<std::string> patterns;
  bool ignore_merges = false;
  bool nfc = false;      // the models of that name normalize
  bool add_bos = false;  // where the file does not say
};

const std::vector<Pre>& pres() {
  static const std::vector<Pre> all = {
      {{"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "gigachat", "mpt", "jais", "trillion"},
       {kGpt2Pattern}},
      {{"olmo"}, {kGpt2Pattern}, false, true},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}, {R"(\p{N})", kGpt2Pattern}},
      {{"dbrx", "smaug-bpe", "chatglm-bpe", "glm4", "gpt-4"}, {kGpt4Pattern}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"}, {kGpt4Pattern}, true, false, true},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"}, {kQwen2}, false, true},
      {{"tekken"}, {kTekken}, true, false, true},
      {{"gpt-4o", "llama4"}, {kGpt4o}},
      {{"deepseek-llm"}, {"[\r\n]", kDeepSeekLetters, kDeepSeekPunctuation, R"(\s+$)", kDeepSeekHan, R"(\p{N})"}},
      {{"deepseek-coder"}, {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekHan, R"(\p{N})"}},
      {{"deepseek-v3"}, {R"(\p{N}{1,3})", kDeepSeek3Han, kDeepSeek3}},
      {{"falcon"}, {R"([\p{P}$+<=>^~|`]+)", kGpt2Pattern, "[0-9][0-9][0-9]"}},
      {{"default"}, {R"([\p{P}$+<=>^~|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
  };
  return all;
}

Result<const Pre*> find_pre(const std::string& name) {
  std::string known;
  for (const Pre& pre : pres()) {
    for (const std::string& n : pre.names) {
      if (n == (name.empty() ? "default" : name)) return &pre;
      known += (known.empty() ? "" : ", ") + n;
    }
  }
  return Err("tokenizer.ggml.pre: found '{}', expected one of {}", name, known);
}

Status check(const GgufVocabulary& v) {
  if (v.tokens.empty()) return Err("tokenizer.ggml.tokens: found none, expected a token at least");
  if (!v.types.empty() && v.types.size() != v.tokens.size()) {
    return Err("tokenizer.ggml.token_type: found {}, expected {}, one for each token", v.types.size(), v.tokens.size());
  }
  for (size_t i = 0; i < v.types.size(); ++i) {
    if (v.types[i] < 1 || v.types[i] > 6) {
      return Err("tokenizer.ggml.token_type[{}]: found {}, expected 1 to 6", i, v.types[i]);
    }
  }
  const auto size = static_cast<int64_t>(v.tokens.size());
  for (const auto& [name, id] :
       {std::pair{"bos", v.bos}, {"eos", v.eos}, {"unknown", v.unknown}, {"padding", v.padding}}) {
    if (id < -1 || id >= size)
      return Err("tokenizer.ggml.{}_token_id: found {}, expected an id below {}", name, id, size);
  }
  return {};
}

Type type_of(const GgufVocabulary& v, size_t id) {
  return v.types.empty() ? Type::kNormal : static_cast<Type>(v.types[id]);
}

Result<std::shared_ptr<Tokenizer::Impl>> read_byte_level(const GgufVocabulary& v, const std::string& path) {
  TRY(const Pre* pre, find_pre(v.pre));
  json document = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  document["normalizer"] = pre->nfc ? json{{"type", "NFC"}} : json(nullptr);
  json parts = json::array();
  for (const std::string& pattern : pre->patterns) {
    parts.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  if (v.add_space_prefix.value_or(false)) {
    json space = bytes;
    space["add_prefix_space"] = true;
    parts = {space};
    parts[0]["use_regex"] = pre->patterns == std::vector<std::string>{kGpt2Pattern};
    if (parts[0]["use_regex"] == false) {
      return Err("tokenizer.ggml.add_space_prefix: found true, expected false with the pre-tokenizer '{}'", v.pre);
    }
  } else {
    parts.push_back(bytes);
  }
  document["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", parts}};
  document["decoder"] = bytes;
  json& model = document["model"];
  model = {{"type", "BPE"},
           {"dropout", nullptr},
           {"unk_token", nullptr},
           {"continuing_subword_prefix", nullptr},
           {"end_of_word_suffix", nullptr},
           {"fuse_unk", false},
           {"byte_fallback", false},
           {"ignore_merges", pre->ignore_merges},
           {"vocab", json::object()},
           {"merges", v.merges}};
  document["added_tokens"] = json::array();
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    const Type type = type_of(v, id);
    if (type == Type::kControl || type == Type::kUserDefined || type == Type::kUnknown) {
      document["added_tokens"].push_back({{"id", id},
                                          {"content", v.tokens[id]},
                                          {"single_word", false},
                                          {"lstrip", false},
                                          {"rstrip", false},
                                          {"normalized", false},
                                          {"special", type != Type::kUserDefined}});
    } else if (!model["vocab"].emplace(v.tokens[id], id).second) {
      return Err("tokenizer.ggml.tokens[{}]: found '{}', which another token is too", id, v.tokens[id]);
    }
  }
  json single = json::array(), special = json::object();
  const auto token = [&](int32_t id) {
    special[v.tokens[id]] = {{"id", v.tokens[id]}, {"ids", {id}}, {"tokens", {v.tokens[id]}}};
    return json{{"SpecialToken", {{"id", v.tokens[id]}, {"type_id", 0}}}};
  };
  if (v.add_bos.value_or(pre->add_bos) && v.bos >= 0) single.push_back(token(v.bos));
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (v.add_eos.value_or(false) && v.eos >= 0) single.push_back(token(v.eos));
  document["post_processor"] = nullptr;
  if (single.size() > 1) {
    json pair = single;
    pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
    document["post_processor"] = {
        {"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
  }
  TRY(std::shared_ptr<Tokenizer::Impl> impl, read_tokenizer(document, path));
  impl->document = document.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
  return impl;
}

Result<std::shared_ptr<Tokenizer::Impl>> read_pieces(const GgufVocabulary& v, const std::string& path) {
  if (v.scores.size() != v.tokens.size()) {
    return Err("tokenizer.ggml.scores: found {}, expected {}, one for each token", v.scores.size(), v.tokens.size());
  }
  const bool unigram = v.model == "t5";
  SentencePieceModel model;
  model.kind = unigram ? SentencePieceModel::Kind::kUnigram : SentencePieceModel::Kind::kBpe;
  int64_t bytes = 0;
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    model.pieces.push_back({v.tokens[id], v.scores[id], type_of(v, id)});
    bytes += type_of(v, id) == Type::kByte;
  }
  model.byte_fallback = bytes == 256;
  model.add_dummy_prefix = v.add_space_prefix.value_or(true);
  model.remove_extra_whitespaces = unigram && v.remove_extra_whitespaces.value_or(false);
  model.characters_map = unigram ? v.characters_map : "";
  if (v.add_bos.value_or(!unigram)) model.bos = v.bos;
  if (v.add_eos.value_or(unigram)) model.eos = v.eos;
  return read_sentencepiece(model, path);
}

// The config's other half: the names of the special tokens, for programs that read tokenizer_config.json.
std::string config_of(const GgufVocabulary& v) {
  nlohmann::ordered_json out = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                {"clean_up_tokenization_spaces", false}};
  for (const auto& [key, id] :
       {std::pair{"bos_token", v.bos}, {"eos_token", v.eos}, {"unk_token", v.unknown}, {"pad_token", v.padding}}) {
    if (id >= 0) out[key] = v.tokens[id];
  }
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

// ---- The other way

int32_t configured(const Tokenizer& tokenizer, const json& config, const char* key) {
  const json& value = member(config, key);
  const json& name = value.is_object() ? member(value, "content") : value;
  return name.is_string() ? tokenizer.special(name.get_ref<const std::string&>()) : -1;
}

void set_ids(const Tokenizer& tokenizer, GgufVocabulary& v) {
  const json config = json::parse(tokenizer.impl().config_json, nullptr, false);
  v.bos = configured(tokenizer, config, "bos_token");
  v.eos = configured(tokenizer, config, "eos_token");
  v.unknown = configured(tokenizer, config, "unk_token");
  v.padding = configured(tokenizer, config, "pad_token");
  // Loquat's own: a reply ends with <|end|>.
  if (v.eos < 0 && config.is_discarded()) {
    v.eos = tokenizer.special(kEndOfTurn) >= 0 ? tokenizer.special(kEndOfTurn) : tokenizer.special(kEndOfText);
    v.padding = tokenizer.special(kPad);
  }
  const auto& prefix = tokenizer.impl().prefix;
  const auto& suffix = tokenizer.impl().suffix;
  v.add_bos = !prefix.empty();
  v.add_eos = !suffix.empty();
  if (!prefix.empty()) v.bos = prefix[0];
  if (!suffix.empty()) v.eos = suffix[0];
}

void add_token_names(const Tokenizer::Impl& t, GgufVocabulary& v) {
  v.types.assign(t.tokens.size(), static_cast<int32_t>(Type::kNormal));
  for (const AddedToken& token : t.added) {
    v.tokens[token.id] = token.content;
    v.types[token.id] = static_cast<int32_t>(token.special ? Type::kControl : Type::kUserDefined);
  }
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    if (!v.tokens[id].empty()) continue;
    v.tokens[id] = fmt::format("[PAD{}]", id);
    v.types[id] = static_cast<int32_t>(Type::kUnused);
  }
}

Status write_byte_level(const Tokenizer::Impl& t, GgufVocabulary& v) {
  v.model = "gpt2";
  const Pre* found = nullptr;
  for (const Pre& pre : pres()) {
    if (pre.patterns == t.splitter.patterns() && pre.ignore_merges == t.ignore_merges && found == nullptr) found = &pre;
  }
  if (found == nullptr) {
    return Err("GGUF: the pre-tokenizer's pattern has no name in that format: {}",
               t.splitter.patterns().empty() ? "" : t.splitter.patterns().back());
  }
  v.pre = found->names[0];
  // NFC is what GGUF's readers leave out everywhere; any other normalizer would change the ids.
  if (!t.normalizer.empty() && (t.normalizer.apply("A  b\xC2\xA0\xEF\xAC\x81") != "A  b\xC2\xA0\xEF\xAC\x81")) {
    return Err("GGUF: that format has no normalizer but this tokenizer's changes text");
  }
  for (size_t id = 0; id < t.tokens.size(); ++id) {
    const bool as_it_is = id < t.names_no_bytes.size() && t.names_no_bytes[id] != 0;
    v.tokens.push_back(as_it_is ? t.tokens[id] : bytes_to_characters(t.tokens[id]));
  }
  add_token_names(t, v);
  for (const Merge& m : t.merges.merges()) v.merges.push_back(v.tokens[m.left] + " " + v.tokens[m.right]);
  return {};
}

// SentencePiece's BPE has one score to a token, so all merges that make it must stand together.
Result<std::vector<float>> scores_of(const CharacterBpe& model, size_t tokens) {
  std::vector<float> scores(tokens, 0);
  std::vector<uint8_t> made(tokens, 0);
  int32_t last = -1, order = 0;
  for (const Merge& m : model.merges().merges()) {
    if (m.result == last) continue;
    if (made[m.result])
      return Err("GGUF: the merges are not in the order of their tokens' scores, as that format needs");
    made[m.result] = 1;
    last = m.result;
    scores[m.result] = static_cast<float>(-++order);
  }
  for (size_t id = 0; id < tokens; ++id) {
    if (!made[id]) scores[id] = static_cast<float>(-++order);
  }
  return scores;
}

Status write_sentencepiece(const Tokenizer::Impl& t, GgufVocabulary& v) {
  v.model = "llama";
  v.tokens = t.file_names;
  add_token_names(t, v);
  const auto& model = std::get<CharacterBpe>(t.model);
  TRY(v.scores, scores_of(model, v.tokens.size()));
  if (!t.scores.empty()) v.scores = t.scores;
  int64_t bytes = 0;
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    if (byte_token(v.tokens[id]) < 0) continue;
    v.types[id] = static_cast<int32_t>(Type::kByte);
    ++bytes;
  }
  if (bytes < 256) return Err("GGUF: found {} tokens of bytes, expected 256 for a vocabulary of that kind", bytes);
  for (int32_t id = 0; id < static_cast<int32_t>(v.tokens.size()); ++id) {
    if (v.tokens[id] == "<unk>") {
      v.types[id] = static_cast<int32_t>(Type::kUnknown);
      if (v.unknown < 0) v.unknown = id;
    }
  }
  // What the tokenizer does to text must be what a reader of that format does: marks for spaces, one before the text.
  std::vector<std::string> pieces;
  t.pre_tokenizer.run(t.normalizer.apply("A  b\xC2\xA0\xEF\xAC\x81"), true, pieces);
  std::string changed;
  for (const std::string& piece : pieces) changed += piece;
  const std::string mark(kSpaceMark), plain = "A" + mark + mark + "b\xC2\xA0\xEF\xAC\x81";
  if (changed != plain && changed != mark + plain) {
    return Err("GGUF: this tokenizer makes '{}' of 'A  b', which that format cannot", changed);
  }
  v.add_space_prefix = changed != plain;
  return {};
}

}  // namespace

Result<std::vector<std::string>> gguf_patterns(const std::string& pre) {
  TRY(const Pre* found, find_pre(pre));
  return found->patterns;
}

Result<Tokenizer> tokenizer_from_gguf(const GgufVocabulary& vocabulary, const std::string& path) {
  const Status checked = check(vocabulary);
  if (!checked.ok()) return Err("{}: {}", path, checked.error());
  if (vocabulary.model != "gpt2" && vocabulary.model != "llama" && vocabulary.model != "t5") {
    return Err("{}: tokenizer.ggml.model: found '{}', expected gpt2, llama or t5", path, vocabulary.model);
  }
  auto impl = vocabulary.model == "gpt2" ? read_byte_level(vocabulary, path) : read_pieces(vocabulary, path);
  if (!impl.ok()) return Err("{}{}", impl.error().starts_with(path) ? "" : path + ": ", impl.error());
  (*impl)->config_json = config_of(vocabulary);
  return Tokenizer::Impl::wrap(*impl);
}

Result<GgufVocabulary> gguf_from_tokenizer(const Tokenizer& tokenizer) {
  GgufVocabulary v;
  const Tokenizer::Impl& t = tokenizer.impl();
  set_ids(tokenizer, v);
  if (t.byte_level()) {
    TRY_STATUS(write_byte_level(t, v));
  } else if (std::holds_alternative<CharacterBpe>(t.model)) {
    TRY_STATUS(write_sentencepiece(t, v));
  } else {
    return Err("GGUF: vocabularies of the kinds Unigram and WordPiece are not written");
  }
  return v;
}

}  // namespace loquat
