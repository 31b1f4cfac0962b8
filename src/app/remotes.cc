#include "app/remotes.h"

#include <algorithm>

#include "chats/chats.h"

namespace loquat::app {
namespace {

#define REMOTE_COLUMNS "SELECT id, url, model, key, allow_private, created FROM app_remotes"

RemoteModel remote_of(const database::Row& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.integer(4) != 0, row.integer(5)};
}

}  // namespace

bool is_remote_id(const std::string& id) {
  return !id.empty() && id.size() <= 100 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  });
}

Result<std::shared_ptr<Remotes>> Remotes::open(std::shared_ptr<database::Database> database) {
  static const std::vector<database::Migration> kMigrations = {
      {1,
       {"CREATE TABLE app_remotes (id TEXT PRIMARY KEY, url TEXT NOT NULL, model TEXT NOT NULL, key TEXT NOT NULL,"
        " allow_private BIGINT NOT NULL, created BIGINT NOT NULL)"}}};
  TRY_STATUS(database->migrate("remotes", kMigrations));
  return std::shared_ptr<Remotes>(new Remotes(std::move(database)));
}

Result<std::vector<RemoteModel>> Remotes::list() {
  TRY(const auto rows, database_->run(REMOTE_COLUMNS " ORDER BY id"));
  std::vector<RemoteModel> list;
  for (const auto& row : rows.rows) list.push_back(remote_of(row));
  return list;
}

Result<std::optional<RemoteModel>> Remotes::find(const std::string& id) {
  TRY(const auto rows, database_->run(REMOTE_COLUMNS " WHERE id = $1", {id}));
  return rows.rows.empty() ? std::nullopt : std::optional(remote_of(rows.rows[0]));
}

Result<bool> Remotes::add(const RemoteModel& model) {
  TRY(const auto added,
      database_->run("INSERT INTO app_remotes (id, url, model, key, allow_private, created)"
                     " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
                     {model.id, model.url, model.model, model.key, int64_t{model.allow_private}, chats::now()}));
  return added.changed == 1;
}

Result<bool> Remotes::remove(const std::string& id) {
  TRY(const auto removed, database_->run("DELETE FROM app_remotes WHERE id = $1", {id}));
  return removed.changed > 0;
}

}  // namespace loquat::app
