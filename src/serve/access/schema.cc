#include "serve/access/schema.h"

namespace loquat::serve {

Status migrate_access(database::Database& database) {
  static const std::vector<database::Migration> kMigrations = {
      {1,
       {"CREATE TABLE api_keys (id TEXT PRIMARY KEY, hash TEXT NOT NULL, name TEXT NOT NULL, tenant TEXT NOT NULL,"
        " admin BIGINT NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL, revoked BIGINT NOT NULL,"
        " requests_per_minute BIGINT NOT NULL, tokens_per_minute BIGINT NOT NULL, tokens_per_day BIGINT NOT NULL,"
        " tokens_per_month BIGINT NOT NULL)",
        "CREATE TABLE api_usage (key_id TEXT NOT NULL, day BIGINT NOT NULL, requests BIGINT NOT NULL,"
        " prompt_tokens BIGINT NOT NULL, completion_tokens BIGINT NOT NULL, PRIMARY KEY (key_id, day))",
        "CREATE INDEX api_usage_by_day ON api_usage (day)",
        // The last batch of usage that each running server has written.
        "CREATE TABLE api_usage_writers (writer TEXT PRIMARY KEY, batch BIGINT NOT NULL, day BIGINT NOT NULL)",
        "CREATE TABLE access_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)"}}};
  return database.migrate("access", kMigrations);
}

}  // namespace loquat::serve
