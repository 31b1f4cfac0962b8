// One regular expression of a tokenizer.json. Those files are written for Oniguruma (Ruby's syntax, Unicode); it is
// translated to PCRE2 where the two differ. Matching is bounded in steps and memory.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tokenizer/utf8.h"

namespace loquat {

class Pattern {
 public:
  static Result<Pattern> make(const std::string& regex);
  // {"Regex": "..."} or {"String": "..."}, as tokenizer.json has it.
  static Result<Pattern> from_json(const nlohmann::json& value, const std::string& field);
  static std::string quoted(std::string_view text);  // the expression that matches just this text
  const std::string& regex() const { return regex_; }
  // The next match at or after `from`; the text must be UTF-8. False: none, or a limit was reached. A match can be
  // empty: the next is then looked for from the character behind it.
  bool find(std::string_view text, size_t from, size_t* begin, size_t* end) const;
  // Calls f(begin, end) for each match in order, empty ones too.
  template <typename F>
  void each(std::string_view text, F&& f) const {
    size_t begin = 0, end = 0;
    for (size_t at = 0; at < text.size() && find(text, at, &begin, &end);) {
      f(begin, end);
      at = end;
      if (begin == end && at < text.size()) at += code_point_at(text, at).length;
      if (begin == end && end == text.size()) break;
    }
  }
  // Every match that is not empty becomes `with`.
  std::string replaced(std::string_view text, std::string_view with) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::string regex_;  // as it was given
};

// The PCRE2 expression (with PCRE2_UTF, UCP and MULTILINE) that matches as the Oniguruma one does.
Result<std::string> pcre_from_oniguruma(std::string_view regex);

}  // namespace loquat
