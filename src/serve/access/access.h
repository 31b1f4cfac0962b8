// All of access in one piece: the keys' database, the gate, the meter, and the thread that every second reads the keys
// again and writes usage. A revoked key stops within about two seconds.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "serve/access/gate.h"
#include "serve/access/keys.h"
#include "serve/access/limits.h"

namespace loquat::serve {

class Access {
 public:
  struct Options {
    std::string database;  // "": no keys; else a SQLite file's path or postgres://...
    Listening listening;   // wants_keys and usable_keys are set from the database
    std::vector<std::string> open_paths;
    std::vector<std::string> admin_prefixes = GateOptions().admin_prefixes;
  };
  static Result<std::unique_ptr<Access>> start(const Options& options, Clock clock = system_seconds);
  ~Access();

  Gate& gate() { return *gate_; }
  Meter& meter();
  // Ends the thread and writes what usage there is; after the last request has been settled.
  Status stop();

 private:
  Access() = default;
  void run();

  std::shared_ptr<KeyStore> keys_;  // null: no keys
  std::unique_ptr<KeyMeter> meter_;
  std::unique_ptr<Gate> gate_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // under mutex_
  std::thread thread_;
};

// Opens the database and its keys, with the secret that belongs to them.
struct OpenedKeys {
  std::shared_ptr<database::Database> database;
  std::shared_ptr<KeyStore> keys;
};
Result<OpenedKeys> open_keys(const std::string& database_address, Clock clock = system_seconds);

}  // namespace loquat::serve
