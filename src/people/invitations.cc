#include "people/invitations.h"

#include "people/secrets.h"

namespace loquat::people {

Result<Invitations::Made> Invitations::make(const Invitation& wanted, int64_t days) {
  if (days < 1 || days > kMostDays) return Err("An invitation is good for 1 to {} days.", kMostDays);
  if (wanted.roles == 0) return Err("An invitation needs a role.");
  Made made{random_token(), wanted};
  Invitation& invitation = made.invitation;
  invitation.id = random_id();
  invitation.created = clock_();
  invitation.expires = invitation.created + days * kDay;
  invitation.used = 0;
  invitation.used_by.clear();
  TRY_STATUS(
      database_->run("INSERT INTO people_invitations (id, hash, email, roles, note, made_by, created, expires,"
                     " used, used_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '')",
                     {invitation.id, token_hash(made.token), invitation.email, int64_t{invitation.roles},
                      invitation.note, invitation.made_by, invitation.created, invitation.expires}));
  return made;
}

Result<std::vector<Invitation>> Invitations::list() {
  TRY(const auto rows,
      database_->run("SELECT id, email, roles, note, made_by, created, expires, used, used_by FROM people_invitations"
                     " ORDER BY created DESC, id"));
  std::vector<Invitation> out;
  for (const auto& row : rows.rows) {
    out.push_back({row.text(0), row.text(1), static_cast<unsigned>(row.integer(2)), row.text(3), row.text(4),
                   row.integer(5), row.integer(6), row.integer(7), row.text(8)});
  }
  return out;
}

Result<bool> Invitations::remove(const std::string& id) {
  TRY(const auto rows, database_->run("DELETE FROM people_invitations WHERE id = $1", {id}));
  return rows.changed == 1;
}

Result<bool> Invitations::usable(const std::string& token, const std::string& email) {
  if (!looks_like_token(token)) return false;
  TRY(const auto rows, database_->run("SELECT 1 FROM people_invitations WHERE hash = $1 AND used = 0 AND expires > $2"
                                      " AND (email = '' OR email = $3)",
                                      {token_hash(token), clock_(), email}));
  return !rows.rows.empty();
}

Result<unsigned> use_invitation(database::Session& session, const std::string& token, const std::string& email,
                                const std::string& person, int64_t now) {
  if (!looks_like_token(token)) return 0u;
  const std::string hash = token_hash(token);
  TRY(const auto rows,
      session.run("UPDATE people_invitations SET used = $1, used_by = $2 WHERE hash = $3 AND used = 0 AND expires > $1"
                  " AND (email = '' OR email = $4)",
                  {now, person, hash, email}));
  if (rows.changed != 1) return 0u;
  TRY(const auto found, session.run("SELECT roles FROM people_invitations WHERE hash = $1", {hash}));
  return static_cast<unsigned>(found.rows.at(0).integer(0));
}

Result<unsigned> use_invitation_of(database::Session& session, const std::string& email, const std::string& person,
                                   int64_t now) {
  TRY(const auto found, session.run("SELECT id, roles FROM people_invitations WHERE email = $1 AND used = 0"
                                    " AND expires > $2 ORDER BY created LIMIT 1",
                                    {email, now}));
  if (email.empty() || found.rows.empty()) return 0u;
  TRY(const auto rows, session.run("UPDATE people_invitations SET used = $1, used_by = $2 WHERE id = $3 AND used = 0",
                                   {now, person, found.rows[0].text(0)}));
  return rows.changed == 1 ? static_cast<unsigned>(found.rows[0].integer(1)) : 0u;
}

}  // namespace loquat::people
