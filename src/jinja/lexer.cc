// One pass over the source; lines end in \n (others are changed to it first) and one at the very end is dropped.
#include "jinja/lexer.h"

#include <algorithm>
#include <charconv>

namespace loquat::jinja {

namespace {

std::string with_plain_newlines(const std::string& source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  const int lower = c | 0x20;
  return c == '_' || (lower >= 'a' && lower <= 'z') || (c & 0x80) != 0;
}
bool is_name(char c) {
  return is_name_start(c) || is_digit(c);
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) {
      const size_t tag = next_tag();
      if (tag == std::string::npos) {
        text(at_, source_.size());
        at_ = source_.size();
        break;
      }
      TRY_STATUS(one_tag(tag));
    }
    add(TokenKind::kEnd, source_.size());
    return std::move(tokens_);
  }

 private:
  size_t next_tag() const {
    for (size_t i = at_; (i = source_.find('{', i)) != std::string::npos; ++i) {
      if (i + 1 < source_.size() && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#')) return i;
    }
    return std::string::npos;
  }

  // Places are asked for in order: lines are counted on from the last.
  Place place(size_t at) {
    if (at < counted_) {
      counted_ = line_begin_ = 0;
      line_ = 1;
    }
    for (; counted_ < at; ++counted_) {
      if (source_[counted_] == '\n') {
        ++line_;
        line_begin_ = counted_ + 1;
      }
    }
    // Long lines: characters are counted on too.
    if (column_line_ != line_begin_ || column_at_ > at) {
      column_line_ = column_at_ = line_begin_;
      column_ = 1;
    }
    for (; column_at_ < at; ++column_at_) column_ += !is_continuation(source_[column_at_]);
    return {line_, column_};
  }

  template <typename... Args>
  Error fail(size_t at, fmt::format_string<Args...> format, Args&&... args) {
    return Error{place_text(place(at)) + fmt::format(format, std::forward<Args>(args)...)};
  }

  Token& add(TokenKind kind, size_t at, std::string text = {}) {
    tokens_.push_back({kind, place(at), std::move(text), 0, 0});
    return tokens_.back();
  }

  void text(size_t begin, size_t end) {
    if (begin < end) add(TokenKind::kText, begin, source_.substr(begin, end - begin));
  }

  // The text before a tag, cut as the tag's sign and kind want it.
  void text_before(size_t begin, size_t tag, char sign, bool is_output) {
    size_t end = tag;
    if (sign == '-') {
      end = begin + stripped(std::string_view(source_).substr(begin, tag - begin), nullptr, false, true).end;
    } else if (sign != '+' && !is_output) {
      size_t line = tag;
      while (line > begin && source_[line - 1] != '\n') --line;
      const bool whole_line = line > begin || begin == 0 || source_[begin - 1] == '\n';
      const Range kept = stripped(std::string_view(source_).substr(line, tag - line), nullptr, true, false);
      if (whole_line && kept.begin == kept.end) end = line;
    }
    text(begin, end);
  }

  char sign_at(size_t at) const {
    return at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : 0;
  }

  size_t skip_space(size_t at) const {
    while (at < source_.size() && is_space(code_point(source_, at))) at = next_char(source_, at);
    return at;
  }

  // After a tag that ended at `at` with this sign: what of the whitespace after it goes with it.
  size_t trim_after(size_t at, char sign, bool newline) const {
    if (sign == '-') return skip_space(at);
    if (sign != '+' && newline && at < source_.size() && source_[at] == '\n') return at + 1;
    return at;
  }

  Status one_tag(size_t tag) {
    const char kind = source_[tag + 1];
    const char sign = sign_at(tag + 2);
    const size_t inside = tag + 2 + (sign != 0);
    if (kind == '{') {
      // "{{+" is no sign of Jinja's: a plus before an operand.
      text_before(at_, tag, sign == '-' ? '-' : 0, true);
      return inside_tag(tag, sign == '-' ? inside : tag + 2, true);
    }
    text_before(at_, tag, sign, false);
    if (kind == '#') return comment(tag, inside);
    size_t word = skip_space(inside);
    if (source_.compare(word, 3, "raw") == 0) {
      const size_t after = skip_space(word + 3);
      const bool minus = sign_at(after) == '-';
      if (source_.compare(after + minus, 2, "%}") == 0)
        return raw(tag, trim_after(after + minus + 2, minus ? '-' : 0, false));
    }
    return inside_tag(tag, inside, false);
  }

  Status comment(size_t tag, size_t from) {
    const size_t end = source_.find("#}", from);
    if (end == std::string::npos) return fail(tag, "the comment has no end: expected \"#}}\"");
    const char sign = end > from ? sign_at(end - 1) : 0;
    at_ = trim_after(end + 2, sign, true);
    return {};
  }

  Status raw(size_t tag, size_t from) {
    for (size_t end = from; (end = source_.find("{%", end)) != std::string::npos; end += 2) {
      const char sign = sign_at(end + 2);
      const size_t word = skip_space(end + 2 + (sign != 0));
      if (source_.compare(word, 6, "endraw") != 0) continue;
      const size_t after = skip_space(word + 6);
      const char closing = sign_at(after);
      if (source_.compare(after + (closing != 0), 2, "%}") != 0) continue;
      text_before(from, end, sign, false);
      at_ = trim_after(after + (closing != 0) + 2, closing, true);
      return {};
    }
    return fail(tag, "{{% raw %}} has no end: expected {{% endraw %}}");
  }

  Status inside_tag(size_t tag, size_t from, bool output) {
    add(output ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, tag);
    const std::string_view close = output ? "}}" : "%}";
    std::string open;  // brackets within which the tag cannot end
    size_t at = from;
    for (;;) {
      at = skip_space(at);
      if (at >= source_.size()) return fail(tag, "the tag has no end: expected \"{}\"", close);
      const char sign = sign_at(at);
      const bool signed_end = sign != 0 && (sign == '-' || !output) && source_.compare(at + 1, 2, close) == 0;
      if (open.empty() && (signed_end || source_.compare(at, 2, close) == 0)) {
        add(output ? TokenKind::kOutputEnd : TokenKind::kBlockEnd, at);
        at_ = trim_after(at + signed_end + 2, signed_end ? sign : 0, !output);
        return {};
      }
      TRY_STATUS(one_token(at, open));
    }
  }

  Status one_token(size_t& at, std::string& open) {
    const char c = source_[at];
    if (c == '"' || c == '\'') return string(at);
    if (is_digit(c)) return number(at);
    if (is_name_start(c)) {
      const size_t begin = at;
      while (at < source_.size() && is_name(source_[at])) ++at;
      add(TokenKind::kName, begin, source_.substr(begin, at - begin));
      return {};
    }
    static constexpr std::string_view kLong[] = {"//", "**", "==", "!=", ">=", "<="};
    for (const std::string_view op : kLong) {
      if (source_.compare(at, 2, op) == 0) {
        add(TokenKind::kOperator, at, std::string(op));
        at += 2;
        return {};
      }
    }
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos) {
      return fail(at, "unexpected character '{}'", source_.substr(at, next_char(source_, at) - at));
    }
    if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) return fail(at, "unexpected '{}': no bracket is open", c);
      if (open.back() != c) return fail(at, "unexpected '{}': expected '{}'", c, open.back());
      open.pop_back();
    }
    add(TokenKind::kOperator, at, std::string(1, c));
    ++at;
    return {};
  }

  Status number(size_t& at) {
    const size_t begin = at;
    std::string digits;
    const auto take = [&](auto&& is_good) {
      while (at < source_.size() &&
             (is_good(source_[at]) || (source_[at] == '_' && at + 1 < source_.size() && is_good(source_[at + 1])))) {
        if (source_[at] != '_') digits += source_[at];
        ++at;
      }
    };
    const char mark = at + 1 < source_.size() && source_[at] == '0' ? static_cast<char>(source_[at + 1] | 0x20) : 0;
    const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
    if (base != 10) {
      at += 2;
      take([&](char c) {
        const char low = static_cast<char>(c | 0x20);
        return (c >= '0' && c < '0' + std::min(base, 10)) || (base == 16 && low >= 'a' && low <= 'f');
      });
    } else {
      take(is_digit);
      // A method of a number ("1.real") is not a fraction.
      const auto digit_at = [&](size_t i) { return i < source_.size() && is_digit(source_[i]); };
      bool real = false;
      const bool after_dot = !tokens_.empty() && tokens_.back().text == "." && begin > 0 && source_[begin - 1] == '.';
      if (!after_dot && at < source_.size() && source_[at] == '.' && digit_at(at + 1)) {
        real = true;
        digits += source_[at++];
        take(is_digit);
      }
      if (at < source_.size() && (source_[at] | 0x20) == 'e') {
        const size_t sign = at + 1 < source_.size() && (source_[at + 1] == '+' || source_[at + 1] == '-');
        if (digit_at(at + 1 + sign)) {
          real = true;
          digits.append(source_, at, 1 + sign);
          at += 1 + sign;
          take(is_digit);
        }
      }
      if (real) {
        Token& token = add(TokenKind::kFloat, begin, digits);
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), token.number);
        if (read.ec != std::errc()) return fail(begin, "{} is not a number that fits", digits);
        return {};
      }
      if (digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos) {
        return fail(begin, "{}: a number does not begin with 0", digits);
      }
    }
    Token& token = add(TokenKind::kInteger, begin, source_.substr(begin, at - begin));
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), token.integer, base);
    if (read.ec != std::errc()) return fail(begin, "{} is not an integer of 64 bits", token.text);
    return {};
  }

  Status string(size_t& at) {
    const size_t begin = at;
    const char mark = source_[at++];
    std::string value;
    for (;;) {
      if (at >= source_.size()) return fail(begin, "the string has no end: expected {}", mark);
      const char c = source_[at];
      if (c == mark) break;
      if (c == '\\' && at + 1 < source_.size()) {
        TRY_STATUS(escape(at, value));
      } else {
        value += c;
        ++at;
      }
    }
    ++at;
    add(TokenKind::kString, begin, std::move(value));
    return {};
  }

  // Python's escapes. An unknown one stays as it is.
  Status escape(size_t& at, std::string& value) {
    const size_t begin = at;
    const char c = source_[at + 1];
    at += 2;
    static constexpr std::string_view kFrom = "nrtabfv\\'\"", kTo = "\n\r\t\a\b\f\v\\'\"";
    if (const size_t i = kFrom.find(c); i != std::string_view::npos) {
      value += kTo[i];
    } else if (c == '\n') {
      return {};
    } else if (c >= '0' && c <= '7') {
      uint32_t code = static_cast<uint32_t>(c - '0');
      for (int i = 0; i < 2 && at < source_.size() && source_[at] >= '0' && source_[at] <= '7'; ++i) {
        code = code * 8 + static_cast<uint32_t>(source_[at++] - '0');
      }
      append_code_point(code, value);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      uint32_t code = 0;
      const char* const first = source_.data() + at;
      const char* const last = first + std::min(digits, source_.size() - at);
      const auto read = std::from_chars(first, last, code, 16);
      if (read.ptr != first + digits || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return fail(begin, "\\{}: expected {} hexadecimal digits of a character", c, digits);
      }
      at += digits;
      append_code_point(code, value);
    } else {
      value += '\\';
      at = begin + 1;
    }
    return {};
  }

  std::string source_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  size_t counted_ = 0, line_begin_ = 0, column_line_ = 0, column_at_ = 0;
  int line_ = 1, column_ = 1;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string source) {
  return Lexer(with_plain_newlines(source)).run();
}

std::string place_text(Place at) {
  return fmt::format("line {}, column {}: ", at.line, at.column);
}

}  // namespace loquat::jinja
