#include "tokenizer/normalizer.h"

#include <cstring>

#include "tokenizer/base64.h"
#include "tokenizer/characters.h"
#include "tokenizer/json_fields.h"

namespace loquat {
namespace {

using nlohmann::json;

constexpr size_t kMaxSteps = 64;
// A file can ask for replacements of replacements without end; no language needs a text to grow this much.
constexpr size_t kMaxGrowth = 64, kFreeGrowth = 1 << 16;

std::string strip(std::string_view text, bool left, bool right) {
  size_t begin = 0, end = text.size();
  while (left && begin < end) {
    const CodePoint c = code_point_at(text, begin);
    if (!is_white_space(c.value)) break;
    begin += c.length;
  }
  while (right && end > begin) {
    size_t at = end - 1;
    while (at > begin && (text[at] & 0xC0) == 0x80) --at;
    if (!is_white_space(code_point_at(text, at).value)) break;
    end = at;
  }
  return std::string(text.substr(begin, end - begin));
}

// f(code point, out) for each character.
template <typename F>
std::string each_character(std::string_view text, F&& f) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    f(c.value, out);
    at += c.length;
  }
  return out;
}

bool is_chinese(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string bert_clean(std::string_view text) {
  return each_character(text, [](uint32_t c, std::string& out) {
    const bool line = c == '\t' || c == '\n' || c == '\r';
    if (c == 0 || c == 0xFFFD || (is_control(c) && !line)) return;
    append_utf8(is_white_space(c) ? ' ' : c, out);
  });
}

}  // namespace

Result<CharsMap> CharsMap::make(std::string bytes) {
  uint32_t size = 0;
  if (bytes.size() < 4) return Err("found {} bytes, expected a character map", bytes.size());
  std::memcpy(&size, bytes.data(), 4);  // little endian, as this machine
  if (size > bytes.size() - 4 || size % 4 != 0 || size == 0) {
    return Err("found a trie of {} bytes in {}, expected one that fits", size, bytes.size());
  }
  CharsMap map;
  map.units_ = size / 4;
  map.bytes_ = std::move(bytes);
  return map;
}

uint32_t CharsMap::unit(size_t i) const {
  uint32_t value = 0;
  if (i < units_) std::memcpy(&value, bytes_.data() + 4 + 4 * i, 4);
  return value;
}

CharsMap::Found CharsMap::find(std::string_view text, bool longest) const {
  // A unit: bits 0-7 its label, 8 has a leaf, 9-31 the offset to its children (darts-clone's layout).
  const auto offset = [](uint32_t u) { return static_cast<size_t>(u >> 10) << ((u & 1u << 9) >> 6); };
  Found found;
  size_t node = offset(unit(0));
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_) break;
    const uint32_t u = unit(node);
    if ((u & (1u << 31 | 0xFFu)) != byte) break;
    node ^= offset(u);
    if ((u >> 8 & 1) == 0) continue;
    const std::string_view strings = std::string_view(bytes_).substr(4 + 4 * units_);
    const size_t value = unit(node) & 0x7FFFFFFFu;
    if (value >= strings.size()) break;
    found = {i + 1, strings.substr(value, strings.find('\0', value) - value)};
    if (!longest) break;
  }
  return found;
}

Result<Normalizer> Normalizer::make(const json& value, const std::string& field) {
  Normalizer out;
  TRY_STATUS(out.add(value, field));
  return out;
}

Status Normalizer::add(const json& value, const std::string& field) {
  if (value.is_null()) return {};
  if (member(value, "type") == "Sequence") {
    const json& list = member(value, "normalizers");
    if (!list.is_array()) return wrong(field + ".normalizers", list, "a list");
    for (size_t i = 0; i < list.size(); ++i) TRY_STATUS(add(list[i], fmt::format("{}.normalizers[{}]", field, i)));
    return {};
  }
  if (member(value, "type") == "Precompiled" && !is_set(member(value, "precompiled_charsmap"))) return {};  // identity
  TRY(Step step, make_step(value, field));
  if (steps_.size() >= kMaxSteps) return Err("{}: expected at most {} steps", field, kMaxSteps);
  steps_.push_back(std::move(step));
  return {};
}

Result<Normalizer::Step> Normalizer::make_step(const json& value, const std::string& field) {
  const json& type = member(value, "type");
  Step step{};
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    step.kind = type == "NFC" ? Kind::kNfc : type == "NFD" ? Kind::kNfd : type == "NFKC" ? Kind::kNfkc : Kind::kNfkd;
  } else if (type == "Lowercase") {
    step.kind = Kind::kLowercase;
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    TRY(step.left, flag(value, "strip_left", field, true));
    TRY(step.right, flag(value, "strip_right", field, true));
  } else if (type == "StripAccents") {
    step.kind = Kind::kStripAccents;
  } else if (type == "Prepend") {
    step.kind = Kind::kPrepend;
    TRY(step.text, text_of(value, "prepend", field));
  } else if (type == "Replace") {
    step.kind = Kind::kReplace;
    TRY(step.text, text_of(value, "content", field));
    TRY(Pattern pattern, Pattern::from_json(member(value, "pattern"), field + ".pattern"));
    step.pattern = std::make_shared<const Pattern>(std::move(pattern));
  } else if (type == "Precompiled") {
    step.kind = Kind::kCharsMap;
    TRY(const std::string text, text_of(value, "precompiled_charsmap", field));
    const auto bytes = from_base64(text);
    if (!bytes) return wrong(field + ".precompiled_charsmap", text, "base64");
    auto map = CharsMap::make(*bytes);
    if (!map.ok()) return Err("{}.precompiled_charsmap: {}", field, map.error());
    step.map = std::make_shared<const CharsMap>(*std::move(map));
  } else if (type == "BertNormalizer") {
    step.kind = Kind::kBert;
    TRY(step.clean, flag(value, "clean_text", field, true));
    TRY(step.chinese, flag(value, "handle_chinese_chars", field, true));
    TRY(step.lowercase, flag(value, "lowercase", field, true));
    TRY(step.accents, flag(value, "strip_accents", field, step.lowercase));
  } else {
    return wrong(field + ".type", type,
                 "NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, Precompiled, BertNormalizer "
                 "or a Sequence of them");
  }
  return step;
}

std::string Normalizer::replace_characters(const Step& step, std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (sentencepiece_) {
      const auto found = step.map->find(text.substr(at), true);
      const size_t length = found.length > 0 ? found.length : code_point_at(text, at).length;
      out += found.length > 0 ? found.replacement : text.substr(at, length);
      at += length;
      continue;
    }
    // tokenizer.json's library goes by grapheme clusters of less than 6 bytes, else by character, and takes the
    // shortest entry that begins either.
    const std::string_view cluster = text.substr(at, grapheme_length(text.substr(at)));
    const auto found = cluster.size() < 6 ? step.map->find(cluster, false) : CharsMap::Found{};
    if (found.length > 0) {
      out += found.replacement;
    } else {
      for (size_t i = 0; i < cluster.size();) {
        const std::string_view character = cluster.substr(i, code_point_at(cluster, i).length);
        const auto one = step.map->find(character, false);
        out += one.length > 0 ? one.replacement : character;
        i += character.size();
      }
    }
    at += cluster.size();
  }
  return out;
}

std::string Normalizer::apply(const Step& step, std::string_view text) const {
  const auto lower = [](std::string_view t) { return each_character(t, append_lowercase); };
  switch (step.kind) {
    case Kind::kNfc:
      return unicode_normalized(text, UnicodeForm::kNfc);
    case Kind::kNfd:
      return unicode_normalized(text, UnicodeForm::kNfd);
    case Kind::kNfkc:
      return unicode_normalized(text, UnicodeForm::kNfkc);
    case Kind::kNfkd:
      return unicode_normalized(text, UnicodeForm::kNfkd);
    case Kind::kLowercase:
      return lower(text);
    case Kind::kStrip:
      return strip(text, step.left, step.right);
    case Kind::kStripAccents:
      return each_character(text, [](uint32_t c, std::string& out) {
        if (!is_mark(c)) append_utf8(c, out);
      });
    case Kind::kReplace:
      return step.pattern->replaced(text, step.text);
    case Kind::kCharsMap:
      return replace_characters(step, text);
    case Kind::kPrepend:
      return step.text + std::string(text);
    case Kind::kBert:
      break;
  }
  std::string out(text);
  if (step.clean) out = bert_clean(out);
  if (step.chinese) {
    out = each_character(out, [](uint32_t c, std::string& to) {
      if (is_chinese(c)) to += ' ';
      append_utf8(c, to);
      if (is_chinese(c)) to += ' ';
    });
  }
  if (step.accents) {
    out = each_character(unicode_normalized(out, UnicodeForm::kNfd), [](uint32_t c, std::string& to) {
      if (!is_nonspacing_mark(c)) append_utf8(c, to);
    });
  }
  return step.lowercase ? lower(out) : out;
}

std::string Normalizer::apply(std::string_view given) const {
  std::string text(given);
  const size_t limit = kFreeGrowth + given.size() * kMaxGrowth;
  for (const Step& step : steps_) {
    if (step.kind == Kind::kPrepend) {
      if (!text.empty()) text.insert(0, step.text);
      continue;
    }
    std::string out;
    std::string_view rest = text;
    while (!rest.empty()) {
      const size_t valid = valid_utf8_prefix(rest);
      if (valid > 0) out += apply(step, rest.substr(0, valid));
      if (valid < rest.size()) out += rest[valid];
      rest.remove_prefix(std::min(valid + 1, rest.size()));
    }
    if (out.size() > limit) break;
    text = std::move(out);
  }
  return text;
}

}  // namespace loquat
