// Models of other servers that an admin has named, in the database. Their keys are never shown again, and are kept
// sealed (people/secret_box.h): whoever has the database has no keys.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/remote_talk.h"
#include "database/database.h"
#include "people/secret_box.h"
#include "serve/access/secret.h"

namespace loquat::app {

// The server's secret, as serve::find_key_secret has it. Not set: there is none.
using SecretSource = std::function<Result<std::optional<serve::KeySecret>>(bool make)>;
SecretSource secret_of(std::shared_ptr<database::Database> database);

class Remotes {
 public:
  // Keys that lie open in the database, of earlier programs, are sealed. A secret that is there but cannot be used is
  // an error; keys that cannot be opened are said in the log and at their models.
  static Result<std::shared_ptr<Remotes>> open(std::shared_ptr<database::Database> database,
                                               const SecretSource& secret = {});
  Result<std::vector<RemoteModel>> list();
  Result<std::optional<RemoteModel>> find(const std::string& id);
  enum class Added { kYes, kExists, kNoSecret, kOtherSecret };
  // kExists: one of this id is there. A key needs the secret (kNoSecret), and the one that the other keys were sealed
  // with (kOtherSecret).
  Result<Added> add(const RemoteModel& model);
  Result<bool> remove(const std::string& id);

 private:
  Remotes(std::shared_ptr<database::Database> database, SecretSource source)
      : database_(std::move(database)), source_(std::move(source)) {}
  RemoteModel opened(const database::Row& row) const;
  // Null: there is no secret. `make`: it is needed now, and made where that may be.
  Result<std::shared_ptr<const people::SecretBox>> box(bool make);
  Status seal_open_keys();

  const std::shared_ptr<database::Database> database_;
  const SecretSource source_;
  mutable std::mutex mutex_;
  std::shared_ptr<const people::SecretBox> box_;
};

// An id that has a place in a path: 1 to 100 letters, digits, '.', '_', '-', ':'.
bool is_remote_id(const std::string& id);

}  // namespace loquat::app
