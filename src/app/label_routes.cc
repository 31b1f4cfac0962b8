// What reviewers see of labels: lists, corrections, agreement, disagreements, screening.
#include "app/studio_routes.h"
#include "base/json_depth.h"
#include "feedback/judgments.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using people::kReviewer;

constexpr int64_t kMostDisagreements = 200;

class LabelRoutes {
 public:
  explicit LabelRoutes(std::shared_ptr<StudioDesk> desk) : desk_(std::move(desk)) {}

  Answer list(Call& call) {
    const auto project = desk_->projects.get(call.at("id"));
    if (!project.ok()) return refused(project.refused());
    const auto asked = [&](const char* name) {
      const auto it = call.request.query.find(name);
      return it == call.request.query.end() ? std::string() : it->second;
    };
    auto labels = desk_->labels.list(project->id, asked("person"), asked("item"));
    if (!labels.ok()) return refused(labels.refused());
    name_people(*labels);
    return json{{"labels", *std::move(labels)}};
  }

  Answer get(Call& call) {
    auto label = desk_->labels.get(call.at("id"));
    if (!label.ok()) return refused(label.refused());
    return named(*std::move(label));
  }

  Answer correct(Call& call) {
    if (json_nests_deeper(call.request.body)) return bad_value("", "The body is nested too deep.");
    const bool reviewer = call.person.has(kReviewer);
    const json why = call.body.value("why", json(""));
    if (!why.is_string()) return bad_value("why", "why: expected text");
    auto label = desk_->labels.correct(call.at("id"), call.person.id, reviewer, call.body.value("label", json()),
                                       why.get<std::string>());
    if (!label.ok()) return refused(label.refused());
    if (reviewer && desk_->parts.audit)
      desk_->parts.audit(call.person.id, "correct_label", call.at("id"), json::object());
    // To its labeler it does not tell what it was measured by.
    if (!reviewer) {
      for (const char* key : {"gold", "gold_score", "verdict", "adjudicated", "edited"}) label->erase(key);
    }
    return named(*std::move(label));
  }

  Answer gold_questions(Call& call) {
    const auto project = desk_->projects.get(call.at("id"));
    if (!project.ok()) return refused(project.refused());
    auto questions = desk_->gold.list(project->id);
    if (!questions.ok()) return refused(questions.refused());
    for (json& question : *questions) name_people(question["labels"]);
    return json{{"questions", *std::move(questions)}};
  }

  Answer change_gold(Call& call) {
    const auto changed = desk_->gold.change(call.at("id"), call.body);
    if (!changed.ok()) return refused(changed.refused());
    if (desk_->parts.audit)
      desk_->parts.audit(call.person.id, "change_gold", call.at("id"),
                         {{"before", changed->before}, {"rescored", changed->rescored}});
    return json{{"rescored", changed->rescored}};
  }

  Answer agreement(Call& call) { return report(call, feedback::agreement_report, "by_labeler"); }
  Answer screening(Call& call) { return report(call, feedback::screening_report, "people"); }

  Answer disagreements(Call& call) {
    const auto project = desk_->projects.get(call.at("id"));
    if (!project.ok()) return refused(project.refused());
    auto found = desk_->labels.disagreements(project->id, kMostDisagreements);
    if (!found.ok()) return refused(found.refused());
    for (json& item : (*found)["items"]) name_people(item["labels"]);
    return *std::move(found);
  }

  Answer adjudicate(Call& call) {
    if (json_nests_deeper(call.request.body)) return bad_value("", "The body is nested too deep.");
    const auto done = desk_->labels.adjudicate(call.at("id"), call.person.id, call.body);
    if (!done.ok()) return refused(done.refused());
    if (desk_->parts.audit) desk_->parts.audit(call.person.id, "adjudicate", call.at("id"), json::object());
    return no_content();
  }

 private:
  json named(json label) const {
    label["name"] = name_of(label["person"].get<std::string>());
    for (json& correction : label["history"]) correction["name"] = name_of(correction["person"].get<std::string>());
    return label;
  }
  void name_people(json& list) const {
    std::map<std::string, std::string> known;
    for (json& one : list) {
      const auto person = one["person"].get<std::string>();
      const auto [it, added] = known.emplace(person, "");
      if (added) it->second = name_of(person);
      one["name"] = it->second;
    }
  }
  std::string name_of(const std::string& person) const {
    return desk_->parts.name_of ? desk_->parts.name_of(person) : std::string();
  }

  Answer report(const Call& call, json (*of)(const feedback::Judged&), const char* people) {
    const auto project = desk_->projects.get(call.at("id"));
    if (!project.ok()) return refused(project.refused());
    const auto judged = feedback::read_judgments(*desk_->parts.database, project->id);
    if (!judged.ok()) return broken(judged.error());
    json out = of(*judged);
    name_people(out[people]);
    return out;
  }

  const std::shared_ptr<StudioDesk> desk_;
};

}  // namespace

void add_label_routes(Router& router, const std::shared_ptr<StudioDesk>& desk) {
  const auto routes = std::make_shared<LabelRoutes>(desk);
  const auto add = [&](const char* method, const char* path, Rule rule, Answer (LabelRoutes::*handle)(Call&)) {
    router.add({method, path, rule, [routes, handle](Call& call) { return ((*routes).*handle)(call); }});
  };
  const Rule reviewers = Rule::roles(kReviewer);
  add("GET", "/api/app/projects/{id}/labels", reviewers, &LabelRoutes::list);
  add("GET", "/api/app/labels/{id}", reviewers, &LabelRoutes::get);
  add("PATCH", "/api/app/labels/{id}", Rule::own(), &LabelRoutes::correct);
  add("GET", "/api/app/projects/{id}/gold", reviewers, &LabelRoutes::gold_questions);
  add("PATCH", "/api/app/items/{id}/gold", reviewers, &LabelRoutes::change_gold);
  add("GET", "/api/app/projects/{id}/agreement", reviewers, &LabelRoutes::agreement);
  add("GET", "/api/app/projects/{id}/disagreements", reviewers, &LabelRoutes::disagreements);
  add("POST", "/api/app/items/{id}/adjudicate", reviewers, &LabelRoutes::adjudicate);
  add("GET", "/api/app/projects/{id}/screening", reviewers, &LabelRoutes::screening);
}

}  // namespace loquat::app
