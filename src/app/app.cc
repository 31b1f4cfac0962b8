#include "app/app.h"

#include <unistd.h>

#include <filesystem>

#include "app/chat_routes.h"
#include "app/chat_turns.h"
#include "app/local_door.h"
#include "app/people_desk.h"
#include "app/people_routes.h"
#include "app/review_routes.h"
#include "app/run_routes.h"
#include "app/session_door.h"
#include "app/studio_routes.h"
#include "app/training_routes.h"
#include "base/log.h"
#include "feedback/erase.h"

namespace loquat::app {
namespace {

// A folder of this machine's, as servers that share a database tell it from others'.
std::string place_of(const std::string& folder) {
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  std::error_code error;
  return std::string(host) + ":" + std::filesystem::absolute(folder, error).string();
}

}  // namespace

Result<std::unique_ptr<App>> App::start(const AppOptions& options) {
  std::unique_ptr<App> app(new App);
  app->options_ = options;
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
  add_run_routes(*router_, std::make_shared<RunFiles>(options_.run_folder), api, join_caches);
  TRY(chats_, ChatDesk::open(database_, std::move(api), std::move(models), join_caches, secret_of(database_)));
  add_model_routes(*router_, chats_);
  add_chat_routes(*router_, chats_);
  add_transfer_routes(*router_, chats_);
  people_->erasers.add([chats = chats_](const std::string& person) -> Result<Erased> {
    Erased erased;
    TRY(erased.conversations, chats->erase_person(person));
    return erased;
  });
  return start_studio();
}

// The studio is told of what happens to people and conversations by pointers: it ends before them.
Status App::start_studio() {
  StudioParts parts;
  parts.database = database_;
  parts.datasets_folder = options_.datasets;
  parts.clock = options_.clock;
  parts.turns = make_chat_turns(chats_);
  parts.talk = std::shared_ptr<Talk>(chats_, chats_->models.get());
  parts.default_model = [models = chats_->models.get()] { return models->default_model(); };
  parts.model_hash = [models = chats_->models.get()](const std::string& id) { return models->hash_of(id); };
  parts.consent = [people = people_.get()](const std::string& person) {
    const auto settings = people->settings.get(person);
    return settings.ok() ? feedback::Consent{settings->may_review, settings->may_train} : feedback::Consent{};
  };
  parts.name_of = [people = people_.get()](const std::string& person) {
    const auto account = people->accounts.by_id(person);
    return account.ok() && *account ? (*account)->person.name : std::string();
  };
  parts.audit = [people = people_.get()](const std::string& person, const std::string& action,
                                         const std::string& object, const nlohmann::json& detail) {
    people->audit.add(person, action, object, detail);
  };
  TRY(studio_, StudioDesk::open(std::move(parts)));
  StudioDesk* studio = studio_.get();
  people_->settings_changed = [studio](const std::string& person, const people::Settings& settings) {
    return studio->messages.withdraw(person, !settings.may_review, !settings.may_train);
  };
  chats_->removed = [studio](const std::string& person, const std::string& conversation) {
    return studio->messages.forget_conversation(person, conversation);
  };
  chats_->feedback = [studio](const std::string& person, const std::string& conversation) {
    return studio->messages.of_conversation(person, conversation);
  };
  people_->erasers.add([database = database_](const std::string& person) -> Result<Erased> {
    TRY(const feedback::Erased gone, feedback::erase_person(*database, person));
    Erased erased;
    erased.labels = gone.labels;
    for (const auto& dataset : gone.datasets) erased.datasets.emplace_back(dataset.hash, dataset.name);
    erased.models = gone.models;
    return erased;
  });
  add_studio_routes(*router_, studio_);
  add_review_routes(*router_, {std::make_shared<Reviews>(database_), chats_, studio_, *people_, options_.accounts});
  start_training();
  return {};
}

void App::start_training() {
  jobs::Jobs::Options options;
  options.program = options_.program;
  options.folder = options_.run_folder + "/jobs";
  options.server = place_of(options_.run_folder);
  options.on_change = [streams = chats_->streams.get(), studio = studio_.get()](const jobs::Job& job) {
    streams->send_to_person(job.plan.person, "job", {{"job", jobs::to_json(job)}});
    if (job.state != "done") return;
    const Status recorded = studio->datasets.record_model(job.plan.dataset, job.plan.model);
    if (!recorded.ok()) log_warning("data set {}: {}", job.plan.dataset, recorded.error());
  };
  auto started = jobs::Jobs::start(database_, options);
  if (started.ok())
    jobs_ = *std::move(started);
  else
    log_warning("no training from the page: {}", started.error());
  add_training_routes(*router_, {jobs_, options_.run_folder, studio_});
}

void App::stop(std::chrono::milliseconds grace) {
  if (jobs_) jobs_->end();
  if (chats_) chats_->stop(grace);
}

Result<bool> App::has_people() {
  return people_->accounts.has_any();
}

}  // namespace loquat::app
