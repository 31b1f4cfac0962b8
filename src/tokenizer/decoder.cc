#include "tokenizer/decoder.h"

#include "tokenizer/json_fields.h"
#include "tokenizer/utf8.h"

namespace loquat {
namespace {

using nlohmann::json;

constexpr size_t kMaxSteps = 64;
constexpr size_t kMaxLength = 1 << 16;  // of one token's text

// English punctuation stands close: WordPiece's cleanup.
std::string close_up(std::string text) {
  for (const auto& [from, to] : {std::pair{" .", "."},
                                 {" ?", "?"},
                                 {" !", "!"},
                                 {" ,", ","},
                                 {" ' ", "'"},
                                 {" n't", "n't"},
                                 {" 'm", "'m"},
                                 {" do not", " don't"},
                                 {" 's", "'s"},
                                 {" 've", "'ve"},
                                 {" 're", "'re"}}) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
      text.replace(at, std::string_view(from).size(), to);
      at += std::string_view(to).size();
    }
  }
  return text;
}

}  // namespace

int byte_token(std::string_view name) {
  if (name.size() != 6 || !name.starts_with("<0x") || name[5] != '>') return -1;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  const int high = digit(name[3]), low = digit(name[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string byte_token_name(int byte) {
  return fmt::format("<0x{:02X}>", byte);
}

Result<Decoder> Decoder::make(const json& value, const std::string& field) {
  Decoder out;
  TRY_STATUS(out.add(value, field));
  return out;
}

Status Decoder::add(const json& value, const std::string& field) {
  if (steps_.size() + whole_.size() >= kMaxSteps) return Err("{}: expected at most {} steps", field, kMaxSteps);
  const json& type = member(value, "type");
  Step step{};
  if (type == "Sequence" && member(value, "decoders").is_array()) {
    const json& list = member(value, "decoders");
    for (size_t i = 0; i < list.size(); ++i) TRY_STATUS(add(list[i], fmt::format("{}.decoders[{}]", field, i)));
    return {};
  }
  if (type == "ByteLevel") {
    step.kind = Kind::kByteLevel;
  } else if (type == "ByteFallback") {
    step.kind = Kind::kByteFallback;
  } else if (type == "Fuse") {
    fused_ = true;
    return {};
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    TRY(step.content, text_of(value, "content", field));
    for (const auto& [key, to] : {std::pair{"start", &step.start}, {"stop", &step.stop}}) {
      const json& count = member(value, key);
      if (!count.is_number_unsigned() || count > 1000) return wrong(field + "." + key, count, "a number to 1000");
      *to = count.get<size_t>();
    }
    if (step.content.empty()) return wrong(field + ".content", "", "a character");
  } else if (type == "Replace") {
    step.kind = Kind::kReplace;
    TRY(step.content, text_of(value, "content", field));
    TRY(Pattern pattern, Pattern::from_json(member(value, "pattern"), field + ".pattern"));
    step.pattern.push_back(std::move(pattern));
  } else if (type == "Metaspace") {
    step.kind = Kind::kMetaspace;
    step.replacement = "\xE2\x96\x81";
    if (!member(value, "replacement").is_null()) {
      TRY(step.replacement, text_of(value, "replacement", field));
    }
    if (step.replacement.empty()) return wrong(field + ".replacement", "", "a character");
    TRY(const bool prefix, flag(value, "add_prefix_space", field, true));
    const json& scheme = member(value, "prepend_scheme");
    step.prefix = scheme.is_null() ? prefix : scheme != "never";
  } else if (type == "WordPiece") {
    step.kind = Kind::kWordPiece;
    TRY(step.content, text_of(value, "prefix", field));
    TRY(step.prefix, flag(value, "cleanup", field, true));
  } else {
    return wrong(field + ".type", type,
                 "ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece or a Sequence of them");
  }
  const bool by_place = step.kind == Kind::kMetaspace || step.kind == Kind::kWordPiece;
  if (fused_ && (by_place || step.kind == Kind::kByteFallback || step.kind == Kind::kByteLevel)) {
    return wrong(field + ".type", type, "Strip or Replace after Fuse");
  }
  first_differs_ = first_differs_ || step.kind == Kind::kWordPiece || (step.kind == Kind::kMetaspace && step.prefix);
  (fused_ ? whole_ : steps_).push_back(std::move(step));
  return {};
}

std::string Decoder::apply(const Step& step, std::string text, bool first) {
  switch (step.kind) {
    case Kind::kByteLevel:
      if (auto bytes = characters_to_bytes(text)) return *std::move(bytes);
      return text;
    case Kind::kByteFallback: {
      const int byte = byte_token(text);
      return byte < 0 ? text : std::string(1, static_cast<char>(byte));
    }
    case Kind::kStrip: {
      std::string_view rest = text;
      for (size_t i = 0; i < step.start && rest.starts_with(step.content); ++i) rest.remove_prefix(step.content.size());
      for (size_t i = 0; i < step.stop && rest.ends_with(step.content); ++i) rest.remove_suffix(step.content.size());
      return std::string(rest);
    }
    case Kind::kReplace:
      if (valid_utf8_prefix(text) != text.size()) return std::string(text);
      return step.pattern[0].replaced(text, step.content);
    case Kind::kMetaspace: {
      std::string out;
      for (size_t at = 0; at < text.size();) {
        if (std::string_view(text).substr(at).starts_with(step.replacement)) {
          if (!(first && step.prefix)) out += ' ';
          at += step.replacement.size();
        } else {
          out += text[at++];
        }
      }
      return out;
    }
    case Kind::kWordPiece:
      if (!first) text = text.starts_with(step.content) ? text.substr(step.content.size()) : " " + text;
      return step.prefix ? close_up(std::move(text)) : text;
  }
  return text;
}

std::string Decoder::bytes(std::string_view name, bool first) const {
  std::string text(name);
  for (const Step& step : steps_) {
    std::string next = apply(step, text, first);
    if (next.size() > kMaxLength) break;
    text = std::move(next);
  }
  return text;
}

void Decoder::finish(std::string& text) const {
  for (const Step& step : whole_) text = apply(step, std::move(text), true);
}

}  // namespace loquat
