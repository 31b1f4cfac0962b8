// Models of other servers that an admin has named, in the database; their keys are never shown again.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/remote_talk.h"
#include "database/database.h"

namespace loquat::app {

class Remotes {
 public:
  static Result<std::shared_ptr<Remotes>> open(std::shared_ptr<database::Database> database);
  Result<std::vector<RemoteModel>> list();
  Result<std::optional<RemoteModel>> find(const std::string& id);
  // False: one of this id is there.
  Result<bool> add(const RemoteModel& model);
  Result<bool> remove(const std::string& id);

 private:
  explicit Remotes(std::shared_ptr<database::Database> database) : database_(std::move(database)) {}
  const std::shared_ptr<database::Database> database_;
};

// An id that has a place in a path: 1 to 100 letters, digits, '.', '_', '-', ':'.
bool is_remote_id(const std::string& id);

}  // namespace loquat::app
