#include "people/sessions.h"

#include "people/secrets.h"

namespace loquat::people {
namespace {

constexpr int64_t kSeenEvery = 300;  // seconds: not every request writes

}  // namespace

Result<std::string> Sessions::start(const std::string& person) {
  const std::string token = random_token();
  const int64_t now = clock_();
  TRY_STATUS(database_->transaction([&](database::Session& session) -> Status {
    TRY_STATUS(session.run("DELETE FROM people_sessions WHERE person = $1 AND (seen <= $2 OR created <= $3)",
                           {person, now - kIdle, now - kLongest}));
    TRY_STATUS(session.run("INSERT INTO people_sessions (hash, person, created, seen) VALUES ($1, $2, $3, $3)",
                           {token_hash(token), person, now}));
    TRY_STATUS(session.run("UPDATE people SET seen = $1 WHERE id = $2", {now, person}));
    return {};
  }));
  return token;
}

Result<Sessions::Found> Sessions::read(const std::string& hash) const {
  const int64_t now = clock_();
  TRY(const auto rows,
      database_->run("SELECT p.id, p.name, p.email, p.roles, s.seen FROM people_sessions s JOIN people p"
                     " ON p.id = s.person WHERE s.hash = $1 AND s.seen > $2 AND s.created > $3 AND p.disabled = 0",
                     {hash, now - kIdle, now - kLongest}));
  if (rows.rows.empty()) return Found{};
  const auto& row = rows.rows[0];
  return Found{{row.text(0), row.text(1), row.text(2), static_cast<unsigned>(row.integer(3))}, row.integer(4)};
}

Result<Person> Sessions::look(const std::string& token) const {
  if (!looks_like_token(token)) return Person{};
  TRY(const Found found, read(token_hash(token)));
  return found.person;
}

Result<Person> Sessions::find(const std::string& token) {
  if (!looks_like_token(token)) return Person{};
  const std::string hash = token_hash(token);
  TRY(const Found found, read(hash));
  const int64_t now = clock_();
  if (found.person.signed_in() && now - found.seen >= kSeenEvery) {
    TRY_STATUS(database_->run("UPDATE people_sessions SET seen = $1 WHERE hash = $2", {now, hash}));
    TRY_STATUS(database_->run("UPDATE people SET seen = $1 WHERE id = $2", {now, found.person.id}));
  }
  return found.person;
}

Status Sessions::end(const std::string& token) {
  TRY_STATUS(database_->run("DELETE FROM people_sessions WHERE hash = $1", {token_hash(token)}));
  return {};
}

Status Sessions::end_all(const std::string& person, const std::string& but_token) {
  TRY_STATUS(database_->run("DELETE FROM people_sessions WHERE person = $1 AND hash <> $2",
                            {person, but_token.empty() ? "" : token_hash(but_token)}));
  return {};
}

std::string csrf_token(const std::string& session_token) {
  return derived_token(session_token, "loquat csrf");
}

}  // namespace loquat::people
