#include "app/app.h"

#include "app/chat_routes.h"
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

Status App::start_chats(std::shared_ptr<serve::api::Api> api, std::shared_ptr<serve::Backend> models,
                        bool join_caches) {
  TRY(chats_, ChatDesk::open(database_, std::move(api), std::move(models), join_caches));
  add_model_routes(*router_, chats_);
  add_chat_routes(*router_, chats_);
  add_transfer_routes(*router_, chats_);
  people_->erasers.add([chats = chats_](const std::string& person) -> Result<Erased> {
    Erased erased;
    TRY(erased.conversations, chats->erase_person(person));
    return erased;
  });
  return {};
}

void App::stop(std::chrono::milliseconds grace) {
  if (chats_) chats_->stop(grace);
}

Result<bool> App::has_people() {
  return people_->accounts.has_any();
}

}  // namespace loquat::app
