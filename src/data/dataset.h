// Data as training takes it: token streams to pretrain on, rendered conversations with target masks, comparisons; and
// their JSONL files (docs/formats.md):
//   text         {"text": "..."}                      (or a .txt file: one document; or a conversation, as a text)
//   demonstration {"messages": [{"role", "content"}...]}                     ({"prompt","completion"} and Alpaca's
//   shape too) comparison   {"prompt": ... , "chosen": ..., "rejected": ...}            (TRL; HH-RLHF's
//   {"chosen","rejected"} transcripts) ranking      {"messages": [...], "responses":
//   [{"text","rank","likert","flags"}...]}   (K-wise: equal ranks are ties)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

struct Demonstration {
  std::string id;
  Messages messages;  // ends with an assistant's turn
};

struct RankedResponse {
  std::string text;
  int32_t rank = 0;    // 0 is best; equal ranks are ties
  int32_t likert = 0;  // 1 to 7; 0: not given
  std::vector<std::string> flags;
};

struct Ranking {
  std::string id;
  Messages prompt;                        // ends with a user's turn
  std::vector<RankedResponse> responses;  // at least two
};

// Files may be packed (.gz, .zst). Blank lines are passed over. A line that is malformed or not UTF-8 is an error with
// the file, the line, what was found and what is expected; so is a file with nothing to use. An item without an id gets
// "file name:line".
Result<std::vector<std::string>> read_texts(const std::string& path);
Result<std::vector<Demonstration>> read_demonstrations(const std::string& path);
// Rankings and pairwise comparisons alike. Sound lines that compare nothing are passed over and counted: a reward
// without a second reply, two equal replies, transcripts that part before the last reply.
Result<std::vector<Ranking>> read_rankings(const std::string& path, int64_t* passed_over = nullptr);
Result<std::vector<Messages>> read_prompts(
    const std::string& path);  // {"messages"} ending with a user's turn, or {"prompt"}
Status write_texts(const std::string& path, const std::vector<std::string>& texts);
Status write_demonstrations(const std::string& path, const std::vector<Demonstration>& items);
Status write_rankings(const std::string& path, const std::vector<Ranking>& items);
Status write_prompts(const std::string& path, const std::vector<Messages>& items);

// One packed training sequence.
struct TokenSequence {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> is_target;  // is_target[i]: the prediction of tokens[i] is trained; [0] is always 0
};

// All documents, each followed by <|endoftext|>, as one stream.
std::vector<int32_t> token_stream(const Tokenizer& tokenizer, const std::vector<std::string>& texts);

// Windows of `length` tokens of the stream in an order drawn for each epoch; the cursor is the whole state. Where an
// epoch's first window begins is drawn too (the stream is a ring), so that windows are cut elsewhere in every epoch. A
// stream shorter than `length` is one window.
class StreamSampler {
 public:
  StreamSampler(const std::vector<int32_t>* stream, int64_t length, uint64_t seed);
  TokenSequence next();
  int64_t cursor() const { return cursor_; }
  void seek(int64_t cursor) { cursor_ = cursor; }
  int64_t windows() const;  // in one epoch

 private:
  const std::vector<int32_t>* stream_;
  int64_t length_;
  uint64_t seed_;
  int64_t cursor_ = 0;
  int64_t epoch_ = -1;
  int64_t offset_ = 0;
  std::vector<int64_t> order_;
};

// Indices 0 ... n-1 in an order drawn for each epoch; the cursor is the whole state.
class ShuffledIndex {
 public:
  ShuffledIndex(int64_t n, uint64_t seed);
  int64_t next();
  int64_t cursor() const { return cursor_; }
  void seek(int64_t cursor) { cursor_ = cursor; }

 private:
  int64_t n_;
  uint64_t seed_;
  int64_t cursor_ = 0;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;
};

}  // namespace loquat
