// SQLite: one file beside which lie its write-ahead log and index, all of mode 0600.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "database/connection.h"

namespace loquat::database {
namespace {

constexpr int kBusyMilliseconds = 5000;

using Statement = std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>;

class SqliteConnection final : public Connection {
 public:
  SqliteConnection(sqlite3* handle, std::string path) : handle_(handle, sqlite3_close_v2), path_(std::move(path)) {}

  Result<Rows> run(std::string_view sql, const Values& values) override {
    TRY(sqlite3_stmt * statement, prepared(sql));
    auto result = step_all(statement, values);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
  }

  bool alive() override { return true; }

  // At once for writing: a transaction that reads first and then wants to write could not wait for another writer.
  Status begin() override {
    TRY_STATUS(run("BEGIN IMMEDIATE", {}));
    return {};
  }

  Status lock_schema() override { return {}; }  // BEGIN IMMEDIATE has done it

  Status set_up() {
    sqlite3_busy_timeout(handle_.get(), kBusyMilliseconds);
    // The change to write-ahead logging, made once in a file's life, does not wait by itself where two programs open
    // it.
    Result<Rows> wal = run("PRAGMA journal_mode = WAL", {});
    for (int tries = 0; !wal.ok() && tries < 100 && sqlite3_errcode(handle_.get()) == SQLITE_BUSY; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      wal = run("PRAGMA journal_mode = WAL", {});
    }
    if (!wal.ok()) return Error{wal.error()};
    TRY_STATUS(run("PRAGMA synchronous = NORMAL", {}));
    TRY_STATUS(run("PRAGMA foreign_keys = ON", {}));
    return {};
  }

 private:
  Error failure() const {
    const int code = sqlite3_errcode(handle_.get());
    if (code == SQLITE_BUSY) return Err("{}: another program keeps the database busy", path_);
    if (code == SQLITE_NOTADB) return Err("{}: this file is no SQLite database", path_);
    return Err("{}: {}", path_, sqlite3_errmsg(handle_.get()));
  }

  Result<sqlite3_stmt*> prepared(std::string_view sql) {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second.get();
    sqlite3_stmt* statement = nullptr;
    const char* rest = nullptr;
    if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &statement, &rest) != SQLITE_OK) {
      return failure();
    }
    Statement owned(statement, sqlite3_finalize);
    if (statement == nullptr || rest != sql.data() + sql.size()) return Err("{}: not one statement: {}", path_, sql);
    statements_.emplace(sql, std::move(owned));
    return statement;
  }

  Status bind(sqlite3_stmt* statement, const Values& values) {
    if (sqlite3_bind_parameter_count(statement) != static_cast<int>(values.size())) {
      return Err("{}: {} values for {} places in: {}", path_, values.size(), sqlite3_bind_parameter_count(statement),
                 sqlite3_sql(statement));
    }
    for (size_t i = 0; i < values.size(); ++i) {
      // SQLite numbers "$2" by where it first stands, so that it is found by its name.
      const int at = sqlite3_bind_parameter_index(statement, ("$" + std::to_string(i + 1)).c_str());
      if (at == 0) return Err("{}: no place ${} in: {}", path_, i + 1, sqlite3_sql(statement));
      int code = SQLITE_OK;
      if (const auto* whole = std::get_if<int64_t>(&values[i])) {
        code = sqlite3_bind_int64(statement, at, *whole);
      } else if (const auto* real = std::get_if<double>(&values[i])) {
        code = sqlite3_bind_double(statement, at, *real);
      } else if (const auto* text = std::get_if<std::string>(&values[i])) {
        code = sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
      }
      if (code != SQLITE_OK) return failure();
    }
    return {};
  }

  Result<Rows> step_all(sqlite3_stmt* statement, const Values& values) {
    TRY_STATUS(bind(statement, values));
    Rows result;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) result.rows.push_back(row_of(statement));
    if (code != SQLITE_DONE) return failure();
    if (!sqlite3_stmt_readonly(statement)) result.changed = sqlite3_changes(handle_.get());
    return result;
  }

  static Row row_of(sqlite3_stmt* statement) {
    Values values;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_INTEGER:
          values.emplace_back(static_cast<int64_t>(sqlite3_column_int64(statement, i)));
          break;
        case SQLITE_FLOAT:
          values.emplace_back(sqlite3_column_double(statement, i));
          break;
        case SQLITE_NULL:
          values.emplace_back();
          break;
        default: {
          const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
          values.emplace_back(std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement, i))));
        }
      }
    }
    return Row(std::move(values));
  }

  std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)> handle_;
  std::string path_;
  std::map<std::string_view, Statement> statements_;
};

// SQLite gives its log and index the mode of the file itself. A file that is there is never opened here: closing it
// would drop all locks that this process has on it (POSIX), and another program would then take the log away from under
// its connections.
Status keep_private(const std::string& path) {
  static std::mutex one_at_a_time;  // nobody has the file open between its making and its closing
  std::lock_guard lock(one_at_a_time);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file >= 0) {
    ::close(file);
    return {};
  }
  struct stat info {};
  if (errno != EEXIST || ::stat(path.c_str(), &info) != 0)
    return Err("{}: cannot open the database: {}", path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return Err("{}: this is no file; expected a SQLite database's path", path);
  if ((info.st_mode & 077) != 0 && ::chmod(path.c_str(), 0600) != 0)
    return Err("{}: others may read it and its mode cannot be set to 0600: {}", path, std::strerror(errno));
  return {};
}

}  // namespace

Result<std::unique_ptr<Connection>> connect_sqlite(const std::string& path) {
  TRY_STATUS(keep_private(path));
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  auto connection = std::make_unique<SqliteConnection>(handle, path);
  if (code != SQLITE_OK) return Err("{}: cannot open the database: {}", path, sqlite3_errstr(code));
  TRY_STATUS(connection->set_up());
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace loquat::database
