// One request's generation: its prompts' calls, their choices numbered on, its reservation at the meter, what happens
// when the client goes away or reads slowly. What a reply looks like on the wire is a ReplyWriter's business.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "serve/api/exchange.h"

namespace loquat::serve::api {

// A reader that has more than this still to take gets no new text: it is kept together, unformatted, and sent as one
// piece when the reader has caught up, or when the reply has ended.
inline constexpr size_t kSlowReader = 64 << 10;

// Each function is called under one lock, in the order begin, piece..., end; or fail instead of any that are missing.
class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;
  virtual bool streams() const = 0;  // else each choice is one piece, when all have ended
  virtual void begin() = 0;          // the models have taken the request
  // What has come for a choice since its last piece. With `finish`: its last one.
  virtual void piece(int choice, GenerateEvent&& event) = 0;
  virtual void end(const Usage& usage) = 0;
  virtual void fail(const ApiError& error) = 0;
};

// Gives back what was reserved, exactly once.
class Reservation {
 public:
  // An error is thrown (json.h's Wrong) where the caller's limits do not hold it.
  Reservation(std::shared_ptr<Meter> meter, const Caller& caller, int64_t tokens);
  ~Reservation() { settle({}); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  void settle(const Usage& used);

 private:
  std::shared_ptr<Meter> meter_;
  Caller caller_;
  int64_t tokens_;
  bool open_ = true;
};

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  // Each of the calls has calls[0].n choices and its max_tokens set. Throws Wrong before anything has begun.
  static void start(std::shared_ptr<Exchange> exchange, std::shared_ptr<ServedModel> model,
                    std::vector<GenerateCall> calls, std::unique_ptr<ReplyWriter> writer);

  Generation(std::shared_ptr<Exchange> exchange, std::unique_ptr<ReplyWriter> writer, int per_call, size_t choices,
             int64_t reserved);

 private:
  void event(int offset, GenerateEvent&& event);
  void began();
  void cancel();
  bool advance();  // true: cancel() what still runs, once unlocked
  bool flush();
  void fail(const ApiError& error);
  void close();
  Usage usage() const;

  struct Choice {
    GenerateEvent held;  // what the writer has not seen
    bool fresh = false;  // there is something in it
    bool ended = false;
    Usage usage;
  };

  const int per_call_;
  std::mutex mutex_;  // all but calls_
  std::shared_ptr<Exchange> exchange_;
  std::unique_ptr<ReplyWriter> writer_;
  Reservation reservation_;
  std::vector<Choice> choices_;
  size_t ended_ = 0;
  bool begun_ = false;
  bool over_ = false;  // failed, or the client is gone: what still comes is counted, not sent

  std::mutex calls_mutex_;
  std::vector<std::shared_ptr<Generating>> calls_;
  bool closed_ = false;  // all have ended: none is kept, since a call may hold its sink and so this
};

}  // namespace loquat::serve::api
