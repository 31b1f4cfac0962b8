#include "people/accounts.h"

#include "people/secrets.h"

namespace loquat::people {
namespace {

using Refusal = Accounts::Refusal;

#define ACCOUNT_COLUMNS "SELECT p.id, p.email, p.name, p.roles, p.password, p.created, p.seen, p.disabled FROM people p"

Account account_of(const database::Row& row) {
  return {{row.text(0), row.text(2), row.text(1), static_cast<unsigned>(row.integer(3))},
          row.text(4),
          row.integer(5),
          row.integer(6),
          row.integer(7)};
}

// Others who would take an admin's rights wait here until this transaction has ended.
Status take_turn(database::Session& session) {
  TRY_STATUS(session.run("UPDATE people_guard SET turn = turn + 1 WHERE id = 1"));
  return {};
}

Result<bool> has_admin(database::Session& session) {
  TRY(const auto rows, session.run("SELECT roles FROM people WHERE disabled = 0"));
  for (const auto& row : rows.rows) {
    if (row.integer(0) & kAdmin) return true;
  }
  return false;
}

}  // namespace

Result<std::optional<Account>> Accounts::one(database::Sql sql, const database::Values& values) {
  TRY(const auto rows, database_->run(sql, values));
  if (rows.rows.empty()) return std::optional<Account>();
  return std::optional<Account>(account_of(rows.rows[0]));
}

Result<std::optional<Account>> Accounts::by_id(const std::string& id) {
  return one(ACCOUNT_COLUMNS " WHERE p.id = $1", {id});
}

Result<std::optional<Account>> Accounts::by_email(const std::string& email) {
  return one(ACCOUNT_COLUMNS " WHERE p.email = $1", {email});
}

Result<std::optional<Account>> Accounts::by_identity(const std::string& issuer, const std::string& subject) {
  return one(ACCOUNT_COLUMNS " JOIN people_identities i ON i.person = p.id WHERE i.issuer = $1 AND i.subject = $2",
             {issuer, subject});
}

Result<std::vector<Account>> Accounts::list() {
  TRY(const auto rows, database_->run(ACCOUNT_COLUMNS " ORDER BY p.created, p.id"));
  std::vector<Account> accounts;
  for (const auto& row : rows.rows) accounts.push_back(account_of(row));
  return accounts;
}

Result<bool> Accounts::has_any() {
  TRY(const auto people, database_->run("SELECT 1 FROM people WHERE disabled = 0 LIMIT 1"));
  if (!people.rows.empty()) return true;
  TRY(const auto open,
      database_->run("SELECT 1 FROM people_invitations WHERE used = 0 AND expires > $1 LIMIT 1", {clock_()}));
  return !open.rows.empty();
}

Result<Refusal> Accounts::guarded(const std::function<Result<Refusal>(database::Session&)>& work) {
  Refusal refusal = Refusal::kNone;
  const Status done = database_->transaction([&](database::Session& session) -> Status {
    TRY(refusal, work(session));
    if (refusal != Refusal::kNone) return Err("refused");
    return {};
  });
  if (!done.ok() && refusal == Refusal::kNone) return Error{done.error()};
  return refusal;
}

Result<Refusal> Accounts::insert(database::Session& session, const Person& person, const std::string& password_hash) {
  TRY(const auto rows,
      session.run("INSERT INTO people (id, email, name, roles, password, created, seen, disabled)"
                  " VALUES ($1, $2, $3, $4, $5, $6, 0, 0) ON CONFLICT (email) DO NOTHING",
                  {person.id, person.email, person.name, int64_t{person.roles}, password_hash, clock_()}));
  return rows.changed == 1 ? Refusal::kNone : Refusal::kEmail;
}

Result<Accounts::Outcome<Person>> Accounts::join(const std::string& token, const std::string& email,
                                                 const std::string& name, const std::string& password_hash) {
  Outcome<Person> out;
  out.value = {random_id(), name, email, 0};
  TRY(out.refusal, guarded([&](database::Session& session) -> Result<Refusal> {
        TRY(out.value.roles, use_invitation(session, token, email, out.value.id, clock_()));
        if (out.value.roles == 0) return Refusal::kInvitation;
        return insert(session, out.value, password_hash);
      }));
  return out;
}

Result<Accounts::Outcome<Person>> Accounts::join_by_identity(const Identity& identity, unsigned roles) {
  Outcome<Person> out;
  out.value = {random_id(), identity.name, identity.email, 0};
  TRY(out.refusal, guarded([&](database::Session& session) -> Result<Refusal> {
        TRY(const auto same, session.run("SELECT 1 FROM people WHERE email = $1", {identity.email}));
        if (!same.rows.empty()) return Refusal::kEmail;  // with an invitation or without
        TRY(out.value.roles, use_invitation_of(session, identity.email, out.value.id, clock_()));
        if (out.value.roles == 0) out.value.roles = roles;
        if (identity.email.empty() || out.value.roles == 0) return Refusal::kInvitation;
        TRY(const Refusal refusal, insert(session, out.value, ""));
        if (refusal != Refusal::kNone) return refusal;
        TRY_STATUS(session.run("INSERT INTO people_identities (issuer, subject, person) VALUES ($1, $2, $3)",
                               {identity.issuer, identity.subject, out.value.id}));
        return Refusal::kNone;
      }));
  return out;
}

Result<Accounts::Outcome<Account>> Accounts::change(const std::string& id, const Change& change) {
  Outcome<Account> out;
  TRY(out.refusal, guarded([&](database::Session& session) -> Result<Refusal> {
        TRY_STATUS(take_turn(session));
        TRY(const bool had_admin, has_admin(session));
        TRY(const auto found, session.run(ACCOUNT_COLUMNS " WHERE p.id = $1", {id}));
        if (found.rows.empty()) return Refusal::kGone;
        out.value = account_of(found.rows[0]);
        Account& account = out.value;
        if (change.roles) account.person.roles = *change.roles;
        if (change.name) account.person.name = *change.name;
        if (change.disabled && *change.disabled != (account.disabled != 0))
          account.disabled = *change.disabled ? clock_() : 0;
        TRY_STATUS(session.run("UPDATE people SET roles = $1, name = $2, disabled = $3 WHERE id = $4",
                               {int64_t{account.person.roles}, account.person.name, account.disabled, id}));
        if (account.disabled != 0) TRY_STATUS(session.run("DELETE FROM people_sessions WHERE person = $1", {id}));
        TRY(const bool admin, has_admin(session));
        return admin || !had_admin ? Refusal::kNone : Refusal::kLastAdmin;
      }));
  return out;
}

Status Accounts::set_password(const std::string& id, const std::string& password_hash) {
  TRY_STATUS(database_->run("UPDATE people SET password = $1 WHERE id = $2", {password_hash, id}));
  return {};
}

Result<Refusal> Accounts::erase(const std::string& id) {
  return guarded([&](database::Session& session) -> Result<Refusal> {
    TRY_STATUS(take_turn(session));
    TRY(const bool had_admin, has_admin(session));
    TRY(const auto found, session.run("SELECT email FROM people WHERE id = $1", {id}));
    if (found.rows.empty()) return Refusal::kGone;
    TRY_STATUS(session.run("DELETE FROM people_sessions WHERE person = $1", {id}));
    TRY_STATUS(session.run("DELETE FROM people_identities WHERE person = $1", {id}));
    TRY_STATUS(session.run("DELETE FROM people_settings WHERE person = $1", {id}));
    TRY_STATUS(session.run("DELETE FROM people_pseudonyms WHERE person = $1", {id}));
    TRY_STATUS(
        session.run("DELETE FROM people_invitations WHERE used_by = $1 OR email = $2", {id, found.rows[0].text(0)}));
    TRY_STATUS(session.run("DELETE FROM people WHERE id = $1", {id}));
    TRY(const bool admin, has_admin(session));
    return admin || !had_admin ? Refusal::kNone : Refusal::kLastAdmin;
  });
}

}  // namespace loquat::people
