#include "serve/access/access.h"

#include <chrono>

#include "base/log.h"

namespace loquat::serve {
namespace {

// For a server without keys: no limits, nothing recorded.
class NoMeter final : public Meter {
 public:
  std::optional<ApiError> reserve(const Caller&, int64_t) override { return std::nullopt; }
  void settle(const Caller&, int64_t, int64_t, int64_t) override {}
  http::Headers headers(const Caller&) override { return {}; }
};

}  // namespace

Result<OpenedKeys> open_keys(const std::string& database_address, Clock clock) {
  OpenedKeys opened;
  TRY(opened.database, database::Database::open(database_address));
  TRY(const KeySecret secret, load_key_secret(*opened.database));
  TRY(opened.keys, KeyStore::open(opened.database, secret, std::move(clock)));
  return opened;
}

Result<std::unique_ptr<Access>> Access::start(const Options& options, Clock clock) {
  std::unique_ptr<Access> access(new Access);
  Listening listening = options.listening;
  listening.wants_keys = !options.database.empty();
  if (listening.wants_keys) {
    TRY(OpenedKeys opened, open_keys(options.database, clock));
    access->keys_ = opened.keys;
    TRY(listening.usable_keys, access->keys_->usable());
    access->meter_ = std::make_unique<KeyMeter>(opened.database, opened.keys, clock);
  }
  TRY(GateOptions gate, may_listen(listening));
  gate.open_paths = options.open_paths;
  gate.admin_prefixes = options.admin_prefixes;
  access->gate_ = std::make_unique<Gate>(std::move(gate), access->keys_, clock);
  if (access->meter_ != nullptr) {
    TRY_STATUS(access->meter_->flush());  // what quotas' keys have used
    access->thread_ = std::thread([raw = access.get()] { raw->run(); });
  }
  return access;
}

Access::~Access() {
  if (const Status stopped = stop(); !stopped.ok())
    log_error("usage that could not be written is lost: {}", stopped.error());
}

Meter& Access::meter() {
  static NoMeter none;
  return meter_ != nullptr ? static_cast<Meter&>(*meter_) : none;
}

void Access::run() {
  std::string trouble;  // said once, until it is over
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) {
    lock.unlock();
    Status status = keys_->refresh();
    if (status.ok()) status = meter_->flush();
    if (!status.ok() && trouble.empty())
      log_warning("keys cannot be read or usage not written (it is kept): {}", status.error());
    if (status.ok() && !trouble.empty()) log_info("keys are read and usage is written again");
    trouble = status.ok() ? "" : status.error();
    lock.lock();
  }
}

Status Access::stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return {};
    stopping_ = true;
  }
  wake_.notify_all();
  if (!thread_.joinable()) return {};
  thread_.join();
  return meter_->close();
}

}  // namespace loquat::serve
