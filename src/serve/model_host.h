// The models of a folder by name: every language model under FOLDER/models (a recipe's run, where models appear while
// it runs), or FOLDER itself where it is a model's folder. A model is loaded at its first use, or when asked to be, and
// again when its file has changed; one that was unloaded goes when its last reply has ended. One that cannot be served
// is not listed, and who asks for it is told what is wrong.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "serve/backend.h"
#include "serve/engine_model.h"

namespace loquat::serve {

struct ModelHostOptions {
  BaseEngineOptions model;
  std::map<std::string, std::string> pooling;  // by id: models that give embeddings, whatever their folders say
};

class ModelHost : public Backend {
 public:
  ModelHost(std::string folder, const Kernels& kernels, ModelHostOptions options);
  ~ModelHost() override;  // waits for replies under way

  std::vector<ModelInfo> models() override;
  std::variant<std::shared_ptr<ServedModel>, ApiError> model(const std::string& id) override;
  bool must_load(const std::string& id) override;
  bool unload(const std::string& id) override;
  // What keeps models from being served, by id, as people at this machine may read it. Configs, headers and tokenizers
  // are read, no weights.
  std::map<std::string, std::string> faults();
  // FOLDER's own id, where it is a model's folder; else "".
  std::string own_id() const;
  // Of the loaded models, by id; but their pages, which an adapter shares with its base, by the base's folder's name.
  std::map<std::string, EngineCounts> counts() const;
  std::map<std::string, BaseEngines::Pages> pages() const { return engines_.pages(); }

 private:
  struct Loaded;
  struct Graveyard;
  struct Checked;
  std::map<std::string, std::string> folders() const;  // id -> its folder; sound or not
  // "": none that is known. A sound folder is looked at once (loading it says what became of it), another after each of
  // its changes.
  std::string fault_of(const std::string& id, const std::string& folder);
  void note_fault(const std::string& id, const std::string& folder, const std::string& fault);

  const std::string folder_;
  const ModelHostOptions options_;
  BaseEngines engines_;
  mutable std::mutex mutex_;  // of loaded_
  std::mutex loading_;        // held while one loads
  std::map<std::string, Loaded> loaded_;
  std::mutex checking_;  // of checked_
  std::map<std::string, Checked> checked_;
  std::shared_ptr<Graveyard> graveyard_;
};

}  // namespace loquat::serve
