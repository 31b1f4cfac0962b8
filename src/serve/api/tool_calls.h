// Calls of tools in what a model writes, found as the text comes: one reader for each family's form (ToolFamily).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api/tools.h"
#include "tokenizer/message.h"

namespace loquat::serve::api {

struct ToolPiece {
  enum class Kind { kText, kReasoning, kCall, kArguments };
  Kind kind;
  std::string text;  // of a call: its name
  int call = -1;     // which call, from 0
};

inline constexpr std::string_view kCallSpace = " \t\r\n";

// Walks along a text that may end before one can know what it is.
class CallScanner {
 public:
  enum class Fit { kYes, kNo, kMore };  // it is there; it is not; the text ends before one can know
  explicit CallScanner(std::string_view text) : text_(text) {}

  void skip_space();
  // Each after space; where it is not there, nothing but the space is passed.
  Fit literal(std::string_view mark);
  Fit name(std::string* value);  // a tool's name, up to a character that no name has
  size_t at() const { return at_; }
  std::string_view rest() const { return text_.substr(at_); }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// Finds calls in a growing text, cut anywhere. What does not turn out as a call is text. Space between text and a call,
// and between calls, is dropped.
class ToolCallReader {
 public:
  // `tools`: what types the values of arguments have, where the family writes them without quotes.
  static std::unique_ptr<ToolCallReader> make(ToolFamily family, std::span<const Tool> tools = {});
  virtual ~ToolCallReader() = default;
  // `last`: the text has ended, what was kept back comes too.
  std::vector<ToolPiece> push(std::string_view text, bool last);
  bool any_call() const { return calls_ > 0; }

 protected:
  // Reads what it can of held_; true: a next step has the rest to read.
  virtual bool step(bool last) = 0;

  void put_text(std::string text);
  void put_call(std::string name);  // its arguments follow
  void put_arguments(std::string text);
  // Gives on what of held_ belongs to the arguments, whose "{" is their first byte; true: they have ended.
  bool read_arguments();
  // Drops what of held_ is left of the object around the arguments; true: it has ended.
  bool read_rest_of_object();
  // Text before the next `mark`, space at its end kept back; true: the mark has come, and it and all before it are
  // read. It is before_head_ then.
  bool read_text_to(std::string_view mark, bool last);
  enum class Head { kCall, kText, kMore };
  // A call's beginning (`keys`: what its arguments may be called): its arguments come next; or text, which before_head_
  // is then too; or it cannot be known yet.
  Head read_head(const std::vector<std::string_view>& keys, bool last);
  // The same, of a head that `fit` and `name` tell of and that ends at byte `end` of held_.
  Head begin_call(CallScanner::Fit fit, std::string name, size_t end, bool last);

  std::string held_;         // not decided yet
  std::string before_head_;  // is text where no call follows it
  int calls_ = 0;

 private:
  bool read_object(size_t* size);
  std::vector<ToolPiece> out_;
  int depth_ = 0;  // of the JSON being read
  bool in_string_ = false, escaped_ = false;
};

// A call between <tool_call> and </tool_call>, in whatever form.
class TaggedCallReader : public ToolCallReader {
 protected:
  bool step(bool last) final;
  virtual Head read_beginning(bool last) = 0;
  // Reads what it can of a call that has begun; true: it has ended, and what is left before </tool_call> is dropped.
  virtual bool read_inside(bool last) = 0;

 private:
  enum class State { kText, kHead, kInside, kTail };
  State state_ = State::kText;
};

std::unique_ptr<ToolCallReader> make_hermes_reader();
std::unique_ptr<ToolCallReader> make_llama3_reader();
std::unique_ptr<ToolCallReader> make_mistral_reader();  // both of Mistral's forms
std::unique_ptr<ToolCallReader> make_qwen_coder_reader(std::span<const Tool> tools);

// A call's id as the family's templates take it back.
std::string new_call_id(ToolFamily family);

}  // namespace loquat::serve::api
