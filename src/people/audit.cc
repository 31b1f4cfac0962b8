#include "people/audit.h"

#include <atomic>

#include "base/log.h"
#include "people/secrets.h"

namespace loquat::people {

void Audit::add(const std::string& person, const std::string& action, const std::string& object,
                const nlohmann::json& detail) {
  const Status written = record({{person, action, object, detail, ""}});
  if (!written.ok()) log_error("audit: {} of {} by {} was not written: {}", action, object, person, written.error());
}

Status Audit::record(const std::vector<AuditNote>& notes) {
  // Ids grow with the time and, within a server, with the order.
  static std::atomic<uint64_t> number{0};
  const int64_t now = clock_();
  return database_->transaction([&](database::Session& session) -> Status {
    for (const AuditNote& note : notes) {
      const std::string id = fmt::format("{:012d}-{:09d}-{}", now, number++ % 1'000'000'000, random_id().substr(0, 8));
      TRY_STATUS(session.run(
          "INSERT INTO people_audit (id, time, person, action, object, detail, about) VALUES ($1, $2, $3, $4, $5, $6, "
          "$7)",
          {id, now, note.person, note.action, note.object,
           note.detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), note.about}));
    }
    return {};
  });
}

Result<std::vector<AuditEntry>> Audit::list(const Wanted& wanted) {
  TRY(const auto rows,
      database_->run("SELECT a.id, a.time, a.person, COALESCE(p.name, ''), a.action, a.object, a.detail,"
                     " a.about"
                     " FROM people_audit a LEFT JOIN people p ON p.id = a.person"
                     " WHERE ($1 = '' OR a.id < $1) AND ($2 = '' OR a.action = $2) AND ($3 = '' OR a.person = $3)"
                     " AND ($4 = '' OR a.about = $4) ORDER BY a.id DESC LIMIT $5",
                     {wanted.before, wanted.action, wanted.person, wanted.about, wanted.limit}));
  std::vector<AuditEntry> entries;
  for (const auto& row : rows.rows) {
    AuditEntry entry{row.text(0), row.integer(1), row.text(2), row.text(3), row.text(4), row.text(5), {}, row.text(7)};
    entry.detail = nlohmann::json::parse(row.text(6), nullptr, false);
    if (!entry.detail.is_object()) entry.detail = nlohmann::json::object();
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace loquat::people
