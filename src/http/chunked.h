// A chunked body (RFC 9112, 7.1) from bytes that come piece by piece. Ours and not Beast's: that one asserts on a last
// chunk that comes byte by byte, and looks for the end of lines without a bound.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace loquat::http {

class ChunkedBody {
 public:
  enum class State { kMore, kDone, kMalformed, kTooLarge };

  // `body_bytes` of all chunks together; `line_bytes` of one chunk's size and extensions, and of all trailers together.
  ChunkedBody(size_t body_bytes, size_t line_bytes) : body_bytes_(body_bytes), line_bytes_(line_bytes) {}

  // Adds to `body`; returns how many bytes belong to it (all, while the state is kMore).
  size_t feed(std::string_view bytes, std::string& body);
  State state() const { return state_; }

 private:
  enum class Expect { kLine, kData, kDataEnd, kTrailers };

  bool take_line(std::string_view bytes, size_t& at);  // true: line_ is whole, without its end
  void begin_chunk();
  void end_trailer();

  const size_t body_bytes_, line_bytes_;
  State state_ = State::kMore;
  Expect expect_ = Expect::kLine;
  std::string line_;
  size_t left_ = 0;   // of the chunk's data
  size_t total_ = 0;  // of all chunks
  size_t trailers_ = 0;
};

}  // namespace loquat::http
