#include "tokenizer/sentencepiece_model.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_map>

#include "tokenizer/base64.h"
#include "tokenizer/decoder.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/tokenizer_reader.h"
#include "tokenizer/utf8.h"
#include "tokenizer/words.h"

namespace loquat {
namespace {

using nlohmann::json;
using Json = nlohmann::ordered_json;
using Type = SentencePieceModel::Type;

constexpr size_t kMaxPieces = 1 << 22, kMaxPieceLength = 1 << 12;

// One message of a protobuf, field by field.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  // False: the end, or damage (ok() tells).
  bool next() {
    uint64_t key = 0;
    if (rest_.empty() || !ok_ || !varint(key)) return false;
    field = key >> 3;
    wire = static_cast<int>(key & 7);
    text = {};
    number = 0;
    if (wire == 0) return varint(number);
    if (wire == 1) return fixed(8);
    if (wire == 5) return fixed(4);
    uint64_t length = 0;
    if (wire != 2 || !varint(length) || length > rest_.size()) return fail();
    text = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return true;
  }
  bool ok() const { return ok_; }
  float real() const {
    const auto bits = static_cast<uint32_t>(number);
    float value = 0;
    std::memcpy(&value, &bits, 4);
    return value;
  }

  uint64_t field = 0, number = 0;
  int wire = 0;
  std::string_view text;

 private:
  bool fail() {
    ok_ = false;
    return false;
  }
  bool varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return fail();
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return fail();
  }
  bool fixed(size_t bytes) {
    if (rest_.size() < bytes) return fail();
    std::memcpy(&number, rest_.data(), bytes);  // little endian, as this machine
    rest_.remove_prefix(bytes);
    return true;
  }
  std::string_view rest_;
  bool ok_ = true;
};

Status read_piece(std::string_view bytes, SentencePieceModel& model) {
  const auto index = model.pieces.size();
  SentencePieceModel::Piece piece;
  Message m(bytes);
  while (m.next()) {
    if (m.field == 1 && m.wire == 2) piece.text = m.text;
    if (m.field == 2 && m.wire == 5) piece.score = m.real();
    if (m.field == 3 && m.wire == 0) {
      if (m.number < 1 || m.number > 6) return Err("pieces[{}].type: found {}, expected 1 to 6", index, m.number);
      piece.type = static_cast<Type>(m.number);
    }
  }
  if (!m.ok()) return Err("pieces[{}]: damaged", index);
  model.pieces.push_back(std::move(piece));
  return {};
}

Status read_trainer(std::string_view bytes, SentencePieceModel& model) {
  Message m(bytes);
  while (m.next()) {
    if (m.field == 3 && m.wire == 0) {
      if (m.number != 1 && m.number != 2) {
        return Err("trainer_spec.model_type: found {}, expected 1 (unigram) or 2 (bpe)", m.number);
      }
      model.kind = m.number == 1 ? SentencePieceModel::Kind::kUnigram : SentencePieceModel::Kind::kBpe;
    }
    if (m.field == 24 && m.number != 0) return Err("trainer_spec.treat_whitespace_as_suffix: not supported");
    if (m.field == 35 && m.wire == 0) model.byte_fallback = m.number != 0;
    if (m.field == 44 && m.wire == 2) model.unknown_text = m.text;
  }
  return m.ok() ? Status() : Err("trainer_spec: damaged");
}

Status read_normalizer(std::string_view bytes, SentencePieceModel& model) {
  Message m(bytes);
  while (m.next()) {
    if (m.field == 2 && m.wire == 2) model.characters_map = m.text;
    if (m.field == 3 && m.wire == 0) model.add_dummy_prefix = m.number != 0;
    if (m.field == 4 && m.wire == 0) model.remove_extra_whitespaces = m.number != 0;
    if (m.field == 5 && m.wire == 0) model.escape_whitespaces = m.number != 0;
  }
  return m.ok() ? Status() : Err("normalizer_spec: damaged");
}

// What holds of every model, wherever it comes from.
Status check(const SentencePieceModel& model) {
  if (model.pieces.empty() || model.pieces.size() > kMaxPieces) {
    return Err("pieces: found {}, expected 1 to {}", model.pieces.size(), kMaxPieces);
  }
  std::unordered_map<std::string_view, size_t> seen;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const auto& piece = model.pieces[i];
    const auto& text = piece.text;
    if (text.empty() || text.size() > kMaxPieceLength || valid_utf8_prefix(text) != text.size()) {
      return Err("pieces[{}].piece: found {} bytes, expected 1 to {} of UTF-8", i, text.size(), kMaxPieceLength);
    }
    if (!seen.emplace(text, i).second) {
      return Err("pieces[{}].piece: found '{}', which is pieces[{}] too", i, text, seen[text]);
    }
    if (!(piece.score > -1e30f && piece.score < 1e30f)) return Err("pieces[{}].score: found no finite number", i);
    if (piece.type == Type::kByte && byte_token(text) < 0) {
      return Err("pieces[{}].piece: found '{}', expected a byte such as <0x0A>", i, text);
    }
  }
  if (!model.byte_fallback) return {};
  for (int b = 0; b < 256; ++b) {
    const auto it = seen.find(byte_token_name(b));
    if (it == seen.end()) return Err("pieces: found no {}, expected one for byte fallback", byte_token_name(b));
  }
  return {};
}

struct ScoredMerge {
  size_t left, right, result;
};

// Every way to make a piece of two others, best score first. A piece the user defined is never made by merges.
std::vector<ScoredMerge> merges_of(const SentencePieceModel& model) {
  std::unordered_map<std::string_view, size_t> ids;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    if (model.pieces[i].type == Type::kNormal) ids.emplace(model.pieces[i].text, i);
  }
  std::vector<ScoredMerge> out;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    if (model.pieces[i].type != Type::kNormal) continue;
    const std::string_view text = model.pieces[i].text;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      if ((text[cut] & 0xC0) == 0x80) continue;
      const auto left = ids.find(text.substr(0, cut)), right = ids.find(text.substr(cut));
      if (left != ids.end() && right != ids.end()) out.push_back({left->second, right->second, i});
    }
  }
  std::stable_sort(out.begin(), out.end(), [&](const ScoredMerge& a, const ScoredMerge& b) {
    const float x = model.pieces[a.result].score, y = model.pieces[b.result].score;
    return x != y ? x > y : a.result < b.result;
  });
  return out;
}

Json normalizer_json(const SentencePieceModel& model) {
  Json steps = Json::array();
  const auto replace = [&](const char* kind, const char* pattern, std::string_view content) {
    steps.push_back({{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}});
  };
  if (!model.characters_map.empty()) {
    steps.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", to_base64(model.characters_map)}});
  }
  if (model.remove_extra_whitespaces) {
    replace("Regex", R"(\A +| +\z)", "");
    replace("Regex", " {2,}", " ");
  }
  const std::string_view space = model.escape_whitespaces ? kSpaceMark : std::string_view(" ");
  if (model.add_dummy_prefix) steps.push_back({{"type", "Prepend"}, {"prepend", space}});
  if (model.escape_whitespaces) replace("String", " ", space);
  if (steps.empty()) return nullptr;
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

Json decoder_json(const SentencePieceModel& model) {
  Json steps = Json::array();
  if (model.escape_whitespaces) {
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}});
  }
  if (model.byte_fallback) steps.push_back({{"type", "ByteFallback"}});
  steps.push_back({{"type", "Fuse"}});
  if (model.add_dummy_prefix) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"type", "Sequence"}, {"decoders", steps}};
}

Json post_processor_json(const SentencePieceModel& model) {
  if (model.bos < 0 && model.eos < 0) return nullptr;
  Json single = Json::array(), pair = Json::array(), special = Json::object();
  const auto token = [&](int32_t id, int type) {
    const std::string& name = model.pieces[id].text;
    special[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
    return Json{{"SpecialToken", {{"id", name}, {"type_id", type}}}};
  };
  for (int text = 0; text < 2; ++text) {
    Json part = Json::array();
    if (model.bos >= 0) part.push_back(token(model.bos, text));
    part.push_back({{"Sequence", {{"id", text == 0 ? "A" : "B"}, {"type_id", text}}}});
    if (model.eos >= 0) part.push_back(token(model.eos, text));
    if (text == 0) single = part;
    pair.insert(pair.end(), part.begin(), part.end());
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

Json added_tokens_json(const SentencePieceModel& model) {
  Json out = Json::array();
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const auto& piece = model.pieces[i];
    const bool user = piece.type == Type::kUserDefined;
    if (!user && piece.type != Type::kControl && piece.type != Type::kUnknown) continue;
    // A symbol with a space in it is looked for where spaces are written as the piece has them.
    const bool normalized = user && piece.text.find(kSpaceMark) != std::string::npos;
    out.push_back({{"id", i},
                   {"content", piece.text},
                   {"single_word", false},
                   {"lstrip", false},
                   {"rstrip", false},
                   {"normalized", normalized},
                   {"special", !user}});
  }
  return out;
}

Json document_of(const SentencePieceModel& model, const std::vector<ScoredMerge>& merges) {
  Json document = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  document["added_tokens"] = added_tokens_json(model);
  document["normalizer"] = normalizer_json(model);
  document["pre_tokenizer"] = nullptr;
  document["post_processor"] = post_processor_json(model);
  document["decoder"] = decoder_json(model);
  Json unknown = nullptr, unknown_id = nullptr;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    if (model.pieces[i].type != Type::kUnknown) continue;
    unknown = model.pieces[i].text;
    unknown_id = i;
  }
  Json& m = document["model"];
  if (model.kind == SentencePieceModel::Kind::kUnigram) {
    m = {{"type", "Unigram"}, {"unk_id", unknown_id}, {"byte_fallback", model.byte_fallback}, {"vocab", Json::array()}};
    for (const auto& piece : model.pieces) m["vocab"].push_back({piece.text, static_cast<double>(piece.score)});
    return document;
  }
  m = {{"type", "BPE"},
       {"dropout", nullptr},
       {"unk_token", unknown},
       {"continuing_subword_prefix", nullptr},
       {"end_of_word_suffix", nullptr},
       {"fuse_unk", true},
       {"byte_fallback", model.byte_fallback},
       {"ignore_merges", false}};
  // An object of 100,000 members: made as nlohmann's ordered_json it would be searched for each.
  std::vector<Json::object_t::value_type> members;
  members.reserve(model.pieces.size());
  for (size_t i = 0; i < model.pieces.size(); ++i) members.emplace_back(model.pieces[i].text, i);
  Json::object_t vocabulary;
  static_cast<std::vector<Json::object_t::value_type>&>(vocabulary) = std::move(members);
  m["vocab"] = std::move(vocabulary);
  Json list = Json::array();
  for (const ScoredMerge& merge : merges) {
    list.push_back(model.pieces[merge.left].text + " " + model.pieces[merge.right].text);
  }
  m["merges"] = std::move(list);
  return document;
}

}  // namespace

Result<SentencePieceModel> SentencePieceModel::parse(std::string_view bytes) {
  SentencePieceModel model;
  Message m(bytes);
  while (m.next()) {
    if (m.wire != 2) continue;
    if (m.field == 1 && model.pieces.size() > kMaxPieces) return Err("pieces: expected at most {}", kMaxPieces);
    if (m.field == 1) TRY_STATUS(read_piece(m.text, model));
    if (m.field == 2) TRY_STATUS(read_trainer(m.text, model));
    if (m.field == 3) TRY_STATUS(read_normalizer(m.text, model));
  }
  if (!m.ok()) return Err("not a SentencePiece model: the message is cut off or damaged");
  TRY_STATUS(check(model));
  return model;
}

Result<SentencePieceModel> SentencePieceModel::parse_llama2c(std::string_view bytes) {
  SentencePieceModel model;
  model.kind = Kind::kBpe;
  model.remove_extra_whitespaces = false;
  model.byte_fallback = true;
  std::string_view rest = bytes;
  const auto take = [&](void* to) {
    if (rest.size() < 4) return false;
    std::memcpy(to, rest.data(), 4);
    rest.remove_prefix(4);
    return true;
  };
  int32_t longest = 0;
  if (!take(&longest)) return Err("found {} bytes, expected llama2.c's tokenizer.bin", bytes.size());
  while (!rest.empty()) {
    const size_t id = model.pieces.size();
    Piece piece;
    int32_t length = 0;
    if (!take(&piece.score) || !take(&length) || length < 0 || static_cast<size_t>(length) > rest.size()) {
      return Err("token {}: cut off, expected a score, a length and as many bytes", id);
    }
    piece.text = rest.substr(0, length);
    rest.remove_prefix(length);
    if (id < 3) {
      piece.text = std::array{"<unk>", "<s>", "</s>"}[id];  // there as "\n<s>\n", for printing
      piece.type = id == 0 ? Type::kUnknown : Type::kControl;
    } else if (id < 259) {
      piece.text = byte_token_name(static_cast<int>(id) - 3);
      piece.type = Type::kByte;
    } else {
      // Spaces stand as they are there.
      std::string text;
      for (const char c : piece.text) {
        if (c == ' ') {
          text += kSpaceMark;
        } else {
          text += c;
        }
      }
      piece.text = std::move(text);
    }
    model.pieces.push_back(std::move(piece));
  }
  model.bos = model.pieces.size() > 1 ? 1 : -1;
  TRY_STATUS(check(model));
  return model;
}

std::string SentencePieceModel::tokenizer_json() const {
  const auto merges = kind == Kind::kBpe ? merges_of(*this) : std::vector<ScoredMerge>();
  return document_of(*this, merges).dump(1) + "\n";
}

namespace {

// A piece that is not used is taken apart again after the merges that made it. None that is known is made at all (they
// fill up a vocabulary), so that is refused, not done.
Status check_unused(const SentencePieceModel& model) {
  if (model.kind != SentencePieceModel::Kind::kBpe) return {};
  std::unordered_map<std::string_view, Type> types;
  for (const auto& piece : model.pieces) types.emplace(piece.text, piece.type);
  const auto usable = [&](std::string_view text) {
    const auto it = types.find(text);
    return it != types.end() && (it->second == Type::kNormal || it->second == Type::kUnused);
  };
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const std::string_view text = model.pieces[i].text;
    for (size_t cut = 1; model.pieces[i].type == Type::kUnused && cut < text.size(); ++cut) {
      if (usable(text.substr(0, cut)) && usable(text.substr(cut))) {
        return Err("pieces[{}].type: found UNUSED for '{}', which merges make: this is not supported", i, text);
      }
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Tokenizer::Impl>> read_sentencepiece(const SentencePieceModel& model, const std::string& path) {
  const auto& pieces = model.pieces;
  Status checked = check(model);
  if (checked.ok()) checked = check_unused(model);
  if (!checked.ok()) return Err("{}: {}", path, checked.error());
  const bool bpe = model.kind == SentencePieceModel::Kind::kBpe;
  const auto merges = bpe ? merges_of(model) : std::vector<ScoredMerge>();
  SentencePieceRules rules;
  float rank_score = 0;
  for (size_t i = 0; i < merges.size(); ++i) {
    const float score = pieces[merges[i].result].score;
    const bool same = i > 0 && score == rank_score;
    rules.merge_ranks.push_back(same ? rules.merge_ranks.back() : static_cast<uint32_t>(i));
    rank_score = score;
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    const bool normal = pieces[i].type == Type::kNormal;
    rules.not_text.push_back(!normal && pieces[i].type != Type::kUserDefined);
    if (normal && (!rules.unigram_minimum || pieces[i].score < *rules.unigram_minimum)) {
      rules.unigram_minimum = pieces[i].score;
    }
  }
  const std::string document = document_of(model, merges).dump(1) + "\n";
  TRY(std::shared_ptr<Tokenizer::Impl> impl, read_tokenizer(json::parse(document), path, &rules));
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].type == Type::kUnknown) impl->tokens[i] = model.unknown_text;
    impl->scores.push_back(pieces[i].score);
  }
  impl->document = document;
  return impl;
}

Result<Tokenizer> SentencePieceModel::tokenizer(const std::string& path) const {
  TRY(std::shared_ptr<Tokenizer::Impl> impl, read_sentencepiece(*this, path));
  return Tokenizer::Impl::wrap(std::move(impl));
}

}  // namespace loquat
