#include "database/database.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "base/check.h"
#include "database/connection.h"

namespace loquat::database {
namespace {

constexpr size_t kConnections = 4;
constexpr std::chrono::seconds kWaitForConnection{20};

Status check_values(const Values& values) {
  for (const Value& value : values) {
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && text->find('\0') != std::string::npos)
      return Err("a text for the database holds a NUL byte");
  }
  return {};
}

Result<Rows> run_checked(Connection& connection, Sql sql, const Values& values) {
  TRY_STATUS(check_values(values));
  return connection.run(sql.text(), values);
}

}  // namespace

int64_t Row::integer(size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* whole = std::get_if<int64_t>(&value)) return *whole;
  if (const auto* real = std::get_if<double>(&value)) {
    return *real > -9e18 && *real < 9e18 ? static_cast<int64_t>(*real) : 0;
  }
  if (const auto* text = std::get_if<std::string>(&value)) return std::strtoll(text->c_str(), nullptr, 10);
  return 0;
}

double Row::real(size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) return std::strtod(text->c_str(), nullptr);
  return 0;
}

std::string Row::text(size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return {};
}

Result<Rows> Session::run(Sql sql, const Values& values) {
  auto result = run_checked(connection_, sql, values);
  if (!result.ok() && first_error_.empty()) first_error_ = result.error();
  return result;
}

// At most kConnections, each made when it is first needed and made again when it is found lost.
class Database::Pool {
 public:
  explicit Pool(std::string pool_address) : address(std::move(pool_address)) {}

  Result<std::unique_ptr<Connection>> connect() {
    return postgres ? connect_postgres(address, name) : connect_sqlite(address);
  }

  Result<std::unique_ptr<Connection>> take() {
    {
      std::unique_lock lock(mutex);
      if (!returned.wait_for(lock, kWaitForConnection, [this] { return !idle.empty() || out < kConnections; })) {
        return Err("{}: all connections to the database are in use", name);
      }
      ++out;
      while (!idle.empty()) {
        auto connection = std::move(idle.back());
        idle.pop_back();
        if (connection->alive()) return connection;
      }
    }
    auto made = connect();
    if (!made.ok()) give_back(nullptr);
    return made;
  }

  void give_back(std::unique_ptr<Connection> connection) {
    {
      std::lock_guard lock(mutex);
      --out;
      if (connection != nullptr) idle.push_back(std::move(connection));
    }
    returned.notify_one();
  }

  std::string address;
  std::string name;
  bool postgres = false;
  std::mutex mutex;
  std::condition_variable returned;
  std::vector<std::unique_ptr<Connection>> idle;
  size_t out = 0;
};

namespace {

// Gives a connection back when it is done with: to the pool, or, where its state is not known, to nobody.
template <typename Pool>
class Lease {
 public:
  Lease(Pool& pool, std::unique_ptr<Connection> connection) : pool_(pool), connection_(std::move(connection)) {}
  Lease(const Lease&) = delete;
  ~Lease() { pool_.give_back(reusable ? std::move(connection_) : nullptr); }
  Connection& operator*() { return *connection_; }
  Connection* operator->() { return connection_.get(); }
  bool reusable = true;

 private:
  Pool& pool_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace

Database::Database(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
Database::~Database() = default;
const std::string& Database::name() const {
  return pool_->name;
}
bool Database::is_file() const {
  return !pool_->postgres;
}

Result<std::shared_ptr<Database>> Database::open(const std::string& address) {
  if (address.empty())
    return Err("the database's address is empty; expected a file's path or postgres://user@host/name");
  auto pool = std::make_unique<Pool>(address);
  pool->postgres = is_postgres_address(address);
  if (pool->postgres) {
    TRY(pool->name, postgres_name(address));
  } else if (address.find("://") != std::string::npos) {
    return Err("the database's address is of an unknown kind; expected a file's path or postgres://user@host/name");
  } else {
    pool->name = address;
  }
  TRY(auto first, pool->connect());
  pool->idle.push_back(std::move(first));
  return std::shared_ptr<Database>(new Database(std::move(pool)));
}

Result<Rows> Database::run(Sql sql, const Values& values) {
  const bool reads = sql.text().starts_with("SELECT");
  for (bool again = false;; again = true) {
    TRY(auto connection, pool_->take());
    Lease lease(*pool_, std::move(connection));
    auto result = run_checked(*lease, sql, values);
    lease.reusable = result.ok() || lease->alive();
    if (lease.reusable || !reads || again) return result;
  }
}

Status Database::transaction(const std::function<Status(Session&)>& work) {
  return within_transaction(false, work);
}

Status Database::within_transaction(bool schema, const std::function<Status(Session&)>& work) {
  TRY(auto connection, pool_->take());
  Lease lease(*pool_, std::move(connection));
  lease.reusable = false;  // until the transaction has ended one way or the other
  TRY_STATUS(lease->begin());
  if (schema) TRY_STATUS(lease->lock_schema());
  Session session(*lease);
  Status status = work(session);
  // A transaction with a failed statement is no whole one, even where `work` went on.
  if (status.ok() && !session.first_error().empty()) status = Error{session.first_error()};
  if (status.ok()) {
    const auto committed = lease->run("COMMIT", {});
    if (committed.ok()) {
      lease.reusable = true;
      return {};
    }
    status = Error{committed.error()};
  }
  lease.reusable = lease->run("ROLLBACK", {}).ok();
  return status;
}

Status Database::migrate(const std::string& part, const std::vector<Migration>& migrations) {
  for (size_t i = 0; i < migrations.size(); ++i) {
    CHECK(migrations[i].number == static_cast<int>(i) + 1, "migrations of {} are not numbered from 1", part);
  }
  return within_transaction(true, [&](Session& session) -> Status {
    TRY_STATUS(
        session.run("CREATE TABLE IF NOT EXISTS schema_versions (part TEXT PRIMARY KEY, version BIGINT NOT NULL)"));
    TRY_STATUS(session.run("INSERT INTO schema_versions (part, version) VALUES ($1, 0) ON CONFLICT (part) DO NOTHING",
                           {part}));
    TRY(const Rows found, session.run("SELECT version FROM schema_versions WHERE part = $1", {part}));
    const int64_t version = found.rows.at(0).integer(0);
    if (version > static_cast<int64_t>(migrations.size())) {
      return Err("{}: made by a newer Loquat ({} is at version {}, this program knows {})", name(), part, version,
                 migrations.size());
    }
    for (const Migration& migration : migrations) {
      if (migration.number <= version) continue;
      for (const Sql& sql : migration.statements) TRY_STATUS(session.run(sql));
    }
    TRY_STATUS(session.run("UPDATE schema_versions SET version = $1 WHERE part = $2",
                           {static_cast<int64_t>(migrations.size()), part}));
    return {};
  });
}

}  // namespace loquat::database
