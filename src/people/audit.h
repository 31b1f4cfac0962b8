// The audit log: who did what to what, and when. It holds ids and figures, never what people wrote, and stays when a
// person is erased (their id then says nothing more).
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "database/database.h"
#include "people/clock.h"

namespace loquat::people {

struct AuditEntry {
  std::string id;  // later entries have greater ones
  int64_t time = 0;
  std::string person, name, action, object;  // name: as the person is called now, "" where they are gone
  nlohmann::json detail;
  std::string about;  // whose chats were read; "" of all else
};

// What is to be written.
struct AuditNote {
  std::string person, action, object;
  nlohmann::json detail = nlohmann::json::object();
  std::string about;
};

class Audit {
 public:
  Audit(std::shared_ptr<database::Database> database, Clock clock)
      : database_(std::move(database)), clock_(std::move(clock)) {}

  // `person`: an id, "" where nobody is known. `action`: "read_conversation"; `object`: an id. `detail`: a small object
  // without texts. A log that cannot be written is said on stderr, and nothing else stops for it.
  void add(const std::string& person, const std::string& action, const std::string& object,
           const nlohmann::json& detail = nlohmann::json::object());

  // For what may not happen unseen: all of them, or an error, and then it must not happen.
  Status record(const std::vector<AuditNote>& notes);

  struct Wanted {
    std::string before;          // an entry's id: those before it
    std::string action, person;  // "": all
    int64_t limit = 100;
    std::string about;  // "": all
  };
  Result<std::vector<AuditEntry>> list(const Wanted& wanted);  // the latest first

 private:
  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
};

}  // namespace loquat::people
