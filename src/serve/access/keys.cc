#include "serve/access/keys.h"

#include <sodium.h>

#include <algorithm>

#include "serve/access/schema.h"

namespace loquat::serve {
namespace {

constexpr std::string_view kPrefix = "lq-";
constexpr size_t kIdBytes = 6, kIdDigits = 2 * kIdBytes;
constexpr size_t kSecretBytes = 32, kSecretCharacters = 43;
constexpr double kStaleSeconds = 60;

std::string hex(const unsigned char* bytes, size_t count) {
  std::string out(2 * count + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), bytes, count);
  out.pop_back();
  return out;
}

// "": this cannot be a key of ours.
std::string id_of(std::string_view text) {
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + kIdDigits + kSecretCharacters) return "";
  const std::string_view id = text.substr(kPrefix.size(), kIdDigits);
  return id.find_first_not_of("0123456789abcdef") == std::string_view::npos ? std::string(id) : "";
}

Status check_words(const char* what, const std::string& text, bool may_be_empty) {
  const bool plain = std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if ((text.empty() && !may_be_empty) || text.size() > 200 || !plain) {
    return Err("a key's {}: expected 1 to 200 bytes without control characters", what);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<KeyStore>> KeyStore::open(std::shared_ptr<database::Database> database, const KeySecret& secret,
                                                 Clock clock) {
  if (sodium_init() < 0) return Err("the system gives no random numbers");
  TRY_STATUS(migrate_access(*database));
  std::shared_ptr<KeyStore> store(new KeyStore(std::move(database), secret, std::move(clock)));
  TRY_STATUS(store->check_secret());
  TRY_STATUS(store->refresh());
  return store;
}

// Another secret would turn every key into an unknown one: said at the start, not at each request.
Status KeyStore::check_secret() {
  const std::string mark = hash("the secret of these keys");
  TRY_STATUS(database_->run(
      "INSERT INTO access_settings (name, value) VALUES ('secret_mark', $1) ON CONFLICT (name) DO NOTHING", {mark}));
  TRY(const auto found, database_->run("SELECT value FROM access_settings WHERE name = 'secret_mark'"));
  if (found.rows.empty() || found.rows[0].text(0) != mark) {
    return Err("{}: its keys were made with another secret than this ({})", database_->name(),
               "$LOQUAT_KEY_SECRET, or the file DATABASE.secret: bring back the one they were made with");
  }
  return {};
}

std::string KeyStore::hash(std::string_view text) const {
  unsigned char out[crypto_generichash_BYTES];
  crypto_generichash(out, sizeof(out), reinterpret_cast<const unsigned char*>(text.data()), text.size(), secret_.data(),
                     secret_.size());
  return hex(out, sizeof(out));
}

KeyStore::Stored KeyStore::stored_of(const database::Row& row) {
  Stored stored;
  stored.key = {row.text(0),    row.text(2),
                row.text(3),    row.integer(4) != 0,
                row.integer(5), row.integer(6),
                row.integer(7), {row.integer(8), row.integer(9), row.integer(10), row.integer(11)}};
  stored.hash = row.text(1);
  return stored;
}

Result<CreatedKey> KeyStore::create(const Key& wanted) {
  TRY_STATUS(check_words("name", wanted.name, false));
  TRY_STATUS(check_words("tenant", wanted.tenant, true));
  const KeyLimits& limits = wanted.limits;
  if (std::min({limits.requests_per_minute, limits.tokens_per_minute, limits.tokens_per_day, limits.tokens_per_month,
                wanted.expires}) < 0) {
    return Err("a key's limits and expiry: expected 0 (none) or more");
  }
  for (int tries = 0; tries < 8; ++tries) {
    unsigned char id[kIdBytes];
    unsigned char secret[kSecretBytes];
    randombytes_buf(id, sizeof(id));
    randombytes_buf(secret, sizeof(secret));
    char coded[sodium_base64_ENCODED_LEN(kSecretBytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    sodium_bin2base64(coded, sizeof(coded), secret, sizeof(secret), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof(secret));
    CreatedKey created{"", wanted};
    Key& key = created.key;
    key.id = hex(id, sizeof(id));
    if (key.tenant.empty()) key.tenant = key.id;
    key.created = static_cast<int64_t>(clock_());
    key.revoked = 0;
    created.text = std::string(kPrefix) + key.id + coded;
    TRY(const auto rows,
        database_->run(
            "INSERT INTO api_keys (id, hash, name, tenant, admin, created, expires, revoked, requests_per_minute,"
            " tokens_per_minute, tokens_per_day, tokens_per_month)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
            {key.id, hash(created.text), key.name, key.tenant, int64_t{key.admin}, key.created, key.expires,
             limits.requests_per_minute, limits.tokens_per_minute, limits.tokens_per_day, limits.tokens_per_month}));
    if (rows.changed == 1) return created;  // else the id was taken
  }
  return Err("{}: no free key id was found", database_->name());
}

#define KEY_COLUMNS                                                                       \
  "SELECT id, hash, name, tenant, admin, created, expires, revoked, requests_per_minute," \
  " tokens_per_minute, tokens_per_day, tokens_per_month FROM api_keys"

Result<std::vector<Key>> KeyStore::list() {
  TRY(const auto rows, database_->run(KEY_COLUMNS " ORDER BY created, id"));
  std::vector<Key> keys;
  for (const auto& row : rows.rows) keys.push_back(stored_of(row).key);
  return keys;
}

Result<Key> KeyStore::revoke(const std::string& id) {
  TRY_STATUS(database_->run("UPDATE api_keys SET revoked = $1 WHERE id = $2 AND revoked = 0",
                            {static_cast<int64_t>(clock_()), id}));
  TRY(const auto rows, database_->run(KEY_COLUMNS " WHERE id = $1", {id}));
  if (rows.rows.empty())
    return Err("{}: no key has the id '{}' (`loquat keys list` shows them)", database_->name(), id);
  return stored_of(rows.rows[0]).key;
}

Result<int64_t> KeyStore::usable() {
  TRY(const auto rows,
      database_->run("SELECT COUNT(*) FROM api_keys WHERE revoked = 0 AND (expires = 0 OR expires > $1)",
                     {static_cast<int64_t>(clock_())}));
  return rows.rows.at(0).integer(0);
}

Status KeyStore::refresh() {
  const double asked = clock_();
  TRY(const auto rows, database_->run(KEY_COLUMNS));
  Known known;
  known.reserve(rows.rows.size());
  for (const auto& row : rows.rows) {
    Stored stored = stored_of(row);
    known.emplace(stored.key.id, std::move(stored));
  }
  std::lock_guard lock(mutex_);
  for (auto& [id, stored] : known_) {
    if (stored.fetched >= asked) known.try_emplace(id, std::move(stored));  // newer than what was asked for
  }
  known_ = std::move(known);
  refreshed_ = asked;
  return {};
}

std::variant<Key, KeyStore::Refusal> KeyStore::find(std::string_view text, bool ask_database) {
  const std::string id = id_of(text);
  if (id.empty()) return Refusal::kUnknown;
  const double now = clock_();
  std::optional<Stored> stored;
  {
    std::lock_guard lock(mutex_);
    if (now - refreshed_ > kStaleSeconds) return Refusal::kUnavailable;
    if (const auto found = known_.find(id); found != known_.end()) stored = found->second;
  }
  if (!stored && ask_database) {
    const auto rows = database_->run(KEY_COLUMNS " WHERE id = $1", {id});
    if (!rows.ok()) return Refusal::kUnavailable;
    if (!rows->rows.empty()) {
      stored = stored_of(rows->rows[0]);
      stored->fetched = now;
      std::lock_guard lock(mutex_);
      known_.emplace(id, *stored);
    }
  }
  if (!stored) return Refusal::kUnknown;
  const std::string hashed = hash(text);
  if (stored->hash.size() != hashed.size() || sodium_memcmp(hashed.data(), stored->hash.data(), hashed.size()) != 0) {
    return Refusal::kUnknown;
  }
  if (stored->key.revoked != 0) return Refusal::kRevoked;
  if (stored->key.expires != 0 && now >= static_cast<double>(stored->key.expires)) return Refusal::kExpired;
  return stored->key;
}

KeyLimits KeyStore::limits(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const auto found = known_.find(id);
  return found == known_.end() ? KeyLimits{} : found->second.key.limits;
}

}  // namespace loquat::serve
