#include "app/chat_models.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "store/files.h"

namespace loquat::app {
namespace {

using nlohmann::json;

// The furthest of a recipe's models; else the first that is no bare base.
std::string best_of(const std::vector<serve::ModelInfo>& models) {
  for (const char* id : {"adversarial", "ppo", "reference", "sft"}) {
    for (const auto& model : models) {
      if (model.id == id) return id;
    }
  }
  for (const auto& model : models) {
    if (model.id != "base") return model.id;
  }
  return models.empty() ? "" : models.front().id;
}

class Ended final : public Talking {
  void cancel() override {}
};

std::shared_ptr<Talking> failed(const TalkSink& sink, serve::ApiError error) {
  TalkEvent event;
  event.ended = true;
  event.error = std::move(error);
  sink(std::move(event));
  return std::make_shared<Ended>();
}

}  // namespace

WeightHashes::WeightHashes() : thread_([this] { run(); }) {}

WeightHashes::~WeightHashes() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wanted_.notify_all();
  thread_.join();
}

std::string WeightHashes::of(const std::string& path) {
  struct stat info {};
  if (path.empty() || ::stat(path.c_str(), &info) != 0) return "";
  const std::string name = fmt::format("{}\n{}\n{}.{}", path, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  std::lock_guard lock(mutex_);
  const auto found = hashes_.find(name);
  if (found != hashes_.end()) return found->second;
  queue_[name] = path;
  wanted_.notify_all();
  return "";
}

void WeightHashes::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wanted_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const auto [name, path] = *queue_.begin();
    lock.unlock();
    const auto hash = sha256_of_file(path);
    lock.lock();
    hashes_[name] = hash.ok() ? *hash : "";
    queue_.erase(name);
  }
}

ChatModels::ChatModels(std::shared_ptr<serve::api::Api> api, std::shared_ptr<serve::Backend> backend,
                       std::shared_ptr<Remotes> remotes, bool join_caches)
    : backend_(std::move(backend)),
      remotes_(std::move(remotes)),
      local_(make_local_talk(std::move(api), join_caches)) {}

Result<json> ChatModels::list() {
  TRY(const auto remotes, remotes_->list());
  const auto local = backend_->models();
  json models = json::array();
  for (const auto& model : local) {
    json one = {{"id", model.id}, {"kind", "local"}, {"loaded", model.loaded}};
    if (model.loaded && !backend_->must_load(model.id)) {
      auto served = backend_->model(model.id);
      if (const auto* there = std::get_if<0>(&served)) one["context"] = (*there)->context();
    }
    if (const std::string hash = hashes_.of(model.weights); !hash.empty()) one["hash"] = hash;
    models.push_back(std::move(one));
  }
  for (const RemoteModel& model : remotes) {
    if (!is_local(model.id)) models.push_back({{"id", model.id}, {"kind", "remote"}, {"loaded", true}});
  }
  std::string best = best_of(local);
  if (best.empty() && !remotes.empty()) best = remotes.front().id;
  return json{{"models", std::move(models)}, {"default", best}};
}

std::string ChatModels::default_model() {
  const std::string local = best_of(backend_->models());
  if (!local.empty()) return local;
  const auto remotes = remotes_->list();
  return remotes.ok() && !remotes->empty() ? remotes->front().id : "";
}

bool ChatModels::is_local(const std::string& id) {
  const auto models = backend_->models();
  return std::any_of(models.begin(), models.end(), [&](const auto& model) { return model.id == id; });
}

std::string ChatModels::hash_of(const std::string& id) {
  for (const auto& model : backend_->models()) {
    if (model.id == id) return hashes_.of(model.weights);
  }
  return "";
}

std::shared_ptr<Talking> ChatModels::start(json request, const std::string& person, TalkSink sink) {
  const std::string id = request.value("model", "");
  if (id.empty())
    return failed(sink,
                  {404, "There is no model yet that could answer.", "invalid_request_error", "model", "no_model"});
  // This machine's own first: nothing leaves it because a name is known elsewhere too.
  if (is_local(id)) return local_->start(std::move(request), person, std::move(sink));
  const auto remote = remotes_->find(id);
  if (!remote.ok()) {
    log_error("remote models: {}", remote.error());
    return failed(sink, {500, "The database could not be asked.", "server_error", "", "internal_error"});
  }
  if (*remote && !(*remote)->trouble.empty()) {
    log_error("remote model {}: {}", id, (*remote)->trouble);
    return failed(sink, {503, fmt::format("The model {} cannot be asked: an admin must set its key right.", id),
                         "server_error", "model", "key_unreadable"});
  }
  if (*remote) return remote_.start(**remote, std::move(request), std::move(sink));
  return local_->start(std::move(request), person, std::move(sink));  // which says what there is
}

}  // namespace loquat::app
