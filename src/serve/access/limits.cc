#include "serve/access/limits.h"

#include <fmt/core.h>
#include <sodium.h>

#include <cmath>

namespace loquat::serve {
namespace {

std::optional<ApiError> refused(std::string message, const char* type, const char* code, double retry_after) {
  return ApiError{429, std::move(message), type, "", code, retry_after};
}

// Tokens of `batch` that key `id` used from `first_day` on.
int64_t tokens_since(const UsageBatch& batch, const std::string& id, int64_t first_day) {
  int64_t sum = 0;
  for (auto it = batch.lower_bound({id, first_day}); it != batch.end() && it->first.first == id; ++it) {
    sum += it->second.tokens();
  }
  return sum;
}

void add_headers(http::Headers& headers, const char* what, Bucket& bucket, int64_t limit, double now) {
  const auto most = static_cast<double>(limit);
  const double used = bucket.used(most, now);
  const auto remaining = static_cast<int64_t>(std::floor(std::max(0.0, most - used) + 1e-6));
  headers.emplace_back(fmt::format("x-ratelimit-limit-{}", what), std::to_string(limit));
  headers.emplace_back(fmt::format("x-ratelimit-remaining-{}", what), std::to_string(remaining));
  headers.emplace_back(fmt::format("x-ratelimit-reset-{}", what), duration_text(used * 60 / most));
}

}  // namespace

std::string duration_text(double seconds) {
  const auto milliseconds = static_cast<int64_t>(std::ceil(std::max(0.0, seconds) * 1000 - 1e-6));
  if (milliseconds == 0) return "0s";
  if (milliseconds < 1000) return fmt::format("{}ms", milliseconds);
  if (milliseconds < 60'000) {
    std::string text = fmt::format("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text + "s";
  }
  const int64_t whole = (milliseconds + 999) / 1000;
  if (whole < 3600) return fmt::format("{}m{}s", whole / 60, whole % 60);
  return fmt::format("{}h{}m{}s", whole / 3600, whole / 60 % 60, whole % 60);
}

KeyMeter::KeyMeter(std::shared_ptr<database::Database> database, std::shared_ptr<KeyStore> keys, Clock clock)
    : database_(std::move(database)), keys_(std::move(keys)), clock_(std::move(clock)) {
  unsigned char name[8];
  randombytes_buf(name, sizeof(name));
  for (const unsigned char byte : name) writer_ += fmt::format("{:02x}", byte);
}

std::optional<ApiError> KeyMeter::over_rate(State& state, const KeyLimits& limits, int64_t tokens, double now) {
  const auto check = [&](Bucket& bucket, int64_t limit, int64_t amount, const char* what) -> std::optional<ApiError> {
    if (limit <= 0) return std::nullopt;
    if (amount > limit) {
      return refused(
          fmt::format("Request too large: it may take {} {} and this key's limit is {} per minute; waiting does "
                      "not help, asking for less (max_tokens) does.",
                      amount, what, limit),
          what, "rate_limit_exceeded", 0);
    }
    const auto most = static_cast<double>(limit);
    if (bucket.fits(static_cast<double>(amount), most, now)) return std::nullopt;
    const double wait = bucket.wait(static_cast<double>(amount), most, now);
    return refused(
        fmt::format("Rate limit reached for {} per minute: Limit {}, Used {}, Requested {}. Please try again in {}.",
                    what, limit, static_cast<int64_t>(std::ceil(bucket.used(most, now) - 1e-6)), amount,
                    duration_text(wait)),
        what, "rate_limit_exceeded", wait);
  };
  if (auto error = check(state.requests, limits.requests_per_minute, 1, "requests")) return error;
  return check(state.tokens, limits.tokens_per_minute, tokens, "tokens");
}

std::optional<ApiError> KeyMeter::over_quota(const std::string& id, const State& state, const KeyLimits& limits,
                                             int64_t tokens, double now) const {
  const int64_t today = day_of(now);
  const auto check = [&](int64_t quota, int64_t first_day, int64_t stored, int64_t next_day,
                         const char* period) -> std::optional<ApiError> {
    if (quota <= 0) return std::nullopt;
    const int64_t used = stored + tokens_since(in_flight_, id, first_day) + tokens_since(pending_, id, first_day);
    if (used + state.reserved <= quota && tokens <= quota - used - state.reserved) return std::nullopt;
    const double wait = static_cast<double>(next_day * kDaySeconds) - now;
    return refused(
        fmt::format("This key's quota of {} tokens a {} does not hold this request: {} are used, {} reserved by "
                    "running requests, and it may take {}. The next {} begins in {}.",
                    quota, period, used, state.reserved, tokens, period, duration_text(wait)),
        "insufficient_quota", "insufficient_quota", wait);
  };
  const bool same_month = month_start(state.stored_day) == month_start(today);
  if (auto error =
          check(limits.tokens_per_day, today, state.stored_day == today ? state.stored.today : 0, today + 1, "day")) {
    return error;
  }
  return check(limits.tokens_per_month, month_start(today), same_month ? state.stored.month : 0, next_month(today),
               "month");
}

std::optional<ApiError> KeyMeter::reserve(const Caller& caller, int64_t tokens) {
  if (caller.key_id.empty()) return std::nullopt;
  const KeyLimits limits = keys_->limits(caller.key_id);
  const double now = clock_();
  std::lock_guard lock(mutex_);
  State& state = states_[caller.key_id];
  if (auto error = over_rate(state, limits, tokens, now)) return error;
  if (auto error = over_quota(caller.key_id, state, limits, tokens, now)) return error;
  if (limits.requests_per_minute > 0) state.requests.take(1);
  if (limits.tokens_per_minute > 0) state.tokens.take(static_cast<double>(tokens));
  state.reserved += tokens;
  return std::nullopt;
}

void KeyMeter::settle(const Caller& caller, int64_t reserved, int64_t prompt_tokens, int64_t completion_tokens) {
  if (caller.key_id.empty()) return;
  const KeyLimits limits = keys_->limits(caller.key_id);
  const double now = clock_();
  std::lock_guard lock(mutex_);
  State& state = states_[caller.key_id];
  state.reserved -= reserved;
  if (limits.tokens_per_minute > 0) {
    state.tokens.used(static_cast<double>(limits.tokens_per_minute), now);
    const int64_t left = reserved - prompt_tokens - completion_tokens;
    if (left >= 0) {
      state.tokens.give_back(static_cast<double>(left));
    } else {
      state.tokens.take(static_cast<double>(-left));
    }
  }
  pending_[{caller.key_id, day_of(now)}] += KeyUsage{1, prompt_tokens, completion_tokens};
}

http::Headers KeyMeter::headers(const Caller& caller) {
  http::Headers headers;
  if (caller.key_id.empty()) return headers;
  const KeyLimits limits = keys_->limits(caller.key_id);
  const double now = clock_();
  std::lock_guard lock(mutex_);
  State& state = states_[caller.key_id];
  if (limits.requests_per_minute > 0) add_headers(headers, "requests", state.requests, limits.requests_per_minute, now);
  if (limits.tokens_per_minute > 0) add_headers(headers, "tokens", state.tokens, limits.tokens_per_minute, now);
  return headers;
}

Status KeyMeter::flush() {
  {
    std::lock_guard lock(mutex_);
    if (in_flight_.empty()) in_flight_.swap(pending_);  // else the batch before, which could not be written
  }
  const int64_t today = day_of(clock_());
  // Changed by this function alone, so that it may be read without the lock.
  if (!in_flight_.empty()) TRY_STATUS(write_usage(*database_, writer_, batch_, in_flight_, today));
  TRY(const auto stored, read_quota_use(*database_, today));
  std::lock_guard lock(mutex_);
  // Where the read failed the batch stayed, and what is written twice is added once.
  if (!in_flight_.empty()) ++batch_;
  in_flight_.clear();
  for (auto& [id, state] : states_) state.stored_day = 0;
  for (const auto& [id, use] : stored) {
    State& state = states_[id];
    state.stored = use;
    state.stored_day = today;
  }
  forget_idle(clock_());
  return {};
}

Status KeyMeter::close() {
  for (bool more = true; more;) {
    TRY_STATUS(flush());
    std::lock_guard lock(mutex_);
    more = !pending_.empty();
  }
  return forget_writer(*database_, writer_);
}

void KeyMeter::forget_idle(double now) {
  for (auto it = states_.begin(); it != states_.end();) {
    const KeyLimits limits = keys_->limits(it->first);
    State& state = it->second;
    const bool idle = state.reserved == 0 && state.stored_day == 0 &&
                      state.requests.used(static_cast<double>(limits.requests_per_minute), now) == 0 &&
                      state.tokens.used(static_cast<double>(limits.tokens_per_minute), now) == 0;
    it = idle ? states_.erase(it) : std::next(it);
  }
}

}  // namespace loquat::serve
