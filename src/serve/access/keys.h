// API keys: 256 random bits, shown once, kept as a keyed hash. A key's text is "lq-", its id (12 hex digits, no secret:
// how it is found) and 43 characters of base64url. Requests are answered from memory, which refresh() brings up to the
// database; Access (access.h) calls it every second.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.h"
#include "database/database.h"
#include "serve/access/clock.h"
#include "serve/access/secret.h"

namespace loquat::serve {

// 0: no limit. Days and months are UTC's.
struct KeyLimits {
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;
  int64_t tokens_per_day = 0;
  int64_t tokens_per_month = 0;
};

struct Key {
  std::string id;
  std::string name;
  std::string tenant;  // whose prefix cache is used; its own id where none was given
  bool admin = false;
  int64_t created = 0;  // seconds since 1970
  int64_t expires = 0;  // 0: never
  int64_t revoked = 0;  // 0: not
  KeyLimits limits;
};

struct CreatedKey {
  std::string text;  // the key itself: here and never again
  Key key;
};

class KeyStore {
 public:
  // Makes the tables where there are none. An error where `secret` is not the one that this database's keys were made
  // with.
  static Result<std::shared_ptr<KeyStore>> open(std::shared_ptr<database::Database> database, const KeySecret& secret,
                                                Clock clock = system_seconds);

  // Of `wanted` the name, tenant, admin, expires and limits are taken.
  Result<CreatedKey> create(const Key& wanted);
  Result<std::vector<Key>> list();  // by creation
  // The key as it now is. An error where there is none; a key that was revoked before stays so.
  Result<Key> revoke(const std::string& id);
  Result<int64_t> usable();  // keys that are neither revoked nor expired

  Status refresh();  // reads all keys into memory

  enum class Refusal { kUnknown, kRevoked, kExpired, kUnavailable };
  // kUnavailable: the database has been away for over a minute, or is away and the key is not in memory.
  // `ask_database`: also for a key that is not in memory (made a moment ago).
  std::variant<Key, Refusal> find(std::string_view text, bool ask_database);
  KeyLimits limits(const std::string& id) const;  // from memory

 private:
  struct Stored {
    Key key;
    std::string hash;    // 64 hex digits
    double fetched = 0;  // when it was read by itself; 0: with all others
  };
  using Known = std::unordered_map<std::string, Stored>;

  KeyStore(std::shared_ptr<database::Database> database, const KeySecret& secret, Clock clock)
      : database_(std::move(database)), secret_(secret), clock_(std::move(clock)) {}
  std::string hash(std::string_view text) const;
  Status check_secret();
  static Stored stored_of(const database::Row& row);

  const std::shared_ptr<database::Database> database_;
  const KeySecret secret_;
  const Clock clock_;
  mutable std::mutex mutex_;
  Known known_;           // under mutex_
  double refreshed_ = 0;  // under mutex_
};

}  // namespace loquat::serve
