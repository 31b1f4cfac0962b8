// HTTP's plain types: what a server (server.h) hands to whoever answers, and what it takes back. A handler may answer
// at once or later, from any thread, whole or piece by piece; nothing here blocks.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;                          // "GET", "POST" (a HEAD arrives as GET; its body is not sent)
  std::string path;                            // percent-decoded, without the query: "/v1/models"
  std::map<std::string, std::string> query;    // decoded; a name given twice keeps the last
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string peer;     // the other end's address, without its port
  bool secure = false;  // came by TLS

  const std::string& header(const std::string& lower_case_name) const;  // "" where absent
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

// The answer to one request. Either send(), or begin(), write() any number of times, and end(). A Reply that is dropped
// unanswered sends 500; one that is dropped between begin() and end() cuts the connection, which tells the client that
// the answer is not whole. The pieces of a text/event-stream are whole events: comments may be put between them. Every
// call from any thread.
class Reply {
 public:
  virtual ~Reply() = default;
  virtual void send(Response response) = 0;
  virtual void begin(int status, Headers headers) = 0;
  // Queues; never waits. False: the client is gone.
  virtual bool write(std::string bytes) = 0;
  virtual void end() = 0;
  // Bytes that were written and that the client has not taken yet (beyond what the system holds for it): a writer whose
  // reader is slow waits with the next piece until this is small. A client that takes nothing for long is cut.
  virtual size_t waiting() const = 0;
  // The client has closed its connection, was cut, or the server's grace period is over: work for it is of no use.
  virtual bool gone() const = 0;
  // `f` is called once, from a thread of the server's, when gone() becomes true; at once where it is already. Not
  // called after end() or send() have been carried out. It must not wait for anything.
  virtual void on_gone(std::function<void()> f) = 0;
};

// Called on one of a few worker threads (parsing a large body there holds up no other connection's bytes). An exception
// becomes status 500 where nothing has been sent.
using Handler = std::function<void(Request&& request, std::shared_ptr<Reply> reply)>;

}  // namespace loquat::http
