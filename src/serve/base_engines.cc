#include "serve/base_engines.h"

#include <algorithm>
#include <filesystem>

#include "model/kv_cache.h"

namespace loquat::serve {
namespace {

constexpr int64_t kMostCacheBytes = int64_t{1} << 30;

SharedEngineOptions engine_options(const Model& model, const BaseEngineOptions& options) {
  const int64_t a_token = KvCache::bytes(model.config(), model.compute(), 1);
  SharedEngineOptions out;
  out.engine.slots = options.parallel;
  out.engine.prefill_rows = options.prefill_rows;
  out.engine.draft_tokens = options.draft_tokens;
  const int64_t bytes = options.cache_bytes > 0 ? options.cache_bytes : kMostCacheBytes;
  out.engine.cache_tokens = std::min(bytes / a_token, options.parallel * model.config().max_positions);
  out.waiting = options.waiting;
  out.deadline = std::chrono::milliseconds(static_cast<int64_t>(options.deadline_seconds * 1000));
  return out;
}

LoadOptions load_options(const BaseEngineOptions& options) {
  return {.compute = options.compute, .serving_only = true, .weights = options.weights};
}

}  // namespace

BaseEngine::BaseEngine(std::shared_ptr<const Model> base, const BaseEngineOptions& options)
    : model(std::move(base), {}, HeadKind::kLanguage, false), engine(model, engine_options(model, options), mutex) {}

BaseEngines::BaseEngines(const Kernels& kernels, const BaseEngineOptions& options)
    : kernels_(kernels), options_(options), bases_(kernels, options.compute, options.weights, false) {}

Status BaseEngines::check(const std::string& folder) const {
  return check_model_folder(folder, kernels_, load_options(options_));
}

Result<BaseEngines::Opened> BaseEngines::open(const std::string& folder) {
  LoadOptions load = load_options(options_);
  load.bases = &bases_;
  TRY(std::unique_ptr<Model> model, load_model(folder, kernels_, load));
  Opened opened;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(engines_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<BaseEngine>& known = engines_[model->base().get()];
    opened.engine = known.lock();
    if (opened.engine == nullptr) {
      opened.engine = std::make_shared<BaseEngine>(model->base(), options_);
      known = opened.engine;
    }
  }
  if (model->lora().rank > 0) opened.adapter = std::move(model);
  return opened;
}

std::map<std::string, BaseEngines::Pages> BaseEngines::pages() const {
  std::map<std::string, Pages> pages;
  const std::lock_guard lock(mutex_);
  for (const auto& [base, known] : engines_) {
    const std::shared_ptr<BaseEngine> engine = known.lock();
    if (engine == nullptr) continue;
    const EngineCounts counts = engine->engine.counts();
    Pages& of_name = pages[std::filesystem::weakly_canonical(base->folder()).filename().string()];
    of_name.all += counts.pages;
    of_name.used += counts.pages_used;
  }
  return pages;
}

}  // namespace loquat::serve
