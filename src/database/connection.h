// One connection to a database, used by one thread at a time: what SQLite and PostgreSQL each bring (database.cc pools
// them).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "database/database.h"

namespace loquat::database {

class Connection {
 public:
  virtual ~Connection() = default;
  // `sql` lives as long as the program: it is prepared once per connection and found again by its text.
  virtual Result<Rows> run(std::string_view sql, const Values& values) = 0;
  // False: the connection is lost and nothing more can come of it. Asks nobody.
  virtual bool alive() = 0;
  virtual Status begin() = 0;
  // Within a transaction: keeps every other program that changes this schema out until its end.
  virtual Status lock_schema() = 0;
};

bool is_postgres_address(std::string_view address);
// The address without its password; an error where it is not well formed.
Result<std::string> postgres_name(const std::string& address);
Result<std::unique_ptr<Connection>> connect_postgres(const std::string& address, const std::string& name);
Result<std::unique_ptr<Connection>> connect_sqlite(const std::string& path);

}  // namespace loquat::database
