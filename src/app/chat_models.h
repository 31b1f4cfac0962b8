// All models that may be chosen on the page: this process's own and other servers', under one roof.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "app/remotes.h"
#include "app/talk.h"
#include "serve/backend.h"

namespace loquat::app {

// SHA-256 of weights, each file read once, on a thread of its own.
class WeightHashes {
 public:
  WeightHashes();
  ~WeightHashes();
  // "": not known yet, or the file cannot be read.
  std::string of(const std::string& path);

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable wanted_;
  std::map<std::string, std::string> hashes_;  // by path, size and time
  std::map<std::string, std::string> queue_;   // the same name -> path
  bool stopping_ = false;
  std::thread thread_;
};

class ChatModels final : public Talk {
 public:
  // `api` answers with the models of `backend`.
  ChatModels(std::shared_ptr<serve::api::Api> api, std::shared_ptr<serve::Backend> backend,
             std::shared_ptr<Remotes> remotes, bool join_caches);

  // {models: [...], default}
  Result<nlohmann::json> list();
  // "": there is none.
  std::string default_model();
  bool is_local(const std::string& id);
  std::string hash_of(const std::string& id);
  // By the request's `model`.
  std::shared_ptr<Talking> start(nlohmann::json request, const std::string& person, TalkSink sink) override;

 private:
  const std::shared_ptr<serve::Backend> backend_;
  const std::shared_ptr<Remotes> remotes_;
  const std::shared_ptr<Talk> local_;
  RemoteTalk remote_;
  WeightHashes hashes_;
};

}  // namespace loquat::app
