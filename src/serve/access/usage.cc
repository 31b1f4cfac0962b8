#include "serve/access/usage.h"

#include "serve/access/clock.h"

namespace loquat::serve {

KeyUsage& KeyUsage::operator+=(const KeyUsage& other) {
  requests += other.requests;
  prompt_tokens += other.prompt_tokens;
  completion_tokens += other.completion_tokens;
  return *this;
}

Status write_usage(database::Database& database, const std::string& writer, int64_t number, const UsageBatch& batch,
                   int64_t today) {
  return database.transaction([&](database::Session& session) -> Status {
    if (number == 1) {
      // Those of servers that were killed.
      TRY_STATUS(session.run("DELETE FROM api_usage_writers WHERE day < $1", {today - 30}));
    }
    TRY(const auto marked,
        session.run(
            "INSERT INTO api_usage_writers (writer, batch, day) VALUES ($1, $2, $3) ON CONFLICT (writer)"
            " DO UPDATE SET batch = excluded.batch, day = excluded.day WHERE api_usage_writers.batch < excluded.batch",
            {writer, number, today}));
    if (marked.changed == 0) return {};
    for (const auto& [where, usage] : batch) {
      TRY_STATUS(
          session.run("INSERT INTO api_usage (key_id, day, requests, prompt_tokens, completion_tokens)"
                      " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key_id, day) DO UPDATE SET"
                      " requests = api_usage.requests + excluded.requests,"
                      " prompt_tokens = api_usage.prompt_tokens + excluded.prompt_tokens,"
                      " completion_tokens = api_usage.completion_tokens + excluded.completion_tokens",
                      {where.first, where.second, usage.requests, usage.prompt_tokens, usage.completion_tokens}));
    }
    return {};
  });
}

Status forget_writer(database::Database& database, const std::string& writer) {
  TRY_STATUS(database.run("DELETE FROM api_usage_writers WHERE writer = $1", {writer}));
  return {};
}

Result<std::vector<UsageRow>> read_usage(database::Database& database, int64_t first_day) {
  TRY(const auto rows,
      database.run("SELECT u.key_id, k.name, u.day, u.requests, u.prompt_tokens, u.completion_tokens FROM api_usage u"
                   " LEFT JOIN api_keys k ON k.id = u.key_id WHERE u.day >= $1 ORDER BY u.day, u.key_id",
                   {first_day}));
  std::vector<UsageRow> out;
  for (const auto& row : rows.rows) {
    out.push_back({row.text(0), row.text(1), row.integer(2), {row.integer(3), row.integer(4), row.integer(5)}});
  }
  return out;
}

Result<std::map<std::string, QuotaUse>> read_quota_use(database::Database& database, int64_t today) {
  TRY(const auto rows,
      database.run("SELECT u.key_id, SUM(CASE WHEN u.day = $1 THEN u.prompt_tokens + u.completion_tokens ELSE 0 END),"
                   " SUM(u.prompt_tokens + u.completion_tokens) FROM api_usage u JOIN api_keys k ON k.id = u.key_id"
                   " WHERE u.day >= $2 AND u.day <= $1 AND (k.tokens_per_day > 0 OR k.tokens_per_month > 0)"
                   " GROUP BY u.key_id",
                   {today, month_start(today)}));
  std::map<std::string, QuotaUse> out;
  for (const auto& row : rows.rows) out[row.text(0)] = {row.integer(1), row.integer(2)};
  return out;
}

}  // namespace loquat::serve
