#include "app/app.h"

#include "app/local_door.h"

namespace loquat::app {

Result<std::unique_ptr<App>> App::start(const AppOptions& options) {
  std::unique_ptr<App> app(new App);
  TRY(app->database_, database::Database::open(options.database));
  app->router_ = std::make_unique<Router>(std::make_shared<LocalDoor>());
  return app;
}

}  // namespace loquat::app
