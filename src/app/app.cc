#include "app/app.h"

#include "app/local_door.h"
#include "app/people_desk.h"
#include "app/people_routes.h"
#include "app/session_door.h"

namespace loquat::app {

Result<std::unique_ptr<App>> App::start(const AppOptions& options) {
  std::unique_ptr<App> app(new App);
  TRY(app->database_, database::Database::open(options.database));
  TRY(app->people_, PeopleDesk::open(app->database_, options));
  std::shared_ptr<Door> door = std::make_shared<LocalDoor>();
  if (options.accounts) door = std::make_shared<SessionDoor>(app->people_->sessions);
  app->router_ = std::make_unique<Router>(door);
  add_people_routes(*app->router_, *app->people_, options.accounts);
  return app;
}

Result<bool> App::has_people() {
  return people_->accounts.has_any();
}

}  // namespace loquat::app
