// Replies as the gold scorer reads them: lower-cased words without contractions ("can't" is "can not"), with the
// sentence and clause that each stands in. Punctuation never decides what a word is, only where sentences and clauses
// end.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace loquat::town::gold {

struct Word {
  std::string text;   // lower-case; numbers as digits with ":mm" kept: "9:30"
  int32_t begin = 0;  // bytes of the raw text
  int32_t end = 0;
  int32_t sentence = 0;
  bool clause_start = false;  // first of a sentence or after a comma, semicolon, colon, dash, bracket
  bool capital = false;
};

struct Text {
  std::string raw;
  std::vector<Word> words;
  std::vector<uint8_t> is_question;  // per sentence
  std::string joined;                // " it opens at 9 . thanks " : phrases are searched here
  int32_t sentence_count() const { return static_cast<int32_t>(is_question.size()); }
  bool ends_well = false;    // the last mark is . ! or ? (quotes and brackets aside)
  bool starts_well = false;  // the first letter is a capital, or a digit
};

Text read_text(std::string_view raw);

// True where the words of `phrase` (already normalised, words apart by one space) stand in the text in a row, in one
// sentence.
bool has_phrase(const Text& text, std::string_view phrase);
bool has_any(const Text& text, std::initializer_list<std::string_view> phrases);
// True where the words stand in a row at `at`.
bool words_at(const Text& text, size_t at, std::string_view phrase);

// Plurals and singulars compare equal.
std::string stem(std::string_view word);

// A whole number at words[at], in digits or in words ("twenty-one", "two hundred", "eighteen forty-two"): how many
// words it takes, 0 where there is none.
size_t number_at(const Text& text, size_t at, int64_t* value);

// The share of repetition gone wrong: a sentence said twice, a 4-gram three times, a word thrice in a row, few distinct
// words.
bool is_degenerate(const Text& text);
// True where the reply is the request said back, or the greater part of it.
bool is_echo(const Text& reply, const Text& request);
// True where the reply, of five words or more, stands word for word in the request.
bool is_part_of(const Text& reply, const Text& request);

}  // namespace loquat::town::gold
