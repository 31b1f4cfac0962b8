// One small interface over SQLite (one file) and PostgreSQL (several servers share it). Statements are written once, in
// the SQL that both speak, with $1, $2 ... for values: a statement is a literal of the program, so that a value can
// only be bound to it, never pasted into it. Any thread may call. Errors are plain words and never hold a password.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace loquat::database {

// A statement: only what is known when the program is compiled converts to it.
class Sql {
 public:
  consteval Sql(const char* text) : text_(text) {}  // NOLINT: implicit on purpose
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

// NULL, whole number, number, text (UTF-8, without NUL bytes).
using Value = std::variant<std::monostate, int64_t, double, std::string>;
using Values = std::vector<Value>;

// One row's values by column. A value of another type is converted where it can be, else it reads as 0 or "".
class Row {
 public:
  explicit Row(Values values) : values_(std::move(values)) {}
  bool null(size_t column) const { return std::holds_alternative<std::monostate>(values_.at(column)); }
  int64_t integer(size_t column) const;
  double real(size_t column) const;
  std::string text(size_t column) const;

 private:
  Values values_;
};

struct Rows {
  std::vector<Row> rows;
  int64_t changed = 0;  // by INSERT, UPDATE, DELETE
};

class Connection;  // connection.h

// Within a transaction.
class Session {
 public:
  explicit Session(Connection& connection) : connection_(connection) {}
  Result<Rows> run(Sql sql, const Values& values = {});
  const std::string& first_error() const { return first_error_; }  // "": none

 private:
  Connection& connection_;
  std::string first_error_;
};

// A step of a schema. Numbers go up from 1; a step that has been released is never changed.
struct Migration {
  int number;
  std::vector<Sql> statements;
};

class Database {
 public:
  // "PATH" or "postgres://user:password@host:port/name" ("postgresql://" too; libpq's parameters after '?'). A SQLite
  // file is made where there is none and can be read by its owner alone (mode 0600).
  static Result<std::shared_ptr<Database>> open(const std::string& address);
  ~Database();

  // For messages: the path, or the address without its password.
  const std::string& name() const;
  bool is_file() const;  // SQLite

  // One statement by itself. After a lost connection a new one is made; a SELECT that was under way is asked again, and
  // anything else is an error, because it may have been carried out.
  Result<Rows> run(Sql sql, const Values& values = {});
  // All of `work` or, where it or any statement in it gives an error, nothing. `work` uses its session alone, never
  // this database, and may be called once only.
  Status transaction(const std::function<Status(Session&)>& work);
  // Brings the tables of `part` ("access") up to the last migration; servers that start together wait for each other.
  // An error where the database is ahead of this program.
  Status migrate(const std::string& part, const std::vector<Migration>& migrations);

 private:
  class Pool;
  explicit Database(std::unique_ptr<Pool> pool);
  Status within_transaction(bool schema, const std::function<Status(Session&)>& work);
  std::unique_ptr<Pool> pool_;
};

}  // namespace loquat::database
