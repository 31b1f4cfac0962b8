// Projects of the studio, and the prompts that come into them.
#include "app/studio_routes.h"
#include "feedback/training_rows.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using people::kLabeler, people::kRedTeamer, people::kReviewer;

class ProjectRoutes {
 public:
  explicit ProjectRoutes(std::shared_ptr<StudioDesk> desk) : desk_(std::move(desk)) {}

  Answer list(Call& call) {
    const auto projects = desk_->projects.list();
    if (!projects.ok()) return broken(projects.error());
    json out = json::array();
    for (const feedback::Project& project : *projects) {
      if (!may_see(call, project)) continue;
      auto described = desk_->projects.described(project);
      if (!described.ok()) return refused(described.refused());
      out.push_back(shown(call, *std::move(described)));
    }
    return json{{"projects", std::move(out)}};
  }

  Answer get(Call& call) {
    const auto project = desk_->projects.get(call.at("id"));
    if (!project.ok()) return refused(project.refused());
    if (!may_see(call, *project)) return not_there("There is no such project.");
    return described(call, *project);
  }

  Answer create(Call& call) {
    const auto project = desk_->projects.create(call.body);
    if (!project.ok()) return refused(project.refused());
    audit(call, "make_project", project->id, {{"kind", project->kind}});
    return described(call, *project);
  }

  Answer change(Call& call) {
    const auto project = desk_->projects.change(call.at("id"), call.body);
    if (!project.ok()) return refused(project.refused());
    audit(call, "change_project", project->id, json::object());
    return described(call, *project);
  }

  Answer add_prompts(Call& call) {
    const auto imported = desk_->projects.add_prompts(call.at("id"), call.body);
    if (!imported.ok()) return refused(imported.refused());
    json skipped = json::array();
    for (const auto& one : imported->skipped) skipped.push_back({{"line", one.line}, {"why", one.why}});
    audit(call, "add_prompts", call.at("id"), {{"added", imported->added}});
    return json{{"added", imported->added}, {"duplicates", imported->duplicates}, {"skipped", std::move(skipped)}};
  }

  Answer export_rows(Call& call) {
    const auto named = call.request.query.find("shape");
    const auto shape = feedback::row_shape(named == call.request.query.end() ? "" : named->second);
    if (!shape) return bad_value("shape", "shape: expected rankings, pairs, messages, kto or prompts");
    const auto project = desk_->projects.get(call.at("id"));
    if (!project.ok()) return refused(project.refused());
    const auto rows = feedback::contributions(*desk_->parts.database, {{project->id}, false, 0});
    if (!rows.ok()) return broken(rows.error());
    std::string body;
    for (const std::string& line : feedback::lines(*rows, *shape)) body += line + "\n";
    audit(call, "export_labels", project->id, {{"shape", named->second}, {"labels", rows->size()}});
    return http::Response{200,
                          {{"Content-Type", "application/jsonl"},
                           {"Cache-Control", "no-store"},
                           {"Content-Disposition", "attachment; filename=\"" + named->second + ".jsonl\""}},
                          std::move(body)};
  }

 private:
  static bool may_see(const Call& call, const feedback::Project& project) {
    return call.person.has(kReviewer | roles_for(project.kind));
  }
  // Whoever works on it is not told which models answer, nor how many questions are there to test them.
  static json shown(const Call& call, json project) {
    if (call.person.has(kReviewer)) return project;
    project["models"] = json::array();
    project["sampling"] = json::object();
    project["gold_share"] = 0;
    return project;
  }
  Answer described(const Call& call, const feedback::Project& project) const {
    auto described = desk_->projects.described(project);
    if (!described.ok()) return refused(described.refused());
    return shown(call, *std::move(described));
  }
  void audit(const Call& call, const std::string& action, const std::string& object, const json& detail) const {
    if (desk_->parts.audit) desk_->parts.audit(call.person.id, action, object, detail);
  }

  const std::shared_ptr<StudioDesk> desk_;
};

}  // namespace

void add_project_routes(Router& router, const std::shared_ptr<StudioDesk>& desk) {
  const auto routes = std::make_shared<ProjectRoutes>(desk);
  const auto add = [&](const char* method, const char* path, Rule rule, Answer (ProjectRoutes::*handle)(Call&)) {
    router.add({method, path, rule, [routes, handle](Call& call) { return ((*routes).*handle)(call); }});
  };
  const Rule workers = Rule::roles(kLabeler | kRedTeamer | kReviewer), reviewers = Rule::roles(kReviewer);
  add("GET", "/api/app/projects", workers, &ProjectRoutes::list);
  add("POST", "/api/app/projects", reviewers, &ProjectRoutes::create);
  add("GET", "/api/app/projects/{id}", workers, &ProjectRoutes::get);
  add("PATCH", "/api/app/projects/{id}", reviewers, &ProjectRoutes::change);
  add("POST", "/api/app/projects/{id}/prompts", reviewers, &ProjectRoutes::add_prompts);
  add("GET", "/api/app/projects/{id}/export", reviewers, &ProjectRoutes::export_rows);
}

}  // namespace loquat::app
