// Models are found anew at every request, so that a running recipe's next model is there as soon as its folder is whole
// (folders are written by renaming: config.json and model.safetensors are whole when both exist).
#include "serve/folder_backend.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "infer/chat_engine.h"
#include "store/files.h"

namespace loquat::serve {
namespace {

namespace fs = std::filesystem;

struct Stamp {
  int64_t size = -1;
  int64_t nanoseconds = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const std::string& folder) {
  struct stat info {};
  if (::stat((folder + "/model.safetensors").c_str(), &info) != 0) return {};
  return {info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

// A model that writes text, and not a reward model.
bool can_talk(const std::string& folder) {
  if (!file_exists(folder + "/model.safetensors") || !file_exists(folder + "/tokenizer.json")) return false;
  const auto text = read_file(folder + "/config.json");
  return text.ok() && text->find("ForCausalLM") != std::string::npos;
}

// The recipe's order, then the alphabet's.
int place_of(const std::string& id) {
  static const std::vector<std::string> kOrder = {"base", "sft", "reference", "ppo", "adversarial"};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), id) - kOrder.begin());
}

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

}  // namespace

struct FolderBackend::Loaded {
  Stamp stamp;
  std::unique_ptr<ChatModel> model;
};

FolderBackend::FolderBackend(std::string folder, const Kernels& kernels, DType compute)
    : folder_(std::move(folder)), kernels_(kernels), compute_(compute) {}
FolderBackend::~FolderBackend() = default;

std::map<std::string, std::string> FolderBackend::folders() const {
  std::map<std::string, std::string> found;
  std::error_code error;
  if (can_talk(folder_)) {
    const fs::path absolute = fs::weakly_canonical(folder_, error);
    found[error || absolute.filename().empty() ? "model" : absolute.filename().string()] = folder_;
  }
  for (const auto& entry : fs::directory_iterator(folder_ + "/models", error)) {
    if (can_talk(entry.path().string())) found[entry.path().filename().string()] = entry.path().string();
  }
  return found;
}

std::vector<ModelInfo> FolderBackend::models() {
  std::vector<ModelInfo> list;
  for (const auto& [id, folder] : folders()) list.push_back({id, stamp_of(folder).nanoseconds / 1'000'000'000});
  std::stable_sort(list.begin(), list.end(),
                   [](const ModelInfo& a, const ModelInfo& b) { return place_of(a.id) < place_of(b.id); });
  return list;
}

Result<std::shared_ptr<FolderBackend::Loaded>> FolderBackend::loaded(const std::string& id) {
  const auto all = folders();
  const auto found = all.find(id);
  if (found == all.end()) return Err("the model '{}' does not exist", id);
  std::lock_guard lock(mutex_);
  auto& entry = loaded_[id];
  const Stamp stamp = stamp_of(found->second);
  if (entry && entry->stamp == stamp) return entry;
  TRY(auto model, ChatModel::load(found->second, kernels_, compute_));
  auto fresh = std::make_shared<Loaded>();  // a reply that is being written keeps the old one alive
  fresh->stamp = stamp;
  fresh->model = std::move(model);
  entry = fresh;
  return fresh;
}

std::optional<ApiError> FolderBackend::check(const ChatCall& call) {
  if (!folders().contains(call.model)) {
    std::string names;
    for (const ModelInfo& model : models()) names += (names.empty() ? "" : ", ") + model.id;
    return ApiError{
        404,
        fmt::format("The model '{}' does not exist. There are: {}.", call.model, names.empty() ? "none yet" : names),
        "invalid_request_error", "model", "model_not_found"};
  }
  const auto entry = loaded(call.model);
  if (!entry)
    return ApiError{500, fmt::format("The model cannot be loaded: {}.", entry.error()), "server_error", "", ""};
  const ChatModel& model = *(*entry)->model;
  const size_t tokens = model.chat_template().prompt(call.messages).size();
  const auto room = static_cast<size_t>(model.config().max_positions);
  if (tokens < room) return std::nullopt;
  return ApiError{400,
                  fmt::format("This model's context is {} tokens; these messages have {}. Shorten them.", room, tokens),
                  "invalid_request_error", "messages", "context_length_exceeded"};
}

Result<ChatResult> FolderBackend::reply(const ChatCall& call, const std::function<bool(std::string_view)>& on_text) {
  TRY(const auto entry, loaded(call.model));
  ChatModel& model = *entry->model;
  ChatResult result;
  result.prompt_tokens = static_cast<int64_t>(model.chat_template().prompt(call.messages).size());
  bool wanted = true;
  ReplyParams params;
  params.temperature = call.temperature;
  params.top_p = call.top_p;
  params.max_tokens = call.max_tokens > 0 ? call.max_tokens : model.config().max_positions;
  params.seed = call.seed ? *call.seed : random_seed();
  TRY(const ReplyText reply,
      model.reply(call.messages, params, [&](std::string_view piece) { return wanted = on_text(piece); }));
  result.text = reply.text;
  result.completion_tokens = reply.tokens;
  result.finish = !wanted ? Finish::kCancelled : reply.ended ? Finish::kStop : Finish::kLength;
  return result;
}

}  // namespace loquat::serve
