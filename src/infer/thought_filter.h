// Parts a growing reply into the thoughts that a model writes first, between <think> and </think>, and what it says.
#pragma once

#include <string>
#include <string_view>

namespace loquat {

class ThoughtFilter {
 public:
  enum class Begin {
    kNever,    // all is text
    kPerhaps,  // thoughts where the reply begins with <think>
    kOpen,     // the prompt ends with <think>: the reply begins with thoughts
  };
  enum class State { kUndecided, kThoughts, kText };

  struct Piece {
    std::string thoughts, text;  // the thoughts come first
  };

  explicit ThoughtFilter(Begin begin);
  // What is known now, without the marks and without the line breaks beside them. What could be the beginning of a mark
  // is kept back until it is decided. The text may be cut anywhere.
  Piece push(std::string_view text);
  Piece finish();  // what was kept back
  State state() const;

 private:
  void read_start();
  void read_thoughts(Piece& out);

  enum class Place { kStart, kThoughts, kAfter, kText };
  Place place_;
  bool any_ = false;  // thoughts have come
  std::string held_;
};

}  // namespace loquat
