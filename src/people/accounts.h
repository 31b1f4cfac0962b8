// People's accounts: who there is, what they may do, and how they came. Passwords come here as hashes (passwords.h).
// Whatever takes rights away keeps one admin who can sign in. Any thread may call.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "database/database.h"
#include "people/clock.h"
#include "people/invitations.h"
#include "people/person.h"

namespace loquat::people {

struct Account {
  Person person;
  std::string password;  // a hash; "": signs in by OpenID Connect alone
  int64_t created = 0;
  int64_t seen = 0;      // about when they last came; 0: never
  int64_t disabled = 0;  // since when; 0: not
};

// Who somebody is by an OpenID provider's word.
struct Identity {
  std::string issuer, subject;
  std::string email;  // in its normal form, "" where the provider has not verified it
  std::string name;
};

class Accounts {
 public:
  // The tables must be there (schema.h).
  Accounts(std::shared_ptr<database::Database> database, Clock clock)
      : database_(std::move(database)), clock_(std::move(clock)) {}

  Result<std::optional<Account>> by_id(const std::string& id);
  Result<std::optional<Account>> by_email(const std::string& email);  // in its normal form
  Result<std::optional<Account>> by_identity(const std::string& issuer, const std::string& subject);
  Result<std::vector<Account>> list();  // by creation
  Result<bool> has_any();               // an account that is not disabled, or an invitation that can be used

  enum class Refusal { kNone, kInvitation, kEmail, kLastAdmin, kGone };
  template <typename T>
  struct Outcome {
    Refusal refusal = Refusal::kNone;
    T value{};
  };

  // Makes an account by an invitation, which is then used. kInvitation: it is unknown, used, expired or for another
  // address; kEmail: the address has an account.
  Result<Outcome<Person>> join(const std::string& token, const std::string& email, const std::string& name,
                               const std::string& password_hash);
  // The same by a provider's word: with an invitation for that address or, where `roles` is not 0, without.
  Result<Outcome<Person>> join_by_identity(const Identity& identity, unsigned roles);

  struct Change {
    std::optional<unsigned> roles;
    std::optional<bool> disabled;
    std::optional<std::string> name;
  };
  // Disabling ends the person's sessions. kLastAdmin: nobody could administer any more; kGone: there is no such person.
  Result<Outcome<Account>> change(const std::string& id, const Change& change);
  Status set_password(const std::string& id, const std::string& password_hash);
  // Account, sessions, identities, settings, pseudonym, and the name in invitations.
  Result<Refusal> erase(const std::string& id);

 private:
  Result<std::optional<Account>> one(database::Sql sql, const database::Values& values);
  // `work` in a transaction; rolled back where it names a refusal.
  Result<Refusal> guarded(const std::function<Result<Refusal>(database::Session&)>& work);
  Result<Refusal> insert(database::Session& session, const Person& person, const std::string& password_hash);

  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
};

}  // namespace loquat::people
