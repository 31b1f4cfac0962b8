#include "tokenizer/pattern.h"

#include <array>
#include <utility>
#include <vector>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/utf8.h"

namespace loquat {

struct Pattern::Code {
  explicit Code(pcre2_code* c) : code(c) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  pcre2_code* code;
};

namespace {

constexpr uint32_t kMatchLimit = 1'000'000;
constexpr uint32_t kHeapLimitKilobytes = 64 * 1024;
constexpr size_t kMaxPatternLength = 16 * 1024;

// What one thread needs to match: made once per thread, freed with it.
struct MatchSpace {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, 4 * 1024 * 1024, nullptr);
  MatchSpace() {
    CHECK(data != nullptr && context != nullptr, "out of memory");
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimitKilobytes);
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~MatchSpace() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (stack != nullptr) pcre2_jit_stack_free(stack);
  }
};

MatchSpace& match_space() {
  thread_local MatchSpace space;
  return space;
}

// Properties that PCRE2 10.42 knows by another name.
std::string property_name(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kNames{{{"Letter", "L"},
                                                                                  {"Uppercase_Letter", "Lu"},
                                                                                  {"Lowercase_Letter", "Ll"},
                                                                                  {"Titlecase_Letter", "Lt"},
                                                                                  {"Modifier_Letter", "Lm"},
                                                                                  {"Other_Letter", "Lo"},
                                                                                  {"Mark", "M"},
                                                                                  {"Number", "N"},
                                                                                  {"Decimal_Number", "Nd"},
                                                                                  {"Punctuation", "P"},
                                                                                  {"Punct", "P"},
                                                                                  {"Symbol", "S"},
                                                                                  {"Separator", "Z"},
                                                                                  {"Other", "C"},
                                                                                  {"Alpha", "Alphabetic"},
                                                                                  {"Space", "White_Space"},
                                                                                  {"Upper", "Uppercase"},
                                                                                  {"Lower", "Lowercase"},
                                                                                  {"Digit", "Nd"},
                                                                                  {"Nonspacing_Mark", "Mn"}}};
  std::string negated = name.starts_with('^') ? "^" : "";
  if (!negated.empty()) name.remove_prefix(1);
  for (const auto& [from, to] : kNames) {
    if (name == from) return negated + std::string(to);
  }
  return negated + std::string(name);
}

constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{N}\p{Pc})";

class Translator {
 public:
  explicit Translator(std::string_view regex) : in_(regex) {}

  Result<std::string> run() {
    while (at_ < in_.size()) {
      if (in_class_) {
        TRY_STATUS(class_part());
      } else {
        TRY_STATUS(part());
      }
    }
    return std::move(out_);
  }

 private:
  Error cannot(std::string_view what) const {
    return Err("pattern, at byte {}: found {} in '{}': this is not supported", at_, what, in_);
  }
  bool ahead(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  void copy(size_t bytes) {
    out_ += in_.substr(at_, bytes);
    at_ += bytes;
  }

  Status escape() {
    if (at_ + 1 >= in_.size()) return cannot("a \\ at its end");
    const char c = in_[at_ + 1];
    const auto put = [&](std::string_view text) {
      out_ += text;
      at_ += 2;
    };
    const std::string word(kWord);
    if ((c == 'W' || c == 'H') && in_class_) return cannot("\\W or \\H within [ ]");
    if (c == 's') {
      put(R"(\p{White_Space})");  // PCRE2's own \s has U+180E as well
    } else if (c == 'S') {
      put(R"(\P{White_Space})");
    } else if (c == 'w') {
      put(in_class_ ? word : "[" + word + "]");
    } else if (c == 'W') {
      put("[^" + word + "]");
    } else if (c == 'b' && !in_class_) {
      put(R"((?:(?<=[)" + word + "])(?![" + word + "])|(?<![" + word + "])(?=[" + word + "]))");
    } else if (c == 'B' && !in_class_) {
      put(R"((?:(?<=[)" + word + "])(?=[" + word + "])|(?<![" + word + "])(?![" + word + "]))");
    } else if (c == 'h') {
      put(in_class_ ? "0-9a-fA-F" : "[0-9a-fA-F]");
    } else if (c == 'H') {
      put("[^0-9a-fA-F]");
    } else if (c == 'u') {
      if (at_ + 6 > in_.size()) return cannot("\\u without four digits");
      out_ += "\\x{" + std::string(in_.substr(at_ + 2, 4)) + "}";
      at_ += 6;
    } else if ((c == 'p' || c == 'P') && at_ + 2 < in_.size() && in_[at_ + 2] == '{') {
      const size_t end = in_.find('}', at_);
      if (end == std::string_view::npos) return cannot("\\p{ without }");
      out_ += std::string("\\") + c + "{" + property_name(in_.substr(at_ + 3, end - at_ - 3)) + "}";
      at_ = end + 1;
    } else {
      copy(2);
    }
    return {};
  }

  Status class_part() {
    if (ahead("[:")) {
      const size_t end = in_.find(":]", at_);
      if (end == std::string_view::npos) return cannot("[: without :]");
      copy(end + 2 - at_);
      return {};
    }
    if (ahead("[")) return cannot("a [ ] within [ ]");
    if (ahead("&&")) return cannot("&& within [ ]");
    if (ahead("\\")) return escape();
    if (ahead("]")) in_class_ = false;
    copy(1);
    return {};
  }

  Status part() {
    const char c = in_[at_];
    if (c == '*' || c == '+' || c == '?') {
      copy(1);
      return {};
    }
    if (c == '{' && quantifier()) return {};
    if (c == ')') {
      if (groups_.empty()) return cannot("a ) too many");
      atom_ = groups_.back();
      groups_.pop_back();
      copy(1);
      return {};
    }
    atom_ = out_.size();
    if (c == '(') return group();
    if (c == '\\') return escape();
    if (c == '[') {
      in_class_ = true;
      copy(ahead("[^") ? 2 : 1);
      if (ahead("]")) copy(1);
      return {};
    }
    copy(1);
    while (at_ < in_.size() && (in_[at_] & 0xC0) == 0x80) copy(1);
    return {};
  }

  Status group() {
    groups_.push_back(out_.size());
    copy(1);
    if (!ahead("?")) return {};
    copy(1);
    size_t end = at_;
    while (end < in_.size() && (in_[end] == 'i' || in_[end] == 'm' || in_[end] == 'x' || in_[end] == '-')) ++end;
    const bool flags = end > at_ && end < in_.size() && (in_[end] == ':' || in_[end] == ')');
    for (; flags && at_ < end; ++at_) out_ += in_[at_] == 'm' ? 's' : in_[at_];  // Ruby's m: . matches a newline too
    return {};
  }

  // {n}, {n,}, {,m}, {n,m}; a + after it repeats the whole in Ruby's syntax, where PCRE2 would not go back.
  bool quantifier() {
    const size_t end = in_.find('}', at_);
    if (end == std::string_view::npos) return false;
    const std::string_view inside = in_.substr(at_ + 1, end - at_ - 1);
    if (inside.empty() || inside == "," || inside.find_first_not_of("0123456789,") != std::string_view::npos) {
      return false;
    }
    out_ += inside.starts_with(',') ? "{0" : "{";
    out_ += inside;
    out_ += "}";
    at_ = end + 1;
    if (ahead("+") && atom_ <= out_.size()) {
      out_.insert(atom_, "(?:");
      out_ += ")";
    }
    return true;
  }

  std::string_view in_;
  std::string out_;
  size_t at_ = 0, atom_ = 0;  // atom_: where in out_ what a quantifier repeats begins
  bool in_class_ = false;
  std::vector<size_t> groups_;
};

}  // namespace

Result<std::string> pcre_from_oniguruma(std::string_view regex) {
  return Translator(regex).run();
}

Result<Pattern> Pattern::make(const std::string& regex) {
  if (regex.size() > kMaxPatternLength) {
    return Err("pattern of {} bytes: expected at most {}", regex.size(), kMaxPatternLength);
  }
  if (valid_utf8_prefix(regex) != regex.size()) return Err("pattern is not UTF-8");
  TRY(const std::string pcre, pcre_from_oniguruma(regex));
  int code_error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre.data()), pcre.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code_error, &offset, nullptr);
  if (code == nullptr) {
    unsigned char message[256];
    pcre2_get_error_message(code_error, message, sizeof message);
    return Err("pattern, at byte {}: {}: found '{}', expected a regular expression", offset,
               reinterpret_cast<const char*>(message), pcre);
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where that is not possible, the interpreter gives the same matches
  Pattern pattern;
  pattern.regex_ = regex;
  pattern.code_ = std::make_shared<const Code>(code);
  return pattern;
}

Result<Pattern> Pattern::from_json(const nlohmann::json& value, const std::string& field) {
  const nlohmann::json& regex = member(value, "Regex");
  const nlohmann::json& text = member(value, "String");
  std::string expression;
  if (regex.is_string()) {
    expression = regex;
  } else if (text.is_string() && text != "") {
    expression = quoted(text.get_ref<const std::string&>());
  } else {
    return wrong(field, value, R"({"Regex": "..."} or {"String": "..."})");
  }
  auto made = make(expression);
  if (!made.ok()) return Err("{}: {}", field, made.error());
  return made;
}

std::string Pattern::quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c & 0x80) != 0 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain) out += '\\';
    out += c;
  }
  return out;
}

std::string Pattern::replaced(std::string_view text, std::string_view with) const {
  std::string out;
  size_t at = 0;
  each(text, [&](size_t begin, size_t end) {
    if (begin == end) return;
    out += text.substr(at, begin - at);
    out += with;
    at = end;
  });
  return out += text.substr(at);
}

bool Pattern::find(std::string_view text, size_t from, size_t* begin, size_t* end) const {
  MatchSpace& space = match_space();
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  constexpr uint32_t kOptions = PCRE2_NO_UTF_CHECK;
  int rc = pcre2_match(code_->code, subject, text.size(), from, kOptions, space.data, space.context);
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap, which has a larger limit
    rc = pcre2_match(code_->code, subject, text.size(), from, kOptions | PCRE2_NO_JIT, space.data, space.context);
  }
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(space.data);
  if (rc < 0 || found[0] < from || found[0] > found[1]) return false;  // \K can turn them round
  *begin = found[0];
  *end = found[1];
  return true;
}

}  // namespace loquat
