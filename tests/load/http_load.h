// A load client over epoll, for one thread: many streams at once (a POST each, its server-sent events read to the end)
// and many connections that send slowly, a few bytes of a header now and then, for ever. HTTP without TLS, to a numeric
// address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace loquat::load {

struct Plan {
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string path = "/v1/chat/completions";
  std::string headers;  // more of them, each with its "\r\n"
  std::function<std::string(size_t)> body = [](size_t) { return std::string("{}"); };  // of the n-th request
  size_t streams = 0;                                                                  // at once
  size_t requests = 0;            // in all; 0: `streams`. With `seconds`: as many as there is time for
  double seconds = 0;             // new requests are begun for so long, the last are read to their end
  size_t slow = 0;                // connections that send slowly, opened before the streams
  double slow_bytes_every = 1.0;  // seconds between two pieces of each
  bool reopen_slow = true;        // those that the server closes are opened again
  double stream_seconds = 120;    // a stream that takes longer counts as an error
};

struct Outcome {
  size_t done = 0;                        // streams that ended with a whole chunked answer of status 200
  size_t errors = 0;                      // that did not
  size_t bytes = 0;                       // received of all streams
  size_t most_open = 0;                   // streams at once that had received their head
  size_t slow_open = 0, slow_closed = 0;  // slow connections: open at the end, closed by the server
  double first_byte_max = 0, seconds = 0;
  // FNV-1a of each request's text: the "content" strings of its events' deltas one after another, or, where an event is
  // not JSON, its data.
  std::map<size_t, uint64_t> hashes;
  std::map<std::string, size_t> error_kinds;
};

uint64_t text_hash(const std::string& text);

// Runs the plan to its end; `also` is called after each round of events, fifty times a second at least.
Outcome run_load(const Plan& plan, const std::function<void(const Outcome&)>& also = nullptr);

// Raises this process's limit of open files to the hard one, and says what it is.
size_t raise_open_files();

}  // namespace loquat::load
