// Data as training takes it: texts, rendered conversations with target masks, comparisons; and the files that hold
// them. Containers and shapes are those of docs/formats.md: data/rows.h reads the ones, the table in data/shapes.h
// knows the others. Where a path is taken, a folder, a glob, PATH@WEIGHT or a mixture may stand (data/source.h).
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
  Messages messages;                    // ends with an assistant's turn
  std::vector<int64_t> untrained = {};  // the assistant's messages that are no targets, by their places
  std::string tools = {};               // what the assistant could call, as ChatOptions has them; "": none
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

// Blank lines are passed over. A row that is malformed or not UTF-8 is an error with the file, the line (or the place
// in a list), what was found and what is expected; so is a file with nothing to use. An item without an id gets "file
// name:line". Weights are not looked at here: each file of a mixture is read once, in its order.
Result<std::vector<std::string>> read_texts(const std::string& path);
// Replies that are labelled as unwanted (KTO) are passed over and counted.
Result<std::vector<Demonstration>> read_demonstrations(const std::string& path, int64_t* passed_over = nullptr);
// Rankings and pairwise comparisons alike. Sound rows that compare nothing are passed over and counted: a reward
// without a second reply, two equal replies, transcripts that part before the last reply.
Result<std::vector<Ranking>> read_rankings(const std::string& path, int64_t* passed_over = nullptr);
// Conversations without their last reply, and "prompt".
Result<std::vector<Messages>> read_prompts(const std::string& path);
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
