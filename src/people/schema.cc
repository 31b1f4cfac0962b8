#include "people/schema.h"

namespace loquat::people {

Status migrate_people(database::Database& database) {
  static const std::vector<database::Migration> kMigrations = {
      {1,
       {// password: "" for those who sign in by OpenID Connect; disabled: since when, 0: not.
        "CREATE TABLE people (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
        " roles BIGINT NOT NULL, password TEXT NOT NULL, created BIGINT NOT NULL, seen BIGINT NOT NULL,"
        " disabled BIGINT NOT NULL)",
        "CREATE TABLE people_sessions (hash TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES people (id),"
        " created BIGINT NOT NULL, seen BIGINT NOT NULL)",
        "CREATE INDEX people_sessions_by_person ON people_sessions (person)",
        "CREATE TABLE people_invitations (id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, email TEXT NOT NULL,"
        " roles BIGINT NOT NULL, note TEXT NOT NULL, made_by TEXT NOT NULL, created BIGINT NOT NULL,"
        " expires BIGINT NOT NULL, used BIGINT NOT NULL, used_by TEXT NOT NULL)",
        // Not tied to people: local mode's person has settings and no account.
        "CREATE TABLE people_settings (person TEXT PRIMARY KEY, language TEXT NOT NULL, theme TEXT NOT NULL,"
        " may_review BIGINT NOT NULL, may_train BIGINT NOT NULL, asked BIGINT NOT NULL)",
        "CREATE TABLE people_identities (issuer TEXT NOT NULL, subject TEXT NOT NULL,"
        " person TEXT NOT NULL REFERENCES people (id), PRIMARY KEY (issuer, subject))",
        "CREATE INDEX people_identities_by_person ON people_identities (person)",
        "CREATE TABLE people_sign_ins (state TEXT PRIMARY KEY, browser TEXT NOT NULL, nonce TEXT NOT NULL,"
        " verifier TEXT NOT NULL, return_to TEXT NOT NULL, expires BIGINT NOT NULL)",
        "CREATE TABLE people_audit (id TEXT PRIMARY KEY, time BIGINT NOT NULL, person TEXT NOT NULL,"
        " action TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL)",
        "CREATE INDEX people_audit_by_person ON people_audit (person, id)",
        "CREATE INDEX people_audit_by_action ON people_audit (action, id)",
        // Its one row is changed first by whoever may take an admin's rights, so that two never take the last two's.
        "CREATE TABLE people_guard (id BIGINT PRIMARY KEY, turn BIGINT NOT NULL)",
        "INSERT INTO people_guard (id, turn) VALUES (1, 0)"}},
      {2,
       {// about: whose chats were read.
        "ALTER TABLE people_audit ADD COLUMN about TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX people_audit_by_about ON people_audit (about, id)",
        "CREATE TABLE people_pseudonyms (person TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE)"}}};
  return database.migrate("people", kMigrations);
}

}  // namespace loquat::people
