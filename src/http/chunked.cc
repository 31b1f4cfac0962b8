#include "http/chunked.h"

#include <algorithm>

namespace loquat::http {
namespace {

bool is_token(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_text(char c) {
  return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

void skip_tokens(std::string_view& text) {
  while (!text.empty() && is_token(text.front())) text.remove_prefix(1);
}

// `"..."` at the front of `text`, with \" inside; taken away.
bool take_quoted(std::string_view& text) {
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '"')
    text.remove_prefix(std::min<size_t>(text.front() == '\\' ? 2 : 1, text.size()));
  if (text.empty()) return false;
  text.remove_prefix(1);
  return true;
}

// *( ";" name [ "=" ( token / quoted ) ] )
bool are_extensions(std::string_view text) {
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    size_t before = text.size();
    skip_tokens(text);
    if (text.size() == before) return false;
    if (text.empty() || text.front() != '=') continue;
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '"') {
      if (!take_quoted(text)) return false;
      continue;
    }
    before = text.size();
    skip_tokens(text);
    if (text.size() == before) return false;
  }
  return true;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

size_t ChunkedBody::feed(std::string_view bytes, std::string& body) {
  size_t at = 0;
  while (at < bytes.size() && state_ == State::kMore) {
    if (expect_ == Expect::kData) {
      const size_t n = std::min(left_, bytes.size() - at);
      body.append(bytes.substr(at, n));
      at += n;
      left_ -= n;
      if (left_ == 0) expect_ = Expect::kDataEnd;
      continue;
    }
    if (!take_line(bytes, at)) continue;
    if (expect_ == Expect::kLine) {
      begin_chunk();
    } else if (expect_ == Expect::kDataEnd) {
      if (!line_.empty()) state_ = State::kMalformed;
      expect_ = Expect::kLine;
    } else {
      end_trailer();
    }
    line_.clear();
  }
  return at;
}

bool ChunkedBody::take_line(std::string_view bytes, size_t& at) {
  const size_t end = bytes.find('\n', at);
  const size_t stop = end == std::string_view::npos ? bytes.size() : end + 1;
  // What follows a chunk's data is its line's end alone.
  const size_t most = expect_ == Expect::kDataEnd ? 2 : line_bytes_;
  if (line_.size() + trailers_ + (stop - at) > most) {
    state_ = State::kMalformed;
    return false;
  }
  line_.append(bytes.substr(at, stop - at));
  at = stop;
  if (end == std::string_view::npos) return false;
  if (!line_.ends_with("\r\n")) {
    state_ = State::kMalformed;
    return false;
  }
  if (expect_ == Expect::kTrailers) trailers_ += line_.size();
  line_.resize(line_.size() - 2);
  if (!std::all_of(line_.begin(), line_.end(), is_text)) state_ = State::kMalformed;
  return state_ == State::kMore;
}

void ChunkedBody::begin_chunk() {
  size_t digits = 0, size = 0;
  for (; digits < line_.size() && hex_digit(line_[digits]) >= 0; ++digits) {
    size = size * 16 + static_cast<size_t>(hex_digit(line_[digits]));
    if (size > body_bytes_ - total_) {
      state_ = State::kTooLarge;
      return;
    }
  }
  if (digits == 0 || !are_extensions(std::string_view(line_).substr(digits))) {
    state_ = State::kMalformed;
    return;
  }
  total_ += size;
  left_ = size;
  expect_ = size > 0 ? Expect::kData : Expect::kTrailers;
}

// Trailers are passed over: nothing that came after the header should be believed.
void ChunkedBody::end_trailer() {
  if (line_.empty()) {
    state_ = State::kDone;
    return;
  }
  std::string_view rest = line_;
  skip_tokens(rest);
  if (rest.size() == line_.size() || !rest.starts_with(':')) state_ = State::kMalformed;
}

}  // namespace loquat::http
