#include "tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "tokenizer/json_fields.h"
#include "tokenizer/splitter.h"
#include "tokenizer/utf8.h"

namespace loquat {
namespace {

using nlohmann::json;

constexpr size_t kMaxSteps = 64;

// The patterns of GPT-2 and after it: letters, digits, white space, and all that is none of these.
bool covers_all_text(std::string_view regex) {
  return regex.ends_with(R"(|\s+(?!\S)|\s+)") && regex.find(R"([^\s\p{L}\p{N}]+)") != std::string_view::npos &&
         regex.find(R"(\p{L}+|)") != std::string_view::npos && regex.find(R"(|\p{N})") != std::string_view::npos;
}

struct Span {
  size_t begin, end;
  bool match;
};

// The whole text as matches and what stands between them; a byte that is not UTF-8 is a span on its own.
std::vector<Span> find_spans(const Pattern& pattern, std::string_view text) {
  std::vector<Span> out;
  size_t base = 0;
  while (base < text.size()) {
    const std::string_view rest = text.substr(base);
    const std::string_view run = rest.substr(0, valid_utf8_prefix(rest));
    size_t at = 0;
    pattern.each(run, [&](size_t begin, size_t end) {
      if (begin > at) out.push_back({base + at, base + begin, false});
      if (end > begin) out.push_back({base + begin, base + end, true});
      at = end;
    });
    if (at < run.size()) out.push_back({base + at, base + run.size(), false});
    base += run.size();
    if (base < text.size()) {
      out.push_back({base, base + 1, false});
      ++base;
    }
  }
  return out;
}

}  // namespace

Result<PreTokenizer> PreTokenizer::make(const json& value, const std::string& field) {
  PreTokenizer out;
  TRY_STATUS(out.add(value, field));
  return out;
}

Status PreTokenizer::add(const json& value, const std::string& field) {
  if (value.is_null()) return {};
  if (steps_.size() >= kMaxSteps) return Err("{}: expected at most {} steps", field, kMaxSteps);
  const json& type = member(value, "type");
  if (type == "Sequence" && member(value, "pretokenizers").is_array()) {
    const json& list = member(value, "pretokenizers");
    for (size_t i = 0; i < list.size(); ++i) TRY_STATUS(add(list[i], fmt::format("{}.pretokenizers[{}]", field, i)));
    return {};
  }
  if (type == "ByteLevel") {
    TRY(const bool space, flag(value, "add_prefix_space", field, true));
    TRY(const bool regex, flag(value, "use_regex", field, true));
    if (space) steps_.push_back({Kind::kSpaceBefore, {}, {}, {}, {}, {}});
    if (regex) TRY_STATUS(add_split(kGpt2Pattern, "Isolated", false, field));
    steps_.push_back({Kind::kBytes, {}, {}, {}, {}, {}});
    return {};
  }
  if (type == "Split") {
    TRY(const bool invert, flag(value, "invert", field, false));
    TRY(const Pattern pattern, Pattern::from_json(member(value, "pattern"), field + ".pattern"));
    return add_split(pattern.regex(), member(value, "behavior"), invert, field);
  }
  if (type == "Digits") {
    TRY(const bool single, flag(value, "individual_digits", field, false));
    return add_split(single ? R"(\p{N})" : R"(\p{N}+)", "Isolated", false, field);
  }
  if (type == "Punctuation") {
    const json& behavior = member(value, "behavior");
    return add_split(R"([\p{P}$+<=>^`|~])", behavior.is_null() ? json("Isolated") : behavior, false, field);
  }
  if (type == "Whitespace") {  // \w+|[^\w\s]+, but as Rust has \w
    return add_split(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|)"
                     R"([^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\s]+)",
                     "Removed", true, field);
  }
  if (type == "WhitespaceSplit") return add_split(R"(\s)", "Removed", false, field);
  if (type == "BertPreTokenizer") {
    TRY_STATUS(add_split(R"(\s)", "Removed", false, field));
    return add_split(R"([\p{P}$+<=>^`|~])", "Isolated", false, field);
  }
  if (type == "CharDelimiterSplit") {
    TRY(const std::string delimiter, text_of(value, "delimiter", field));
    if (delimiter.empty()) return wrong(field + ".delimiter", delimiter, "a character");
    return add_split(Pattern::quoted(delimiter), "Removed", false, field);
  }
  if (type == "Metaspace") return add_metaspace(value, field);
  return wrong(field + ".type", type,
               "ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, "
               "CharDelimiterSplit, Metaspace or a Sequence of them");
}

Status PreTokenizer::add_split(const std::string& regex, const json& behavior, bool invert, const std::string& field) {
  Step step{Kind::kSplit, {}, Behavior::kIsolated, invert, {}, {}};
  if (behavior == "Isolated") {
    step.behavior = Behavior::kIsolated;
  } else if (behavior == "Removed") {
    step.behavior = Behavior::kRemoved;
  } else if (behavior == "MergedWithPrevious") {
    step.behavior = Behavior::kMergedWithPrevious;
  } else if (behavior == "MergedWithNext") {
    step.behavior = Behavior::kMergedWithNext;
  } else if (behavior == "Contiguous") {
    step.behavior = Behavior::kContiguous;
  } else {
    return wrong(field + ".behavior", behavior, "Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous");
  }
  auto pattern = Pattern::make(regex);
  if (!pattern.ok()) return Err("{}: {}", field, pattern.error());
  step.pattern = *std::move(pattern);
  steps_.push_back(std::move(step));
  return {};
}

Status PreTokenizer::add_metaspace(const json& value, const std::string& field) {
  Step step{Kind::kMetaspace, {}, {}, {}, "\xE2\x96\x81", Scheme::kAlways};
  if (!member(value, "replacement").is_null()) {
    TRY(step.replacement, text_of(value, "replacement", field));
  }
  if (step.replacement.empty()) return wrong(field + ".replacement", "", "a character");
  // Older files have add_prefix_space in prepend_scheme's place.
  TRY(const bool prefix, flag(value, "add_prefix_space", field, true));
  const json& scheme = member(value, "prepend_scheme");
  if (scheme.is_null()) {
    step.scheme = prefix ? Scheme::kAlways : Scheme::kNever;
  } else if (scheme == "always") {
    step.scheme = Scheme::kAlways;
  } else if (scheme == "first") {
    step.scheme = Scheme::kFirst;
  } else if (scheme == "never") {
    step.scheme = Scheme::kNever;
  } else {
    return wrong(field + ".prepend_scheme", scheme, "always, first or never");
  }
  TRY(const bool cut, flag(value, "split", field, true));
  const std::string replacement = step.replacement;
  steps_.push_back(std::move(step));
  if (cut) return add_split(Pattern::quoted(replacement), "MergedWithNext", false, field);
  return {};
}

void PreTokenizer::split(const Step& step, Piece piece, std::vector<Piece>& out) {
  std::vector<Span> spans = find_spans(*step.pattern, piece.text);
  if (step.invert) {
    for (Span& span : spans) span.match = !span.match;
  }
  const bool backwards = step.behavior == Behavior::kMergedWithNext;
  if (backwards) std::reverse(spans.begin(), spans.end());
  std::vector<Span> joined;
  bool previous = false;
  for (const Span& span : spans) {
    bool join = false;
    if (step.behavior == Behavior::kContiguous) join = span.match == previous;
    if (step.behavior == Behavior::kMergedWithPrevious || backwards) join = span.match && !previous;
    previous = span.match;
    if (step.behavior == Behavior::kRemoved && span.match) continue;
    if (!join || joined.empty()) {
      joined.push_back(span);
    } else if (backwards) {
      joined.back().begin = span.begin;
    } else {
      joined.back().end = span.end;
    }
  }
  if (backwards) std::reverse(joined.begin(), joined.end());
  for (const Span& span : joined) {
    out.push_back({piece.text.substr(span.begin, span.end - span.begin), piece.at_start && span.begin == 0});
  }
}

void PreTokenizer::run(std::string_view text, bool at_start, std::vector<std::string>& pieces) const {
  std::vector<Piece> from{{std::string(text), at_start}}, to;
  for (const Step& step : steps_) {
    to.clear();
    for (Piece& piece : from) {
      switch (step.kind) {
        case Kind::kSplit:
          split(step, std::move(piece), to);
          continue;
        case Kind::kSpaceBefore:
          if (!piece.text.starts_with(' ')) piece.text.insert(0, " ");
          break;
        case Kind::kBytes:
          piece.text = bytes_to_characters(piece.text);
          break;
        case Kind::kMetaspace: {
          std::string out;
          for (const char c : piece.text) {
            if (c == ' ') {
              out += step.replacement;
            } else {
              out += c;
            }
          }
          const bool prepend = step.scheme == Scheme::kAlways || (step.scheme == Scheme::kFirst && piece.at_start);
          if (prepend && !out.starts_with(step.replacement)) out.insert(0, step.replacement);
          piece.text = std::move(out);
          break;
        }
      }
      to.push_back(std::move(piece));
    }
    std::swap(from, to);
  }
  for (Piece& piece : from) {
    if (!piece.text.empty()) pieces.push_back(std::move(piece.text));
  }
}

std::optional<std::vector<std::string>> PreTokenizer::byte_level_patterns() const {
  if (steps_.empty() || steps_.back().kind != Kind::kBytes) return std::nullopt;
  std::vector<std::string> out;
  for (size_t i = 0; i + 1 < steps_.size(); ++i) {
    const Step& step = steps_[i];
    if (step.kind != Kind::kSplit) return std::nullopt;
    // "Removed" and inverted keeps the matches, one by one: the same where the pattern covers all text.
    const bool isolated = step.behavior == Behavior::kIsolated;
    const bool matches = step.behavior == Behavior::kRemoved && step.invert && covers_all_text(step.pattern->regex());
    if (!isolated && !matches) return std::nullopt;
    out.push_back(step.pattern->regex());
  }
  return out;
}

bool PreTokenizer::makes_bytes() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.kind == Kind::kBytes; });
}

}  // namespace loquat
