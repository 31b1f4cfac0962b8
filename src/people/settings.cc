#include "people/settings.h"

namespace loquat::people {

Result<Settings> SettingsStore::get(const std::string& person) {
  TRY(const auto rows,
      database_->run("SELECT language, theme, may_review, may_train, asked FROM people_settings WHERE person = $1",
                     {person}));
  Settings settings;
  if (rows.rows.empty()) return settings;
  const auto& row = rows.rows[0];
  settings.language = row.text(0);
  settings.theme = row.text(1);
  settings.asked = row.integer(4) != 0;
  settings.may_review = settings.asked && row.integer(2) != 0;
  settings.may_train = settings.asked && row.integer(3) != 0;
  return settings;
}

Status SettingsStore::set(const std::string& person, const Settings& settings) {
  TRY_STATUS(
      database_->run("INSERT INTO people_settings (person, language, theme, may_review, may_train, asked) VALUES ($1, "
                     "$2, $3, $4, $5, $6)"
                     " ON CONFLICT (person) DO UPDATE SET language = excluded.language, theme = excluded.theme,"
                     " may_review = excluded.may_review, may_train = excluded.may_train, asked = excluded.asked",
                     {person, settings.language, settings.theme, int64_t{settings.may_review},
                      int64_t{settings.may_train}, int64_t{settings.asked}}));
  return {};
}

}  // namespace loquat::people
