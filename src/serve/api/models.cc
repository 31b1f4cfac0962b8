#include "serve/api/models.h"

#include <fmt/core.h>

#include "serve/api/json.h"
#include "serve/api/sampling.h"

namespace loquat::serve::api {
namespace {

Json model_json(const ModelInfo& model) {
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "loquat"},
          {"loaded", model.loaded}};
}

[[noreturn]] void no_model(const std::string& id) {
  throw Wrong{
      {404, fmt::format("The model '{}' does not exist.", id), "invalid_request_error", "model", "model_not_found"}};
}

void send_state(Exchange& exchange, const std::string& id, bool loaded) {
  exchange.send(200, dump(Json{{"id", id}, {"object", "model"}, {"loaded", loaded}}));
}

}  // namespace

void list_models(std::shared_ptr<Exchange> exchange) {
  Json answer = {{"object", "list"}};
  answer["data"] = Json::array();
  for (const ModelInfo& model : exchange->service().backend->models()) answer["data"].push_back(model_json(model));
  exchange->send(200, dump(answer));
}

void show_model(std::shared_ptr<Exchange> exchange, const std::string& id) {
  for (const ModelInfo& model : exchange->service().backend->models()) {
    if (model.id != id) continue;
    exchange->send(200, dump(model_json(model)));
    return;
  }
  no_model(id);
}

void load_model(std::shared_ptr<Exchange> exchange, const std::string& id) {
  const auto model = find_model(*exchange, id);
  exchange->set_model(model->id());
  send_state(*exchange, model->id(), true);
}

void unload_model(std::shared_ptr<Exchange> exchange, const std::string& id) {
  if (!exchange->service().backend->unload(id)) no_model(id);
  exchange->set_model(id);
  send_state(*exchange, id, false);
}

}  // namespace loquat::serve::api
