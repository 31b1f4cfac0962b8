// What people are called where nobody needs to know who they are. Drawn by chance and kept, so that it cannot be
// computed from an id that is shown elsewhere; one person has one, so that ten complaints of one are not taken for ten.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "database/database.h"

namespace loquat::people {

class Pseudonyms {
 public:
  explicit Pseudonyms(std::shared_ptr<database::Database> database) : database_(std::move(database)) {}
  Result<std::string> of(const std::string& person);  // "Person K7M2QX"; made where there is none

 private:
  const std::shared_ptr<database::Database> database_;
};

}  // namespace loquat::people
