// Text from a stream of bytes: a token may end in the middle of a character, and a model may write bytes that are no
// text.
#pragma once

#include <string>
#include <string_view>

namespace loquat {

// What push() and finish() return, joined, is valid UTF-8: incomplete characters wait, impossible bytes become U+FFFD.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  std::string finish();

 private:
  std::string waiting_;
};

}  // namespace loquat
