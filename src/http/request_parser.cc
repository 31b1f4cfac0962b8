#include "http/request_parser.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <optional>

#include "http/chunked.h"
#include "http/text.h"

namespace loquat::http {
namespace {

namespace beast = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

constexpr std::array<std::string_view, 7> kMethods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

std::string_view plain(string_view text) {
  return {text.data(), text.size()};
}

// Collects what Beast finds.
class Collector final : public beast::basic_parser<true> {
 public:
  explicit Collector(const ParserLimits& limits) : limits_(limits) {
    body_limit(boost::none);
    // Beast counts to this limit only roughly; feed() holds the exact one.
    header_limit(static_cast<uint32_t>(limits.header_bytes + 4));
  }

  Request request;
  std::string target;
  int http_version = 11;
  bool head = false;
  int lengths = 0, encodings = 0, hosts = 0;
  bool too_many_fields = false;

 private:
  void on_request_impl(beast::verb, string_view method, string_view request_target, int version, error_code&) override {
    request.method = std::string(method);
    head = request.method == "HEAD";
    target = std::string(request_target);
    http_version = version;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast::field field, string_view name, string_view value, error_code& error) override {
    if (++fields_ > limits_.header_fields) {
      too_many_fields = true;
      error = beast::error::header_limit;
      return;
    }
    lengths += field == beast::field::content_length;
    encodings += field == beast::field::transfer_encoding;
    hosts += field == beast::field::host;
    const auto [at, is_new] = request.headers.try_emplace(lower(plain(name)), value);
    if (!is_new) at->second.append(field == beast::field::cookie ? "; " : ", ").append(value);
  }
  void on_header_impl(error_code&) override {}
  // Bodies are not given to Beast.
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  const ParserLimits limits_;
  size_t fields_ = 0;
};

}  // namespace

struct RequestParser::Impl {
  explicit Impl(const ParserLimits& parser_limits) : limits(parser_limits), collector(parser_limits) {}

  void refuse(int status, std::string message, std::string code = "") {
    state = State::kRefused;
    refusal = {status, std::move(message), std::move(code)};
  }

  void refuse(error_code error) {
    if (error == beast::error::header_limit) {
      return refuse(431, collector.too_many_fields ? "The request has too many header fields."
                                                   : "The request's headers are too large.");
    }
    if (error == beast::error::bad_version) return refuse(400, "This server speaks HTTP/1.0 and HTTP/1.1.");
    refuse(400, "This is not a well-formed HTTP request: " + error.message() + ".");
  }

  // What Beast lets pass, or takes for granted.
  void check_header() {
    Request& request = collector.request;
    if (collector.http_version != 10 && collector.http_version != 11) {
      return refuse(400, "This server speaks HTTP/1.0 and HTTP/1.1.");
    }
    if (std::find(kMethods.begin(), kMethods.end(), request.method) == kMethods.end()) {
      return refuse(405, "This server does not know the request's method.");
    }
    if (collector.target.size() > limits.target_bytes) return refuse(414, "The request's URL is too long.");
    if (!collector.target.starts_with('/')) return refuse(400, "The request's target must be a path, like /v1/models.");
    if (collector.hosts > 1 || (collector.hosts == 0 && collector.http_version == 11)) {
      return refuse(400, "The request must have one Host header.");
    }
    if (collector.lengths > 1) return refuse(400, "The request has several Content-Length headers.");
    if (collector.encodings > 0) {
      if (collector.lengths > 0) return refuse(400, "The request has both Content-Length and Transfer-Encoding.");
      if (collector.http_version == 10 || lower(request.header("transfer-encoding")) != "chunked") {
        return refuse(400, "Transfer-Encoding must be chunked.");
      }
    } else if (collector.lengths == 1) {
      const std::string& length = request.header("content-length");
      if (!std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        return refuse(400, "Content-Length must be one number.");
      }
    }
    if (!request.header("expect").empty() && lower(request.header("expect")) != "100-continue") {
      return refuse(417, "This server knows no expectation but 100-continue.");
    }
    const std::string_view target = std::string_view(collector.target).substr(0, collector.target.find('#'));
    split_target(target, request.path, request.query);
    if (request.path.find('\0') != std::string::npos) return refuse(400, "The request's path holds a NUL.");
    if (collector.head) request.method = "GET";
    begin_body();
  }

  void begin_body() {
    state = State::kBody;
    if (collector.encodings > 0) {
      chunked.emplace(limits.body_bytes, limits.header_bytes);
      return;
    }
    const uint64_t length = collector.content_length().value_or(0);
    if (length > limits.body_bytes) return refuse_body();
    body_left = length;
    if (length == 0) state = State::kDone;
  }

  void refuse_body() { refuse(413, "The request's body is too large.", "body_too_large"); }

  size_t feed_header(std::string_view bytes) {
    error_code error;
    const size_t taken = collector.put({bytes.data(), bytes.size()}, error);
    header_taken += taken;
    const std::string_view lines = bytes.substr(0, taken);
    if (lines.find("\n ") != std::string_view::npos || lines.find("\n\t") != std::string_view::npos) {
      refuse(400, "A header field goes on in the next line: this is not allowed any more.");
    } else if (error && error != beast::error::need_more) {
      refuse(error);
    } else if (header_taken > limits.header_bytes ||
               (!collector.is_header_done() && header_taken + bytes.size() - taken > limits.header_bytes)) {
      refuse(beast::error::header_limit);
    } else if (collector.is_header_done()) {
      check_header();
    }
    return taken;
  }

  size_t feed_body(std::string_view bytes) {
    std::string& body = collector.request.body;
    if (!chunked) {
      const size_t taken = std::min(body_left, bytes.size());
      body.append(bytes.substr(0, taken));
      body_left -= taken;
      if (body_left == 0) state = State::kDone;
      return taken;
    }
    const size_t taken = chunked->feed(bytes, body);
    switch (chunked->state()) {
      case ChunkedBody::State::kMore:
        break;
      case ChunkedBody::State::kDone:
        state = State::kDone;
        break;
      case ChunkedBody::State::kTooLarge:
        refuse_body();
        break;
      case ChunkedBody::State::kMalformed:
        refuse(400, "The request's chunked body is malformed.");
        break;
    }
    return taken;
  }

  const ParserLimits limits;
  Collector collector;
  State state = State::kHeader;
  Refusal refusal;
  size_t header_taken = 0;
  size_t body_left = 0;                // without chunks
  std::optional<ChunkedBody> chunked;  // with them
};

RequestParser::RequestParser(const ParserLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;

size_t RequestParser::feed(std::string_view bytes) {
  if (bytes.empty()) return 0;
  if (impl_->state == State::kHeader) return impl_->feed_header(bytes);
  if (impl_->state == State::kBody) return impl_->feed_body(bytes);
  return 0;
}

RequestParser::State RequestParser::state() const {
  return impl_->state;
}
const Refusal& RequestParser::refusal() const {
  return impl_->refusal;
}
const Request& RequestParser::request() const {
  return impl_->collector.request;
}
Request RequestParser::take() {
  return std::move(impl_->collector.request);
}
int RequestParser::version() const {
  return impl_->collector.http_version;
}
bool RequestParser::is_head() const {
  return impl_->collector.head;
}

bool RequestParser::keep_alive() const {
  const std::string& connection = request().header("connection");
  return version() == 11 ? !has_token(connection, "close") : has_token(connection, "keep-alive");
}

bool RequestParser::expects_continue() const {
  return version() == 11 && !request().header("expect").empty();
}

}  // namespace loquat::http
