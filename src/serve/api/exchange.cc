#include "serve/api/exchange.h"

#include <fmt/core.h>

#include <cmath>
#include <random>

#include "base/log.h"
#include "serve/api/json.h"

namespace loquat::serve::api {
namespace {

constexpr int kClientGone = 499;  // in the log and the counts alone

}  // namespace

std::string random_id(const std::string& prefix, size_t letters) {
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  thread_local std::mt19937_64 random{(static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}()};
  std::uniform_int_distribution<size_t> pick(0, kLetters.size() - 1);
  std::string id = prefix;
  for (size_t i = 0; i < letters; ++i) id += kLetters[pick(random)];
  return id;
}

int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Exchange::Exchange(std::shared_ptr<const Service> service, http::Request&& request, std::shared_ptr<http::Reply> reply,
                   const Caller& caller, std::string route)
    : service_(std::move(service)),
      request_(std::move(request)),
      reply_(std::move(reply)),
      caller_(caller),
      route_(std::move(route)),
      id_(random_id("req_", 32)) {
  service_->metrics->request_begins();
}

Exchange::~Exchange() {
  if (!finished_) finish(reply_->gone() ? kClientGone : 500);
}

void Exchange::drop_body() {
  if (!service_->options.log_texts) std::string().swap(request_.body);
}

void Exchange::may_wait() const {
  if (!lets_wait_ && service_->options.background) throw MustWait{};
}

void Exchange::reply_text(const std::string& text) {
  if (service_->options.log_texts) text_ += text;
}

void Exchange::tokens_arrived() {
  last_token_ = Clock::now();
  if (!first_token_) first_token_ = last_token_;
}

http::Headers Exchange::common_headers() const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_).count();
  http::Headers headers = {{"x-request-id", id_}, {"openai-processing-ms", std::to_string(ms)}};
  if (service_->meter) {
    for (auto& header : service_->meter->headers(caller_)) headers.push_back(std::move(header));
  }
  return headers;
}

void Exchange::send(int status, std::string body, const http::Headers& more, const std::string& content_type) {
  http::Headers headers = {{"Content-Type", content_type}, {"Cache-Control", "no-store"}};
  for (auto& header : common_headers()) headers.push_back(std::move(header));
  headers.insert(headers.end(), more.begin(), more.end());
  // Counted first: whoever has the answer finds it in the metrics.
  finish(status);
  reply_->send({status, std::move(headers), std::move(body)});
}

void Exchange::send_error(const ApiError& error, const http::Headers& more) {
  http::Headers headers = more;
  if (error.retry_after > 0) {
    headers.emplace_back("Retry-After", fmt::format("{:.0f}", std::ceil(error.retry_after)));
    headers.emplace_back("retry-after-ms", fmt::format("{:.0f}", std::ceil(error.retry_after * 1000)));
  }
  // It would take as long again; waiting changes nothing, or not today.
  const bool hopeless = error.status == 504 || error.code == "insufficient_quota" ||
                        (error.code == "rate_limit_exceeded" && error.retry_after <= 0);
  if (hopeless) headers.emplace_back("x-should-retry", "false");
  send(error.status, error_json(error), headers);
}

void Exchange::begin_events() {
  http::Headers headers = {
      {"Content-Type", "text/event-stream"}, {"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  for (auto& header : common_headers()) headers.push_back(std::move(header));
  reply_->begin(200, std::move(headers));
  begun_ = true;
}

void Exchange::end_events(int status) {
  finish(status);
  reply_->end();
}

void Exchange::client_gone() {
  finish(kClientGone);
}

void Exchange::count(int status, double total) const {
  Metrics& metrics = *service_->metrics;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  if (!model_.empty() && usage_) metrics.tokens(model_, *usage_);
  if (!model_.empty() && first_token_) {
    metrics.first_token(model_, seconds(*first_token_ - start_));
    if (usage_ && usage_->completion_tokens > 1) {
      metrics.token_interval(
          model_, seconds(*last_token_ - *first_token_) / static_cast<double>(usage_->completion_tokens - 1));
    }
  }
  metrics.request_ends(route_, status, total);
}

void Exchange::finish(int status) {
  if (finished_) return;
  finished_ = true;
  const auto elapsed = Clock::now() - start_;
  count(status, std::chrono::duration<double>(elapsed).count());
  Json line = {{"request", id_}, {"route", route_}, {"status", status}};
  line["ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
  if (!model_.empty()) line["model"] = model_;
  if (!caller_.key_id.empty()) line["key"] = caller_.key_id;
  if (usage_) {
    line["prompt_tokens"] = usage_->prompt_tokens;
    line["cached_tokens"] = usage_->cached_tokens;
    line["completion_tokens"] = usage_->completion_tokens;
  }
  if (service_->options.log_texts) {
    line["body"] = request_.body;
    line["reply"] = text_;
  }
  if (service_->options.log) {
    service_->options.log(dump(line));
  } else {
    log_line(LogLevel::kInfo, dump(line));
  }
}

}  // namespace loquat::serve::api
