// Limits and quotas of keys: what a request may take is reserved before it runs and settled by what it used. Nothing
// here waits for the database: usage is written, and quotas' use read, by flush(), which Access (access.h) calls every
// second. Servers that share a database share quotas (to within about a second); per-minute limits are each server's
// own.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "serve/access/bucket.h"
#include "serve/access/clock.h"
#include "serve/access/keys.h"
#include "serve/access/usage.h"
#include "serve/caller.h"

namespace loquat::serve {

class KeyMeter final : public Meter {
 public:
  KeyMeter(std::shared_ptr<database::Database> database, std::shared_ptr<KeyStore> keys, Clock clock = system_seconds);

  // A caller without a key has no limits and is not recorded.
  std::optional<ApiError> reserve(const Caller& caller, int64_t tokens) override;
  void settle(const Caller& caller, int64_t reserved, int64_t prompt_tokens, int64_t completion_tokens) override;
  http::Headers headers(const Caller& caller) override;

  // Writes what was recorded since the last call and reads what quotas' keys used. What could not be written is kept
  // and written later, once. One thread at a time; also before the first request, which quotas need.
  Status flush();
  // The last flush.
  Status close();

 private:
  struct State {
    Bucket requests, tokens;
    int64_t reserved = 0;  // tokens of requests that run
    QuotaUse stored;       // as the database had it
    int64_t stored_day = 0;
  };

  std::optional<ApiError> over_rate(State& state, const KeyLimits& limits, int64_t tokens, double now);
  std::optional<ApiError> over_quota(const std::string& id, const State& state, const KeyLimits& limits, int64_t tokens,
                                     double now) const;
  void forget_idle(double now);

  const std::shared_ptr<database::Database> database_;
  const std::shared_ptr<KeyStore> keys_;
  const Clock clock_;
  std::string writer_;
  int64_t batch_ = 1;  // flush()'s own

  std::mutex mutex_;
  std::unordered_map<std::string, State> states_;  // under mutex_
  UsageBatch pending_;                             // under mutex_: since the last flush
  UsageBatch in_flight_;                           // under mutex_: being written
};

// As OpenAI's headers write it: "120ms", "1.5s", "6m0s", "1h0m0s".
std::string duration_text(double seconds);

}  // namespace loquat::serve
