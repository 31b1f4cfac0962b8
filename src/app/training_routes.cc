#include "app/training_routes.h"

#include "app/training_plan.h"

namespace loquat::app {
namespace {

using nlohmann::json;

class TrainingRoutes {
 public:
  explicit TrainingRoutes(const TrainingDesk& desk) : desk_(desk) {}

  Answer train(Call& call) {
    if (!desk_.jobs) return conflict("read_only", "Nothing can be written into the run's folder.");
    const auto dataset = desk_.studio->datasets.get(call.at("hash"));
    if (!dataset.ok()) return refused(dataset.refused());
    TrainingWanted wanted;
    for (const auto& [key, value] : {std::pair{"base", &wanted.base}, std::pair{"name", &wanted.name}}) {
      const json given = call.body.value(key, json());
      if (!given.is_string()) return bad_value(key, fmt::format("{}: expected text", key));
      *value = given.get<std::string>();
    }
    const json steps = call.body.value("steps", json());
    if (!steps.is_array()) return bad_value("steps", "steps: expected a list of steps");
    for (const json& step : steps) {
      if (!step.is_string()) return bad_value("steps", "steps: expected a list of steps");
      wanted.steps.push_back(step.get<std::string>());
    }
    wanted.dataset = call.at("hash");
    wanted.dataset_folder = desk_.studio->datasets.folder(wanted.dataset);
    wanted.run_folder = desk_.run_folder;
    wanted.person = call.person.id;
    auto plan = training_plan(wanted);
    if (auto* error = std::get_if<serve::ApiError>(&plan)) return std::move(*error);
    const auto job = desk_.jobs->add(std::get<jobs::Plan>(std::move(plan)));
    if (!job.ok()) return broken(job.error());
    if (desk_.studio->parts.audit)
      desk_.studio->parts.audit(call.person.id, "train", wanted.dataset,
                                {{"model", wanted.name}, {"base", wanted.base}, {"steps", wanted.steps}});
    return jobs::to_json(*job);
  }

  Answer list(Call&) {
    json all = json::array();
    if (!desk_.jobs) return json{{"jobs", all}};
    const auto jobs = desk_.jobs->list();
    if (!jobs.ok()) return broken(jobs.error());
    for (const jobs::Job& job : *jobs) all.push_back(jobs::to_json(job));
    return json{{"jobs", all}};
  }

  Answer get(Call& call) {
    const auto job = desk_.jobs ? desk_.jobs->find(call.at("id")) : std::optional<jobs::Job>();
    if (!job.ok()) return broken(job.error());
    if (!*job) return not_there("There is no such job.");
    return jobs::to_json(**job);
  }

  Answer stop(Call& call) {
    Answer found = get(call);
    if (!std::holds_alternative<json>(found)) return found;
    const auto stopped = desk_.jobs->stop(call.at("id"));
    if (!stopped.ok()) return broken(stopped.error());
    if (!*stopped) return conflict("ended", "The job has ended already.");
    return no_content();
  }

 private:
  const TrainingDesk desk_;
};

}  // namespace

void add_training_routes(Router& router, const TrainingDesk& desk) {
  const auto routes = std::make_shared<TrainingRoutes>(desk);
  const auto add = [&](const char* method, const char* path, Rule rule, Answer (TrainingRoutes::*handle)(Call&)) {
    router.add({method, path, rule, [routes, handle](Call& call) { return ((*routes).*handle)(call); }});
  };
  add("POST", "/api/app/datasets/{hash}/train", Rule::roles(people::kAdmin), &TrainingRoutes::train);
  add("GET", "/api/app/jobs", Rule::roles(people::kReviewer), &TrainingRoutes::list);
  add("GET", "/api/app/jobs/{id}", Rule::roles(people::kReviewer), &TrainingRoutes::get);
  add("POST", "/api/app/jobs/{id}/stop", Rule::roles(people::kAdmin), &TrainingRoutes::stop);
}

}  // namespace loquat::app
