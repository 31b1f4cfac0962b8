// What people say of answers: of one message, of several after a regeneration, of two models without their names.
#include <random>

#include "app/studio_routes.h"

namespace loquat::app {
namespace {

using feedback::AnswerSeen;
using nlohmann::json;

std::string text_at(const json& body, const char* key) {
  const auto it = body.find(key);
  return it != body.end() && it->is_string() ? it->get<std::string>() : std::string();
}

class FeedbackRoutes {
 public:
  explicit FeedbackRoutes(std::shared_ptr<StudioDesk> desk) : desk_(std::move(desk)) {}

  Answer put(Call& call) {
    auto answer = desk_->parts.turns->find(call.person.id, call.at("id"), call.at("message"));
    if (auto* error = std::get_if<serve::ApiError>(&answer)) return std::move(*error);
    auto kept = desk_->messages.put(call.person.id, consent(call), std::get<AnswerSeen>(answer), call.body);
    if (!kept.ok()) return refused(kept.refused());
    return *kept;
  }

  Answer compare(Call& call) {
    std::vector<std::string> ids;
    if (const std::string chosen = text_at(call.body, "chosen"); !chosen.empty()) ids.push_back(chosen);
    const json others = call.body.value("others", json());
    if (!others.is_array() || others.empty() || others.size() > 16)
      return bad_value("others", "others: expected a list of messages' ids");
    for (const json& other : others) {
      if (!other.is_string()) return bad_value("others", "others: expected a list of messages' ids");
      ids.push_back(other.get<std::string>());
    }
    const std::string choice = text_at(call.body, "choice");
    if (choice == "chosen" && text_at(call.body, "chosen").empty())
      return bad_value("chosen", "chosen: expected a message's id");
    std::vector<AnswerSeen> answers;
    for (const std::string& id : ids) {
      auto answer = desk_->parts.turns->find(call.person.id, call.at("id"), id);
      if (auto* error = std::get_if<serve::ApiError>(&answer)) return std::move(*error);
      answers.push_back(std::move(std::get<AnswerSeen>(answer)));
    }
    const auto done = desk_->messages.compare(call.person.id, consent(call), answers, choice);
    if (!done.ok()) return refused(done.refused());
    return no_content();
  }

  Answer blind(Call& call) {
    const std::string content = text_at(call.body, "content"), tab = text_at(call.body, "tab");
    if (content.find_first_not_of(" \t\r\n") == content.npos) return bad_value("content", "content: say something");
    if (tab.empty()) return bad_value("tab", "tab: expected the tab's id");
    auto models = two_models(call.body);
    if (auto* error = std::get_if<serve::ApiError>(&models)) return std::move(*error);
    auto& pair = std::get<std::vector<std::string>>(models);
    thread_local std::mt19937_64 random{std::random_device{}()};
    std::shuffle(pair.begin(), pair.end(), random);
    std::vector<AnswerSeen> sides;
    for (const std::string& model : pair) {
      auto begun = desk_->parts.turns->begin_unnamed(call.person.id, tab, text_at(call.body, "system"), content, model);
      if (auto* error = std::get_if<serve::ApiError>(&begun)) return std::move(*error);
      const auto& side = std::get<Turns::Begun>(begun);
      sides.push_back({side.conversation, side.message, json::array(), "", model, "", json::object()});
    }
    const auto id = desk_->messages.begin_blind(call.person.id, sides[0], sides[1]);
    if (!id.ok()) return refused(id.refused());
    const auto shown = [](const AnswerSeen& side) {
      return json{{"conversation", side.conversation}, {"message", side.message}};
    };
    return json{{"id", *id}, {"left", shown(sides[0])}, {"right", shown(sides[1])}};
  }

  Answer vote(Call& call) {
    const auto blind = desk_->messages.blind(call.person.id, call.at("id"));
    if (!blind.ok()) return refused(blind.refused());
    std::vector<AnswerSeen> sides;
    for (const AnswerSeen* side : {&blind->left, &blind->right}) {
      auto answer = desk_->parts.turns->find(call.person.id, side->conversation, side->message);
      if (std::get_if<serve::ApiError>(&answer) != nullptr)
        return conflict("not_ready", "Both answers must be there before you vote.");
      sides.push_back(std::move(std::get<AnswerSeen>(answer)));
      sides.back().model = side->model;
    }
    const auto done = desk_->messages.vote(call.person.id, consent(call), call.at("id"), sides[0], sides[1],
                                           text_at(call.body, "choice"));
    if (!done.ok()) return refused(done.refused());
    return json{{"left", blind->left.model}, {"right", blind->right.model}};
  }

  Answer scores(Call&) {
    auto scores = desk_->messages.blind_scores();
    if (!scores.ok()) return broken(scores.error());
    return *std::move(scores);
  }

 private:
  feedback::Consent consent(const Call& call) const {
    return desk_->parts.consent ? desk_->parts.consent(call.person.id) : feedback::Consent{};
  }

  // Those that are asked for, else any two.
  std::variant<std::vector<std::string>, serve::ApiError> two_models(const json& body) const {
    auto known = desk_->parts.turns->models();
    if (!known.ok()) return broken(known.error());
    const json wanted = body.value("models", json());
    if (wanted.is_null()) {
      if (known->size() < 2) return conflict("one_model", "A comparison needs two models; this server has fewer.");
      thread_local std::mt19937_64 random{std::random_device{}()};
      std::shuffle(known->begin(), known->end(), random);
      known->resize(2);
      return *std::move(known);
    }
    std::vector<std::string> out;
    if (wanted.is_array() && wanted.size() == 2) {
      for (const json& model : wanted) {
        if (model.is_string() && std::find(known->begin(), known->end(), model) != known->end())
          out.push_back(model.get<std::string>());
      }
    }
    if (out.size() != 2 || out[0] == out[1]) return bad_value("models", "models: expected two different models");
    return out;
  }

  const std::shared_ptr<StudioDesk> desk_;
};

}  // namespace

void add_feedback_routes(Router& router, const std::shared_ptr<StudioDesk>& desk) {
  const auto routes = std::make_shared<FeedbackRoutes>(desk);
  const auto add = [&](const char* method, const char* path, Rule rule, Answer (FeedbackRoutes::*handle)(Call&)) {
    router.add({method, path, rule, [routes, handle](Call& call) { return ((*routes).*handle)(call); }});
  };
  add("PUT", "/api/app/conversations/{id}/messages/{message}/feedback", Rule::own(), &FeedbackRoutes::put);
  add("POST", "/api/app/conversations/{id}/comparisons", Rule::own(), &FeedbackRoutes::compare);
  add("POST", "/api/app/blind", Rule::signed_in(), &FeedbackRoutes::blind);
  add("POST", "/api/app/blind/{id}/vote", Rule::own(), &FeedbackRoutes::vote);
  add("GET", "/api/app/blind/scores", Rule::signed_in(), &FeedbackRoutes::scores);
}

}  // namespace loquat::app
