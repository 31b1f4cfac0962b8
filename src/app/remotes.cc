#include "app/remotes.h"

#include <algorithm>

#include "base/log.h"
#include "chats/chats.h"

namespace loquat::app {
namespace {

#define REMOTE_COLUMNS "SELECT id, url, model, key, allow_private, created FROM app_remotes"

constexpr const char* kNoSecret =
    "its key is sealed and this server has no secret: give the one it was sealed with (DATABASE.secret or "
    "$LOQUAT_KEY_SECRET)";
constexpr const char* kOtherSecret =
    "its key was sealed with another secret than this server has: give that one (DATABASE.secret or "
    "$LOQUAT_KEY_SECRET), or remove the model and add it again";

// A key goes to one address: another one in its row does not open it.
std::string purpose_of(const std::string& id, const std::string& url) {
  return "remote model " + id + " " + url;
}

}  // namespace

bool is_remote_id(const std::string& id) {
  return !id.empty() && id.size() <= 100 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  });
}

SecretSource secret_of(std::shared_ptr<database::Database> database) {
  return [database = std::move(database)](bool make) { return serve::find_key_secret(*database, make); };
}

Result<std::shared_ptr<Remotes>> Remotes::open(std::shared_ptr<database::Database> database,
                                               const SecretSource& secret) {
  static const std::vector<database::Migration> kMigrations = {
      {1,
       {"CREATE TABLE app_remotes (id TEXT PRIMARY KEY, url TEXT NOT NULL, model TEXT NOT NULL, key TEXT NOT NULL,"
        " allow_private BIGINT NOT NULL, created BIGINT NOT NULL)"}}};
  TRY_STATUS(database->migrate("remotes", kMigrations));
  std::shared_ptr<Remotes> remotes(new Remotes(std::move(database), secret));
  TRY(const auto have, remotes->box(false));
  TRY_STATUS(remotes->seal_open_keys());
  TRY(const auto all, remotes->list());
  for (const RemoteModel& model : all) {
    if (!model.trouble.empty()) log_error("remote model {}: {}", model.id, model.trouble);
  }
  return remotes;
}

Result<std::shared_ptr<const people::SecretBox>> Remotes::box(bool make) {
  std::lock_guard lock(mutex_);
  if (box_ || !source_) return box_;
  TRY(const auto secret, source_(make));
  if (secret) box_ = std::make_shared<const people::SecretBox>(*secret);
  return box_;
}

Status Remotes::seal_open_keys() {
  TRY(const auto rows, database_->run(REMOTE_COLUMNS " WHERE key <> '' ORDER BY id"));
  for (const database::Row& row : rows.rows) {
    const std::string id = row.text(0), key = row.text(3);
    if (people::is_sealed(key)) continue;
    TRY(const auto box, this->box(true));
    if (!box) {
      log_warning(
          "the key of the remote model {} lies open in {}: give the server a secret ($LOQUAT_KEY_SECRET), and it is "
          "sealed",
          id, database_->name());
      return {};
    }
    TRY_STATUS(database_->run("UPDATE app_remotes SET key = $2 WHERE id = $1 AND key = $3",
                              {id, box->seal(key, purpose_of(id, row.text(1))), key}));
  }
  return {};
}

RemoteModel Remotes::opened(const database::Row& row) const {
  RemoteModel model{row.text(0), row.text(1), row.text(2), row.text(3), row.integer(4) != 0, row.integer(5), ""};
  if (!people::is_sealed(model.key)) return model;
  std::lock_guard lock(mutex_);
  const auto key = box_ ? box_->open(model.key, purpose_of(model.id, model.url)) : std::nullopt;
  if (!key) model.trouble = box_ ? kOtherSecret : kNoSecret;
  model.key = key.value_or("");
  return model;
}

Result<std::vector<RemoteModel>> Remotes::list() {
  TRY(const auto rows, database_->run(REMOTE_COLUMNS " ORDER BY id"));
  std::vector<RemoteModel> list;
  for (const auto& row : rows.rows) list.push_back(opened(row));
  return list;
}

Result<std::optional<RemoteModel>> Remotes::find(const std::string& id) {
  TRY(const auto rows, database_->run(REMOTE_COLUMNS " WHERE id = $1", {id}));
  return rows.rows.empty() ? std::nullopt : std::optional(opened(rows.rows[0]));
}

Result<Remotes::Added> Remotes::add(const RemoteModel& model) {
  std::string key;
  if (!model.key.empty()) {
    TRY(const auto all, list());
    const bool trouble = std::any_of(all.begin(), all.end(), [](const auto& one) { return !one.trouble.empty(); });
    // Before one is made: keys that are sealed already must be opened by the same.
    TRY(const auto box, this->box(!trouble));
    if (!box) return Added::kNoSecret;
    if (trouble) return Added::kOtherSecret;
    key = box->seal(model.key, purpose_of(model.id, model.url));
  }
  TRY(const auto added,
      database_->run("INSERT INTO app_remotes (id, url, model, key, allow_private, created)"
                     " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
                     {model.id, model.url, model.model, key, int64_t{model.allow_private}, chats::now()}));
  return added.changed == 1 ? Added::kYes : Added::kExists;
}

Result<bool> Remotes::remove(const std::string& id) {
  TRY(const auto removed, database_->run("DELETE FROM app_remotes WHERE id = $1", {id}));
  return removed.changed > 0;
}

}  // namespace loquat::app
