// All that the routes of people share: accounts, sessions, settings, the audit log and what slows down those who guess.
#pragma once

#include <functional>
#include <memory>

#include "app/app.h"
#include "app/erasers.h"
#include "base/background.h"
#include "people/accounts.h"
#include "people/audit.h"
#include "people/invitations.h"
#include "people/oidc.h"
#include "people/passwords.h"
#include "people/pseudonyms.h"
#include "people/sessions.h"
#include "people/settings.h"
#include "people/throttle.h"

namespace loquat::app {

struct PeopleDesk {
  // Makes the tables where there are none.
  static Result<std::shared_ptr<PeopleDesk>> open(std::shared_ptr<database::Database> database,
                                                  const AppOptions& options);

  PeopleDesk(std::shared_ptr<database::Database> database, const AppOptions& options)
      : clock(options.clock),
        accounts(database, clock),
        invitations(database, clock),
        sessions(std::make_shared<people::Sessions>(database, clock)),
        settings(database),
        pseudonyms(database),
        audit(database, clock) {}

  const people::Clock clock;
  people::Accounts accounts;
  people::Invitations invitations;
  const std::shared_ptr<people::Sessions> sessions;
  people::SettingsStore settings;
  people::Pseudonyms pseudonyms;
  people::Audit audit;
  Erasers erasers;
  // Told before an answer says that it is so; null: nobody keeps anything that hangs on settings.
  std::function<Status(const std::string& person, const people::Settings& settings)> settings_changed;
  people::Throttle peers{20, 3};        // of a peer: wrong passwords and invitations
  people::Throttle sign_ins{30, 2};     // of a peer: sign-ins by OpenID Connect begun
  people::Throttle by_account{10, 30};  // of an e-mail address: wrong passwords
  std::unique_ptr<people::Oidc> oidc;   // null: none
  // Last: their threads use the others.
  std::unique_ptr<people::Passwords> passwords;  // null in local mode
  std::unique_ptr<Background> background;        // for what asks the OpenID provider; null: none
};

}  // namespace loquat::app
