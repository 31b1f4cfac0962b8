// Who is signed in: a session is a random token that the browser keeps in a cookie, kept here as a hash. Every request
// reads it, and the person's roles, from the database anew, so that whatever is taken away is gone with the next one.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "database/database.h"
#include "people/clock.h"
#include "people/person.h"

namespace loquat::people {

class Sessions {
 public:
  static constexpr int64_t kIdle = 7 * kDay, kLongest = 30 * kDay;

  Sessions(std::shared_ptr<database::Database> database, Clock clock)
      : database_(std::move(database)), clock_(std::move(clock)) {}

  // The new session's token. The person's sessions that are over are removed.
  Result<std::string> start(const std::string& person);
  // Nobody (id "") where there is no such session, it is over, or the person is disabled.
  Result<Person> find(const std::string& token);
  // The same without counting as the session's use.
  Result<Person> look(const std::string& token) const;
  Status end(const std::string& token);
  Status end_all(const std::string& person, const std::string& but_token = "");

 private:
  struct Found {
    Person person;
    int64_t seen = 0;
  };
  Result<Found> read(const std::string& hash) const;

  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
};

// What writes of a session must bring (x-loquat-csrf): nothing of another site's page can know it.
std::string csrf_token(const std::string& session_token);

}  // namespace loquat::people
