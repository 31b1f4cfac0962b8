// A message's `place` orders it among all and is what the index of texts knows it by. SQLite's index (FTS5 with
// trigrams) lies beside the tables and triggers keep it up; a text that is still being written is not in it.
#include "chats/schema.h"

#include "base/log.h"

namespace loquat::chats {
namespace {

#define CONVERSATIONS(number)                                                                   \
  "CREATE TABLE chats_conversations (number " number                                            \
  ", id TEXT NOT NULL UNIQUE, person TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL,"   \
  " pinned BIGINT NOT NULL, system TEXT NOT NULL, model TEXT NOT NULL, sampling TEXT NOT NULL," \
  " current TEXT NOT NULL, created BIGINT NOT NULL, updated BIGINT NOT NULL)"
#define MESSAGES(number)                                                                                         \
  "CREATE TABLE chats_messages (place " number                                                                   \
  ", id TEXT NOT NULL UNIQUE, conversation TEXT NOT NULL REFERENCES chats_conversations (id) ON DELETE CASCADE," \
  " parent TEXT NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, reasoning TEXT NOT NULL,"                   \
  " tool_calls TEXT NOT NULL, model TEXT NOT NULL, model_hash TEXT NOT NULL, sampling TEXT NOT NULL,"            \
  " state TEXT NOT NULL, error TEXT NOT NULL, created BIGINT NOT NULL, prompt_tokens BIGINT,"                    \
  " completion_tokens BIGINT, cached_tokens BIGINT, first_seconds DOUBLE PRECISION,"                             \
  " total_seconds DOUBLE PRECISION)"
#define FILES                                                                                         \
  "CREATE TABLE chats_files (message TEXT NOT NULL REFERENCES chats_messages (id) ON DELETE CASCADE," \
  " place BIGINT NOT NULL, name TEXT NOT NULL, bytes BIGINT NOT NULL, text TEXT NOT NULL,"            \
  " PRIMARY KEY (message, place))"
#define INDEXES                                                                                            \
  "CREATE INDEX chats_conversations_by_person ON chats_conversations (person, kind, pinned, updated, id)", \
      "CREATE INDEX chats_messages_by_conversation ON chats_messages (conversation, place)",               \
      "CREATE INDEX chats_messages_writing ON chats_messages (state) WHERE state = 'writing'"

#define CLIENT_IDS                                                         \
  "ALTER TABLE chats_messages ADD COLUMN client TEXT NOT NULL DEFAULT ''", \
      "CREATE UNIQUE INDEX chats_messages_by_client ON chats_messages (conversation, client) WHERE client <> ''"

const std::vector<database::Migration>& sqlite_migrations() {
  static const std::vector<database::Migration> kMigrations = {
      {1,
       {CONVERSATIONS("INTEGER PRIMARY KEY"), MESSAGES("INTEGER PRIMARY KEY"), FILES, INDEXES,
        "CREATE VIRTUAL TABLE chats_titles USING fts5(title, content='chats_conversations', content_rowid='number',"
        " tokenize='trigram')",
        "CREATE VIRTUAL TABLE chats_texts USING fts5(content, content='chats_messages', content_rowid='place',"
        " tokenize='trigram')",
        "CREATE TRIGGER chats_titles_insert AFTER INSERT ON chats_conversations BEGIN"
        " INSERT INTO chats_titles (rowid, title) VALUES (new.number, new.title); END",
        "CREATE TRIGGER chats_titles_delete AFTER DELETE ON chats_conversations BEGIN"
        " INSERT INTO chats_titles (chats_titles, rowid, title) VALUES ('delete', old.number, old.title); END",
        "CREATE TRIGGER chats_titles_update AFTER UPDATE OF title ON chats_conversations BEGIN"
        " INSERT INTO chats_titles (chats_titles, rowid, title) VALUES ('delete', old.number, old.title);"
        " INSERT INTO chats_titles (rowid, title) VALUES (new.number, new.title); END",
        "CREATE TRIGGER chats_texts_insert AFTER INSERT ON chats_messages WHEN new.state <> 'writing' BEGIN"
        " INSERT INTO chats_texts (rowid, content) VALUES (new.place, new.content); END",
        "CREATE TRIGGER chats_texts_delete AFTER DELETE ON chats_messages WHEN old.state <> 'writing' BEGIN"
        " INSERT INTO chats_texts (chats_texts, rowid, content) VALUES ('delete', old.place, old.content); END",
        "CREATE TRIGGER chats_texts_update AFTER UPDATE OF content, state ON chats_messages BEGIN"
        " INSERT INTO chats_texts (chats_texts, rowid, content)"
        " SELECT 'delete', old.place, old.content WHERE old.state <> 'writing';"
        " INSERT INTO chats_texts (rowid, content)"
        " SELECT new.place, new.content WHERE new.state <> 'writing'; END"}},
      {2, {CLIENT_IDS}}};
  return kMigrations;
}

const std::vector<database::Migration>& postgres_migrations() {
  static const std::vector<database::Migration> kMigrations = {
      {1, {CONVERSATIONS("BIGSERIAL PRIMARY KEY"), MESSAGES("BIGSERIAL PRIMARY KEY"), FILES, INDEXES}},
      {2, {CLIENT_IDS}}};
  return kMigrations;
}

}  // namespace

Status migrate_chats(database::Database& database) {
  if (database.is_file()) {
    return database.migrate("chats", sqlite_migrations());
  }
  TRY_STATUS(database.migrate("chats", postgres_migrations()));
  // Not a migration: it may come later, when somebody has installed the extension.
  const Status indexed = database.transaction([](database::Session& session) -> Status {
    TRY_STATUS(session.run("SELECT pg_advisory_xact_lock(7811321705)"));  // two servers that start at once
    TRY_STATUS(session.run("CREATE EXTENSION IF NOT EXISTS pg_trgm"));
    TRY_STATUS(
        session.run("CREATE INDEX IF NOT EXISTS chats_texts ON chats_messages USING gin (content gin_trgm_ops)"));
    TRY_STATUS(
        session.run("CREATE INDEX IF NOT EXISTS chats_titles ON chats_conversations USING gin (title gin_trgm_ops)"));
    return {};
  });
  if (!indexed.ok()) log_warning("searching conversations will be slow: {}", indexed.error());
  return {};
}

}  // namespace loquat::chats
