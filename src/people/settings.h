// What each person has chosen. Local mode's one person has settings too, under the id "local".
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "database/database.h"

namespace loquat::people {

struct Settings {
  std::string language;  // "": as the browser says
  std::string theme;     // "light", "dark", "": as the system says
  // Whether others may read the person's chats, and whether models may learn from them: false until they were `asked`.
  bool may_review = false, may_train = false, asked = false;
};

class SettingsStore {
 public:
  explicit SettingsStore(std::shared_ptr<database::Database> database) : database_(std::move(database)) {}
  Result<Settings> get(const std::string& person);  // the defaults where there are none
  Status set(const std::string& person, const Settings& settings);

 private:
  const std::shared_ptr<database::Database> database_;
};

}  // namespace loquat::people
