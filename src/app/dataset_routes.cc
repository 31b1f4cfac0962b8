// Data sets made of what people said and ranked.
#include "app/studio_routes.h"

namespace loquat::app {
namespace {

using nlohmann::json;

class DatasetRoutes {
 public:
  explicit DatasetRoutes(std::shared_ptr<StudioDesk> desk) : desk_(std::move(desk)) {}

  Answer list(Call&) {
    auto datasets = desk_->datasets.list();
    if (!datasets.ok()) return broken(datasets.error());
    return json{{"datasets", *std::move(datasets)}};
  }

  Answer get(Call& call) {
    auto dataset = desk_->datasets.get(call.at("hash"));
    if (!dataset.ok()) return refused(dataset.refused());
    return *std::move(dataset);
  }

  // Reading and hashing all rows takes a while where there are many.
  Answer make(Call& call) {
    feedback::RowsWanted wanted;
    const json projects = call.body.value("projects", json::array()), name = call.body.value("name", json());
    if (!name.is_string()) return bad_value("name", "name: expected text");
    if (!projects.is_array()) return bad_value("projects", "projects: expected a list of projects' ids");
    for (const json& id : projects) {
      if (!id.is_string()) return bad_value("projects", "projects: expected a list of projects' ids");
      const auto project = desk_->projects.get(id.get<std::string>());
      if (!project.ok()) return bad_value("projects", "projects: " + project.refused().message);
      wanted.projects.push_back(project->id);
    }
    const json from_chats = call.body.value("feedback", json(false));
    if (!from_chats.is_boolean()) return bad_value("feedback", "feedback: expected true or false");
    wanted.feedback = from_chats.get<bool>();
    const json most = call.body.value("most_per_person", json());
    if (!most.is_null() && (!most.is_number_integer() || most < 0 || most > 1'000'000))
      return bad_value("most_per_person", "most_per_person: expected a whole number; 0 is no limit");
    if (!most.is_null()) wanted.most_per_person = most.get<int64_t>();
    const json edited = call.body.value("edited_only", json(false));
    if (!edited.is_boolean()) return bad_value("edited_only", "edited_only: expected true or false");
    wanted.edited_only = edited.get<bool>();
    const bool taken = desk_->writer.later(
        [this, wanted, name = name.get<std::string>(), person = call.person.id, reply = call.reply] {
          auto made = desk_->datasets.make(name, wanted);
          if (made.ok() && desk_->parts.audit)
            desk_->parts.audit(person, "make_dataset", (*made)["hash"], {{"rows", (*made)["rows"]}});
          if (reply->gone()) return;
          reply->send(made.ok() ? json_response(*made) : serve::error_response(refused(made.refused())));
        });
    if (!taken) return broken("too much is waiting");
    return AnsweredLater{};
  }

 private:
  const std::shared_ptr<StudioDesk> desk_;
};

}  // namespace

void add_dataset_routes(Router& router, const std::shared_ptr<StudioDesk>& desk) {
  const auto routes = std::make_shared<DatasetRoutes>(desk);
  const auto add = [&](const char* method, const char* path, Answer (DatasetRoutes::*handle)(Call&)) {
    router.add({method, path, Rule::roles(people::kReviewer),
                [routes, handle](Call& call) { return ((*routes).*handle)(call); }});
  };
  add("GET", "/api/app/datasets", &DatasetRoutes::list);
  add("POST", "/api/app/datasets", &DatasetRoutes::make);
  add("GET", "/api/app/datasets/{hash}", &DatasetRoutes::get);
}

}  // namespace loquat::app
