// Models are found anew at every request, so that a running recipe's next model is there as soon as its folder is whole
// (folders are written by renaming: config.json and model.safetensors are whole when both exist).
#include "serve/model_host.h"

#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <thread>

#include "base/log.h"
#include "model/adapter_folder.h"
#include "store/files.h"
#include "store/safetensors.h"

namespace loquat::serve {
namespace {

namespace fs = std::filesystem;

struct Stamp {
  int64_t size = -1;
  int64_t nanoseconds = 0;
  bool operator==(const Stamp&) const = default;
};

std::string weights_path(const std::string& folder) {
  return is_adapter_folder(folder) ? folder + "/adapter_model.safetensors" : safetensors_path(folder);
}

Stamp stamp_of(const std::string& folder) {
  struct stat info {};
  if (::stat(weights_path(folder).c_str(), &info) != 0) return {};
  return {info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

bool is_model_folder(const std::string& folder) {
  return is_adapter_folder(folder) || file_exists(folder + "/config.json") || file_exists(safetensors_path(folder));
}

// Of a recipe: it has its place among the others, and does not write.
bool is_reward_model(const std::string& folder) {
  const auto config = read_model_config(folder);
  return config.ok() && config->head == HeadKind::kScore;
}

// Another after a change of any file in the folder, or in an adapter's base.
std::string state_of(const std::string& folder) {
  std::string state;
  const auto base = base_folder_of(folder);
  std::error_code error;
  for (const std::string& one : {folder, base.ok() ? *base : folder}) {
    for (const auto& entry : fs::recursive_directory_iterator(one, error)) {
      struct stat info {};
      if (::stat(entry.path().c_str(), &info) != 0) continue;
      state +=
          fmt::format("{} {} {}.{}\n", entry.path().string(), info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    }
  }
  return state;
}

// Paths of this machine are for its own log.
std::string without_paths(std::string text, const std::string& folder, const std::string& id) {
  const auto base = base_folder_of(folder);
  const std::pair<std::string, std::string> names[] = {
      {folder, id}, {base.ok() ? *base : folder, fs::path(base.ok() ? *base : id).filename()}};
  for (const auto& [path, name] : names) {
    for (size_t at = 0; (at = text.find(path, at)) != std::string::npos; at += name.size())
      text.replace(at, path.size(), name);
  }
  return text;
}

// The recipe's order, then the alphabet's.
int place_of(const std::string& id) {
  static const std::vector<std::string> kOrder = {"base", "sft", "reference", "ppo", "adversarial"};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), id) - kOrder.begin());
}

}  // namespace

// A model ends on a thread of its own: the last to hold it may be one of its own engine's threads.
struct ModelHost::Graveyard {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::unique_ptr<EngineModel>> dead;
  int64_t alive = 0;
  bool closing = false;
  std::thread digger;

  void bury(EngineModel* model) {
    {
      std::lock_guard lock(mutex);
      dead.emplace_back(model);
    }
    changed.notify_all();
  }
  void dig() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return !dead.empty() || (closing && alive == 0); });
      if (dead.empty()) return;
      auto taken = std::move(dead);
      dead.clear();
      lock.unlock();
      const auto count = static_cast<int64_t>(taken.size());
      taken.clear();
      lock.lock();
      alive -= count;
    }
  }
};

struct ModelHost::Loaded {
  std::string folder;
  Stamp stamp;
  std::shared_ptr<EngineModel> model;
};

struct ModelHost::Checked {
  std::string fault;
  std::string state;  // of a folder that has one
};

ModelHost::ModelHost(std::string folder, const Kernels& kernels, ModelHostOptions options)
    : folder_(std::move(folder)),
      options_(std::move(options)),
      engines_(kernels, options_.model),
      graveyard_(std::make_shared<Graveyard>()) {
  graveyard_->digger = std::thread([g = graveyard_.get()] { g->dig(); });
}

ModelHost::~ModelHost() {
  loaded_.clear();
  {
    std::lock_guard lock(graveyard_->mutex);
    graveyard_->closing = true;
  }
  graveyard_->changed.notify_all();
  graveyard_->digger.join();
}

std::string ModelHost::own_id() const {
  if (!is_model_folder(folder_)) return "";
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(folder_, error);
  return error || absolute.filename().empty() ? "model" : absolute.filename().string();
}

std::map<std::string, std::string> ModelHost::folders() const {
  std::map<std::string, std::string> found;
  if (const std::string id = own_id(); !id.empty()) found[id] = folder_;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ + "/models", error)) {
    const std::string folder = entry.path().string();
    if (is_model_folder(folder) && !is_reward_model(folder)) found[entry.path().filename().string()] = folder;
  }
  return found;
}

std::string ModelHost::fault_of(const std::string& id, const std::string& folder) {
  std::lock_guard lock(checking_);
  const auto known = checked_.find(id);
  if (known != checked_.end() && known->second.fault.empty()) return "";
  std::string state = state_of(folder);
  if (known != checked_.end() && known->second.state == state) return known->second.fault;
  const Status checked = EngineModel::check(folder, engines_);
  checked_[id] = {checked.ok() ? "" : checked.error(), std::move(state)};
  return checked_[id].fault;
}

void ModelHost::note_fault(const std::string& id, const std::string& folder, const std::string& fault) {
  std::lock_guard lock(checking_);
  checked_[id] = {fault, state_of(folder)};
}

std::map<std::string, std::string> ModelHost::faults() {
  std::map<std::string, std::string> all;
  for (const auto& [id, folder] : folders()) {
    if (std::string fault = fault_of(id, folder); !fault.empty()) all[id] = std::move(fault);
  }
  return all;
}

std::vector<ModelInfo> ModelHost::models() {
  std::vector<ModelInfo> list;
  for (const auto& [id, folder] : folders()) {
    if (!fault_of(id, folder).empty()) continue;
    std::lock_guard lock(mutex_);
    list.push_back({id, stamp_of(folder).nanoseconds / 1'000'000'000, loaded_.contains(id), weights_path(folder)});
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const ModelInfo& a, const ModelInfo& b) { return place_of(a.id) < place_of(b.id); });
  return list;
}

std::variant<std::shared_ptr<ServedModel>, ApiError> ModelHost::model(const std::string& id) {
  const auto all = folders();
  const auto found = all.find(id);
  if (found == all.end()) {
    std::string names;
    for (const ModelInfo& model : models()) names += (names.empty() ? "" : ", ") + model.id;
    return ApiError{
        404, fmt::format("The model '{}' does not exist. There are: {}.", id, names.empty() ? "none yet" : names),
        "invalid_request_error", "model", "model_not_found"};
  }
  const Stamp stamp = stamp_of(found->second);
  const auto here = [&]() -> std::shared_ptr<EngineModel> {
    std::lock_guard lock(mutex_);
    const auto at = loaded_.find(id);
    return at != loaded_.end() && at->second.stamp == stamp ? at->second.model : nullptr;
  };
  if (auto model = here()) return model;
  std::lock_guard loading(loading_);
  if (auto model = here()) return model;  // another request has just loaded it
  const auto pooling = options_.pooling.find(id);
  auto loaded =
      EngineModel::load(id, found->second, engines_, pooling != options_.pooling.end() ? pooling->second : "");
  note_fault(id, found->second, loaded.ok() ? "" : loaded.error());
  if (!loaded) {
    log_error("the model {} cannot be loaded: {}", id, loaded.error());
    return ApiError{
        500, fmt::format("The model '{}' cannot be loaded: {}", id, without_paths(loaded.error(), found->second, id)),
        "server_error", "", "model_not_loaded"};
  }
  {
    std::lock_guard lock(graveyard_->mutex);
    ++graveyard_->alive;
  }
  const std::shared_ptr<EngineModel> model(loaded->release(), [g = graveyard_](EngineModel* m) { g->bury(m); });
  std::shared_ptr<EngineModel> old;  // goes after the lock
  std::lock_guard lock(mutex_);
  Loaded& entry = loaded_[id];
  old = std::exchange(entry.model, model);
  entry.stamp = stamp;
  entry.folder = found->second;
  return model;
}

bool ModelHost::must_load(const std::string& id) {
  {
    std::lock_guard lock(mutex_);
    const auto at = loaded_.find(id);
    if (at != loaded_.end() && at->second.stamp == stamp_of(at->second.folder)) return false;
  }
  return folders().contains(id);
}

bool ModelHost::unload(const std::string& id) {
  std::shared_ptr<EngineModel> old;
  {
    std::lock_guard lock(mutex_);
    if (const auto at = loaded_.find(id); at != loaded_.end()) {
      old = std::move(at->second.model);
      loaded_.erase(at);
      return true;
    }
  }
  return folders().contains(id);
}

std::map<std::string, EngineCounts> ModelHost::counts() const {
  std::vector<std::shared_ptr<EngineModel>> models;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, loaded] : loaded_) models.push_back(loaded.model);
  }
  std::map<std::string, EngineCounts> counts;
  for (const auto& model : models) counts[model->id()] = model->counts();
  return counts;
}

}  // namespace loquat::serve
