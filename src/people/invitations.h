// Invitations: a random text that is shown once and kept as a hash, good for one account until it expires.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "database/database.h"
#include "people/clock.h"

namespace loquat::people {

struct Invitation {
  std::string id;
  std::string email;  // "": for whoever brings it
  unsigned roles = 0;
  std::string note;     // the admin's own
  std::string made_by;  // a person's id; "": the command line
  int64_t created = 0, expires = 0;
  int64_t used = 0;  // 0: not
  std::string used_by;
};

class Invitations {
 public:
  static constexpr int64_t kDefaultDays = 7, kMostDays = 365;

  Invitations(std::shared_ptr<database::Database> database, Clock clock)
      : database_(std::move(database)), clock_(std::move(clock)) {}

  struct Made {
    std::string token;  // here and never again
    Invitation invitation;
  };
  // Of `wanted`: email (in its normal form), roles, note, made_by. `days` of 1 to kMostDays.
  Result<Made> make(const Invitation& wanted, int64_t days);
  Result<std::vector<Invitation>> list();      // the latest first
  Result<bool> remove(const std::string& id);  // false: there is none
  // Whether an account could be made by it now. `email` in its normal form.
  Result<bool> usable(const std::string& token, const std::string& email);

 private:
  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
};

// Within the transaction that makes the account: marks it used and gives its roles; 0: it cannot be used.
Result<unsigned> use_invitation(database::Session& session, const std::string& token, const std::string& email,
                                const std::string& person, int64_t now);
// The same for one that names the address, without its token: the address was proven otherwise.
Result<unsigned> use_invitation_of(database::Session& session, const std::string& email, const std::string& person,
                                   int64_t now);

}  // namespace loquat::people
