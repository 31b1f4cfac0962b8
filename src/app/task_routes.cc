// Work on tasks: the next one, what is sent, drafts, skips, and what a model writes meanwhile.
#include "app/studio_routes.h"
#include "base/json_depth.h"
#include "base/rng.h"

namespace loquat::app {
namespace {

using nlohmann::json;

constexpr int64_t kAnsweredAhead = 2;  // items of a ranking that shall have answers before they are asked for

serve::ApiError no_answers(const std::string& why) {
  return {503, "No model could answer: " + why, "server_error", "", "no_answers", 5};
}

serve::ApiError not_your_work() {
  return {403, "Your roles do not allow work on this project.", "invalid_request_error", "", "not_allowed"};
}

class TaskRoutes {
 public:
  explicit TaskRoutes(std::shared_ptr<StudioDesk> desk) : desk_(std::move(desk)) {}

  Answer next(Call& call) {
    const auto project = desk_->projects.get(call.at("id"));
    if (!project.ok()) return refused(project.refused());
    if (!call.person.has(roles_for(project->kind))) return not_your_work();
    return hand_out(*project, call.person.id, call.reply, 0);
  }

  Answer submit(Call& call) {
    if (auto error = trouble(call)) return *error;
    const auto sent = desk_->queue.submit(call.at("id"), call.person.id, call.body);
    if (!sent.ok()) return refused(sent.refused());
    return json{{"label", sent->label}, {"next", sent->next}};
  }

  Answer draft(Call& call) {
    if (auto error = trouble(call)) return *error;
    const auto kept = desk_->queue.keep_draft(call.at("id"), call.person.id, call.body);
    if (!kept.ok()) return refused(kept.refused());
    return no_content();
  }

  Answer skip(Call& call) {
    if (auto error = trouble(call)) return *error;
    const json reason = call.body.value("reason", json(""));
    if (!reason.is_string()) return bad_value("reason", "reason: expected text");
    const auto skipped = desk_->queue.skip(call.at("id"), call.person.id, reason.get<std::string>());
    if (!skipped.ok()) return refused(skipped.refused());
    return no_content();
  }

  Answer suggest(Call& call) {
    return ask(call, [](const std::string& text) { return json{{"suggestions", {text}}}; });
  }

  // The model under attack is one of the project's, the same for the whole task.
  Answer attack(Call& call) {
    return ask(call, [](const std::string& text) { return json{{"reply", text}}; });
  }

 private:
  // Their task, and still their work: a role may have been taken meanwhile.
  std::variant<feedback::TaskInfo, serve::ApiError> task(const Call& call) const {
    auto task = desk_->queue.task(call.at("id"), call.person.id);
    if (!task.ok()) return refused(task.refused());
    if (!call.person.has(roles_for(task->project.kind))) return not_your_work();
    return *std::move(task);
  }
  std::optional<serve::ApiError> trouble(const Call& call) const {
    if (json_nests_deeper(call.request.body)) return bad_value("", "The body is nested too deep.");
    auto found = task(call);
    if (auto* error = std::get_if<serve::ApiError>(&found)) return *error;
    return std::nullopt;
  }

  // An item's answers are written when somebody asks for work, and a few ahead.
  Answer hand_out(const feedback::Project& project, const std::string& person,
                  const std::shared_ptr<http::Reply>& reply, int tries) {
    auto next = desk_->queue.next(project.id, person);
    if (!next.ok()) return refused(next.refused());
    if (next->task) {
      const bool ranking = project.kind == feedback::kRanking;
      if (ranking && !desk_->writer.busy(project.id) && desk_->queue.answered_and_free(project.id) < kAnsweredAhead)
        desk_->writer.answer_an_item(project, person, [](const Status&) {});
      return *std::move(next->task);
    }
    if (!next->unanswered || tries > 20) return no_content();
    desk_->writer.answer_an_item(project, person, [this, project, person, reply, tries](const Status& written) {
      if (reply->gone()) return;
      if (!written.ok()) return reply->send(serve::error_response(no_answers(written.error())));
      send(reply, hand_out(project, person, reply, tries + 1));
    });
    return AnsweredLater{};
  }

  static void send(const std::shared_ptr<http::Reply>& reply, Answer answer) {
    if (auto* body = std::get_if<json>(&answer)) return reply->send(json_response(*body));
    if (auto* response = std::get_if<http::Response>(&answer)) return reply->send(std::move(*response));
    if (auto* error = std::get_if<serve::ApiError>(&answer)) return reply->send(serve::error_response(*error));
  }

  Answer ask(Call& call, const std::function<json(const std::string&)>& shown) {
    if (json_nests_deeper(call.request.body)) return bad_value("", "The body is nested too deep.");
    auto found = task(call);
    if (auto* error = std::get_if<serve::ApiError>(&found)) return std::move(*error);
    const auto& info = std::get<feedback::TaskInfo>(found);
    const json messages = call.body.value("messages", json());
    if (!messages.is_array() || messages.empty()) return bad_value("messages", "messages: expected a list of turns");
    const std::vector<std::string>& models = info.project.models;
    const std::string model = models.empty() ? "" : models[hash64(info.id) % models.size()];
    desk_->writer.write(call.person.id, model, info.project.sampling, messages,
                        [reply = call.reply, shown](const Result<std::string>& text) {
                          if (reply->gone()) return;
                          if (!text.ok()) return reply->send(serve::error_response(no_answers(text.error())));
                          reply->send(json_response(shown(*text)));
                        });
    return AnsweredLater{};
  }

  const std::shared_ptr<StudioDesk> desk_;
};

}  // namespace

void add_task_routes(Router& router, const std::shared_ptr<StudioDesk>& desk) {
  const auto routes = std::make_shared<TaskRoutes>(desk);
  const auto add = [&](const char* method, const char* path, Rule rule, Answer (TaskRoutes::*handle)(Call&)) {
    router.add({method, path, rule, [routes, handle](Call& call) { return ((*routes).*handle)(call); }});
  };
  add("POST", "/api/app/projects/{id}/next", Rule::roles(people::kLabeler | people::kRedTeamer | people::kReviewer),
      &TaskRoutes::next);
  add("POST", "/api/app/tasks/{id}/submit", Rule::own(), &TaskRoutes::submit);
  add("PUT", "/api/app/tasks/{id}/draft", Rule::own(), &TaskRoutes::draft);
  add("POST", "/api/app/tasks/{id}/skip", Rule::own(), &TaskRoutes::skip);
  add("POST", "/api/app/tasks/{id}/suggest", Rule::own(), &TaskRoutes::suggest);
  add("POST", "/api/app/tasks/{id}/attack", Rule::own(), &TaskRoutes::attack);
}

}  // namespace loquat::app
