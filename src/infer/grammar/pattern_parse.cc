#include "infer/grammar/pattern_parse.h"

#include <algorithm>
#include <optional>

#include "infer/grammar/chars.h"

namespace loquat::grammar {
namespace {

constexpr int kMaxGroups = 50;  // inside one another

CodeSet normal(CodeSet set) {
  std::sort(set.begin(), set.end());
  CodeSet out;
  for (const auto& range : set) {
    if (!out.empty() && range.first <= out.back().second + 1) {
      out.back().second = std::max(out.back().second, range.second);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

CodeSet complement(const CodeSet& set) {
  CodeSet out;
  uint32_t next = 0;
  for (const auto& [low, high] : set) {
    if (low > next) out.emplace_back(next, low - 1);
    next = high + 1;
  }
  if (next <= kMaxCodePoint) out.emplace_back(next, kMaxCodePoint);
  return out;
}

// \d, \w, \s and their complements.
std::optional<CodeSet> class_escape(uint32_t letter) {
  switch (letter) {
    case 'd':
      return CodeSet{{'0', '9'}};
    case 'w':
      return CodeSet{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    case 's':
      return CodeSet{{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                     {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    case 'D':
    case 'W':
    case 'S':
      return complement(*class_escape(letter + ('a' - 'A')));
    default:
      return std::nullopt;
  }
}

std::vector<uint32_t> code_points(std::string_view text) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t code = length == 1 ? lead : lead & (0x7F >> length);
    for (size_t k = 1; k < length && i + k < text.size(); ++k) code = (code << 6) | (text[i + k] & 0x3F);
    out.push_back(code);
    i += length;
  }
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : text_(code_points(pattern)) {}

  Result<PatternTree> run() {
    do {
      PatternTree::Branch branch;
      branch.from_start = take('^');
      TRY(branch.body, sequence(0));
      branch.to_end = take('$');
      tree_.branches.push_back(branch);
    } while (take('|'));
    if (more()) {
      if (peek() == ')') return Err("a \")\" without its \"(\"");
      return Err("\"^\" and \"$\" are supported only where the pattern, or one of its alternatives, starts and ends");
    }
    return std::move(tree_);
  }

 private:
  bool more() const { return at_ < text_.size(); }
  uint32_t peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0; }
  bool take(uint32_t c) {
    if (!more() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<uint32_t> add(PatternNode node) {
    if (node.size > kMaxPatternSize) {
      return Err("it takes too much: written out without counts, more than {} characters", kMaxPatternSize);
    }
    tree_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(tree_.nodes.size() - 1);
  }

  Result<uint32_t> alternatives(int depth) {
    PatternNode node{.kind = PatternNode::kAny};
    do {
      TRY(const uint32_t kid, sequence(depth));
      node.size += tree_.nodes[kid].size;
      node.kids.push_back(kid);
    } while (take('|'));
    return add(std::move(node));
  }

  // Up to "|", ")", "$" or the end.
  Result<uint32_t> sequence(int depth) {
    PatternNode node{.kind = PatternNode::kAll};
    while (more() && peek() != '|' && peek() != ')' && peek() != '$' && peek() != '^') {
      TRY(uint32_t kid, atom(depth));
      TRY(kid, counted(kid));
      node.size += tree_.nodes[kid].size;
      if (node.size > kMaxPatternSize) return add(std::move(node));
      node.kids.push_back(kid);
    }
    if (depth > 0 && (peek() == '^' || peek() == '$')) return Err("\"^\" and \"$\" inside a group are not supported");
    return add(std::move(node));
  }

  Result<uint32_t> atom(int depth) {
    const uint32_t c = text_[at_++];
    if (c == '(') return group(depth);
    if (c == '[') return char_class();
    if (c == '*' || c == '+' || c == '?' || c == '{') return Err("nothing before \"{}\" to repeat", char(c));
    if (c == '.') return set(complement({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
    if (c == '\\') {
      TRY(CodeSet escaped, escape(false));
      return set(std::move(escaped));
    }
    return set({{c, c}});
  }

  Result<uint32_t> set(CodeSet set) { return add({.kind = PatternNode::kSet, .set = std::move(set)}); }

  Result<uint32_t> group(int depth) {
    if (depth == kMaxGroups) return Err("more than {} groups inside one another", kMaxGroups);
    if (take('?')) {
      const bool named = peek() == '<' && peek(1) != '=' && peek(1) != '!';
      if (named) {
        while (more() && peek() != '>') ++at_;
        if (!take('>')) return Err("a group's name without its \">\"");
      } else if (!take(':')) {
        return Err("look-ahead, look-behind and flags are not supported");
      }
    }
    TRY(const uint32_t inside, alternatives(depth + 1));
    if (!take(')')) return Err("a \"(\" without its \")\"");
    return inside;
  }

  Result<uint32_t> counted(uint32_t kid) {
    uint32_t min = 1, max = 1;
    if (take('*')) {
      min = 0, max = kUnbounded;
    } else if (take('+')) {
      max = kUnbounded;
    } else if (take('?')) {
      min = 0;
    } else if (take('{')) {
      TRY(min, number());
      max = min;
      if (take(',')) {
        max = kUnbounded;
        if (peek() != '}') {
          TRY(max, number());
        }
      }
      if (!take('}')) return Err("a \"{{\" without its \"}}\"");
      if (max < min) return Err("a count whose upper bound is under its lower bound");
    } else {
      return kid;
    }
    take('?');  // lazy: matches the same texts
    if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') return Err("a repetition of a repetition");
    const uint64_t times = std::max<uint64_t>(1, max == kUnbounded ? uint64_t{min} + 1 : max);
    return add({.kind = PatternNode::kRepeat,
                .kids = {kid},
                .min = min,
                .max = max,
                .size = times * (tree_.nodes[kid].size + 1)});
  }

  Result<uint32_t> number() {
    uint32_t value = 0;
    size_t digits = 0;
    for (; peek() >= '0' && peek() <= '9'; ++digits) value = std::min(value * 10 + (text_[at_++] - '0'), 1'000'000u);
    if (digits == 0) return Err("a \"{{\" without a count (write \"\\{{\" for the character)");
    return value;
  }

  Result<CodeSet> hex(int digits) {
    uint32_t code = 0;
    for (int i = 0; i < digits; ++i) {
      const uint32_t c = peek();
      const bool small = c >= 'a' && c <= 'f', large = c >= 'A' && c <= 'F';
      if (!small && !large && !(c >= '0' && c <= '9')) return Err("an escape that lacks hexadecimal digits");
      code = code * 16 + (small ? c - 'a' + 10 : large ? c - 'A' + 10 : c - '0');
      ++at_;
    }
    return CodeSet{{code, code}};
  }

  Result<CodeSet> unicode() {
    if (take('{')) {
      int digits = 0;
      while (digits <= 6 && peek(digits) != '}') ++digits;
      if (digits == 0 || digits > 6) return Err("\"\\u{{...}}\" without 1 to 6 hexadecimal digits");
      TRY(CodeSet code, hex(digits));
      take('}');
      if (code[0].first > kMaxCodePoint) return Err("a character past U+10FFFF");
      return code;
    }
    TRY(const CodeSet first, hex(4));
    const uint32_t high = first[0].first;
    if (high < 0xD800 || high > 0xDFFF) return first;
    if (high > 0xDBFF || !take('\\') || !take('u')) return Err("a lone surrogate");
    TRY(const CodeSet second, hex(4));
    const uint32_t low = second[0].first;
    if (low < 0xDC00 || low > 0xDFFF) return Err("a lone surrogate");
    const uint32_t code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    return CodeSet{{code, code}};
  }

  // After the backslash.
  Result<CodeSet> escape(bool in_class) {
    if (!more()) return Err("a backslash at the end");
    const uint32_t c = text_[at_++];
    if (auto known = class_escape(c)) return *std::move(known);
    constexpr std::string_view kLetters = "tnvfr", kMeaning = "\t\n\v\f\r";
    if (const size_t i = c < 128 ? kLetters.find(static_cast<char>(c)) : std::string_view::npos;
        i != std::string_view::npos) {
      const auto code = static_cast<uint32_t>(kMeaning[i]);
      return CodeSet{{code, code}};
    }
    if (c == '0' && !(peek() >= '0' && peek() <= '9')) return CodeSet{{0, 0}};
    if (c == 'b' && in_class) return CodeSet{{'\b', '\b'}};
    if (c == 'x') return hex(2);
    if (c == 'u') return unicode();
    const bool word = c < 128 && (std::isalnum(static_cast<int>(c)) || c == '_');
    if (word) return Err("\"\\{}\" is not supported", char(c));
    return CodeSet{{c, c}};
  }

  Result<uint32_t> char_class() {
    const bool negated = take('^');
    CodeSet set;
    while (!take(']')) {
      if (!more()) return Err("a \"[\" without its \"]\"");
      TRY(const CodeSet first, class_atom());
      if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size()) {
        ++at_;
        TRY(const CodeSet last, class_atom());
        const bool single = first.size() == 1 && last.size() == 1 && first[0].first == first[0].second &&
                            last[0].first == last[0].second;
        if (!single || first[0].first > last[0].first) return Err("a range in \"[...]\" that has no order");
        set.emplace_back(first[0].first, last[0].first);
      } else {
        set.insert(set.end(), first.begin(), first.end());
      }
    }
    set = normal(std::move(set));
    if (negated) set = complement(set);
    return this->set(std::move(set));
  }

  Result<CodeSet> class_atom() {
    if (take('\\')) return escape(true);
    const uint32_t c = text_[at_++];
    return CodeSet{{c, c}};
  }

  std::vector<uint32_t> text_;
  size_t at_ = 0;
  PatternTree tree_;
};

}  // namespace

Result<PatternTree> parse_pattern(std::string_view pattern) {
  if (pattern.size() > 4 * kMaxPatternSize) return Err("it takes too much: {} bytes", pattern.size());
  return Parser(pattern).run();
}

}  // namespace loquat::grammar
