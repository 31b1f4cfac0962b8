// HTTP's text: decoding of targets, tokens of header values, an answer's head, error answers. No sockets.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.h"

namespace loquat::http {

std::string lower(std::string_view text);
// "%41+b" -> "A b" ('+' only where plus_is_space); a broken escape stays as it is.
std::string percent_decode(std::string_view text, bool plus_is_space);
// "/a%20b?x=1&y" -> path "/a b", query {x: 1, y: ""}. `target` is in origin form.
void split_target(std::string_view target, std::string& path, std::map<std::string, std::string>& query);
// Whether a comma-separated header value names `token` (lower case), in any case.
bool has_token(std::string_view value, std::string_view token);

// OpenAI's error object, {"error": {"message", "type", "param", "code"}}, as an answer; code "": null.
Response error_response(int status, std::string_view message, std::string_view code = "");

// How an answer is put on the wire.
struct Framing {
  bool chunked = false;                  // Transfer-Encoding: chunked
  std::optional<size_t> content_length;  // neither: until the connection closes, or no body (204, 304)
  std::string_view connection;           // the Connection header's value, "" for none
};
// The status line and headers, with the empty line. Names and values of `headers` are made safe (no line breaks);
// those that concern framing are left out: the server says them itself.
std::string response_head(int status, const Headers& headers, const Framing& framing);
bool status_has_body(int status);

}  // namespace loquat::http
