// PostgreSQL through libpq. Values travel as text and take the type of the column they meet. What libpq says about an
// address that it cannot read may hold a piece of its password, so that such addresses are refused here, in our own
// words.
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "database/connection.h"

namespace loquat::database {
namespace {

using ResultPtr = std::unique_ptr<PGresult, decltype(&PQclear)>;

constexpr Oid kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kFloat4 = 700, kFloat8 = 701, kNumeric = 1700;

// One line, without libpq's "ERROR:  " and line ends.
std::string tidy(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '\n', ' ');
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

Value value_of(Oid type, std::string text) {
  switch (type) {
    case kBool:
      return static_cast<int64_t>(text == "t");
    case kInt2:
    case kInt4:
    case kInt8:
      return static_cast<int64_t>(std::strtoll(text.c_str(), nullptr, 10));
    case kNumeric:  // the sum of whole numbers among others
      if (text.find_first_not_of("-0123456789") == std::string::npos) {
        return static_cast<int64_t>(std::strtoll(text.c_str(), nullptr, 10));
      }
      [[fallthrough]];
    case kFloat4:
    case kFloat8:
      return std::strtod(text.c_str(), nullptr);
    default:
      return text;
  }
}

class PostgresConnection final : public Connection {
 public:
  PostgresConnection(PGconn* handle, std::string name) : handle_(handle, PQfinish), name_(std::move(name)) {}

  Result<Rows> run(std::string_view sql, const Values& values) override {
    TRY(const std::string statement, prepared(sql));
    std::vector<std::string> texts(values.size());
    std::vector<const char*> pointers(values.size(), nullptr);
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::holds_alternative<std::monostate>(values[i])) continue;
      if (const auto* whole = std::get_if<int64_t>(&values[i])) {
        texts[i] = std::to_string(*whole);
      } else if (const auto* real = std::get_if<double>(&values[i])) {
        texts[i] = fmt::format("{:.17g}", *real);
      } else {
        texts[i] = std::get<std::string>(values[i]);
      }
      pointers[i] = texts[i].c_str();
    }
    const ResultPtr result(PQexecPrepared(handle_.get(), statement.c_str(), static_cast<int>(values.size()),
                                          pointers.data(), nullptr, nullptr, 0),
                           PQclear);
    if (!good(result.get())) return failure(result.get());
    return rows_of(result.get());
  }

  bool alive() override {
    // Reads what has come by itself: the end of the connection among it.
    return PQconsumeInput(handle_.get()) == 1 && PQstatus(handle_.get()) == CONNECTION_OK;
  }

  Status begin() override {
    TRY_STATUS(run("BEGIN", {}));
    return {};
  }

  Status lock_schema() override {
    TRY_STATUS(run("SELECT pg_advisory_xact_lock(7811321704)", {}));  // "loquat"'s number, of no meaning
    return {};
  }

 private:
  static bool good(const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
  }

  // The server's first line alone: the details quote values.
  Error failure(const PGresult* result) {
    const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!alive()) return Err("{}: the connection to the database was lost", name_);
    return Err("{}: {}", name_, tidy(primary != nullptr ? primary : PQerrorMessage(handle_.get())));
  }

  Result<std::string> prepared(std::string_view sql) {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second;
    const std::string statement = "s" + std::to_string(statements_.size());
    const ResultPtr result(PQprepare(handle_.get(), statement.c_str(), std::string(sql).c_str(), 0, nullptr), PQclear);
    if (!good(result.get())) return failure(result.get());
    statements_.emplace(sql, statement);
    return statement;
  }

  static Rows rows_of(const PGresult* result) {
    Rows rows;
    for (int r = 0; r < PQntuples(result); ++r) {
      Values values;
      for (int c = 0; c < PQnfields(result); ++c) {
        if (PQgetisnull(result, r, c)) {
          values.emplace_back();
        } else {
          values.push_back(value_of(PQftype(result, c), std::string(PQgetvalue(result, r, c),
                                                                    static_cast<size_t>(PQgetlength(result, r, c)))));
        }
      }
      rows.rows.emplace_back(std::move(values));
    }
    rows.changed = std::strtoll(PQcmdTuples(const_cast<PGresult*>(result)), nullptr, 10);
    return rows;
  }

  std::unique_ptr<PGconn, decltype(&PQfinish)> handle_;
  std::string name_;
  std::map<std::string_view, std::string> statements_;
};

Error malformed() {
  return Err(
      "the database's address is not well formed; expected postgres://user:password@host:port/name, with characters "
      "like "
      "@ : / ? # of a password written as %40 %3A %2F %3F %23");
}

}  // namespace

bool is_postgres_address(std::string_view address) {
  return address.starts_with("postgres://") || address.starts_with("postgresql://");
}

Result<std::string> postgres_name(const std::string& address) {
  // With '@', '/' or '?' inside a password libpq would take a part of it for the host or the port, and say so in
  // errors.
  const std::string rest = address.substr(address.find("://") + 3);
  const size_t at = rest.find('@');
  if (at != std::string::npos && (rest.find('@', at + 1) != std::string::npos || rest.find_first_of("/?#") < at)) {
    return malformed();
  }
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(address.c_str(), &message),
                                                                             PQconninfoFree);
  PQfreemem(message);
  if (!options) return malformed();
  std::map<std::string, std::string> given;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) given[option->keyword] = option->val;
  }
  if (given["port"].find_first_not_of("0123456789,") != std::string::npos) return malformed();
  std::string name = "postgres://";
  if (!given["user"].empty()) name += given["user"] + "@";
  name += given["host"].empty() ? given["hostaddr"] : given["host"];
  if (!given["port"].empty()) name += ":" + given["port"];
  return name + "/" + given["dbname"];
}

Result<std::unique_ptr<Connection>> connect_postgres(const std::string& address, const std::string& name) {
  // What stands before the address may be set otherwise in it; what stands after may not.
  const std::array keywords = {"connect_timeout",
                               "keepalives_idle",
                               "tcp_user_timeout",
                               "dbname",
                               "client_encoding",
                               "fallback_application_name",
                               static_cast<const char*>(nullptr)};
  const std::array values = {"5", "15", "15000", address.c_str(), "UTF8", "loquat", static_cast<const char*>(nullptr)};
  PGconn* handle = PQconnectdbParams(keywords.data(), values.data(), 1);
  auto connection = std::make_unique<PostgresConnection>(handle, name);
  if (PQstatus(handle) != CONNECTION_OK) {
    return Err("{}: cannot reach the database: {}", name, tidy(PQerrorMessage(handle)));
  }
  PQsetNoticeProcessor(
      handle, [](void*, const char*) {}, nullptr);
  TRY_STATUS(connection->run("SET statement_timeout = 15000", {}));
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace loquat::database
