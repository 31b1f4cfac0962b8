// The models of a folder as a ChatBackend: every language model under FOLDER/models (a recipe's run, where models appear while
// it runs), or FOLDER itself where it is a model's folder. A model is loaded at its first use, and again when its file has
// changed. One reply at a time per model; replies of different models are computed side by side.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "serve/chat_backend.h"

namespace loquat::serve {

class FolderBackend : public ChatBackend {
 public:
  FolderBackend(std::string folder, const Kernels& kernels, DType compute);
  ~FolderBackend() override;
  std::vector<ModelInfo> models() override;
  std::optional<ApiError> check(const ChatCall& call) override;
  Result<ChatResult> reply(const ChatCall& call, const std::function<bool(std::string_view)>& on_text) override;

 private:
  struct Loaded;
  std::map<std::string, std::string> folders() const;  // id -> its folder
  Result<std::shared_ptr<Loaded>> loaded(const std::string& id);

  const std::string folder_;
  const Kernels& kernels_;
  const DType compute_;
  std::mutex mutex_;  // of loaded_, and held while one loads
  std::map<std::string, std::shared_ptr<Loaded>> loaded_;
};

}  // namespace loquat::serve
