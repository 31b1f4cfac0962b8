// Has models write for the studio: one answer, or the K answers of an item that people shall rank. Nothing here waits;
// what is called back comes from another thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/talk.h"
#include "base/background.h"
#include "feedback/queue.h"

namespace loquat::app {

class AnswerWriter {
 public:
  using Done = std::function<void(Result<std::string>)>;
  AnswerWriter(std::shared_ptr<Talk> talk, feedback::Queue& queue, std::function<std::string()> default_model,
               std::function<std::string(const std::string&)> model_hash);
  ~AnswerWriter();  // what is being written is given up

  // One answer to these messages. `model`: "" is the default one. `done` must not wait.
  void write(const std::string& person, const std::string& model, const nlohmann::json& sampling,
             const nlohmann::json& messages, Done done);

  // The answers of one of the project's items that has none, by its models in turn. `done` may wait, and is called when
  // an item has its answers or could not get them; for an item that is being answered already, with the others.
  void answer_an_item(const feedback::Project& project, const std::string& person, std::function<void(Status)> done);
  bool busy(const std::string& project) const;
  // Runs what may wait. False: too much is waiting.
  bool later(std::function<void()> job) { return background_.add(std::move(job)); }

 private:
  struct Item;
  void ended(int64_t talk);
  void begin(const std::shared_ptr<Item>& item);
  void came(const std::shared_ptr<Item>& item, const std::string& model, Result<std::string> text);
  void finish(const std::shared_ptr<Item>& item);

  const std::shared_ptr<Talk> talk_;
  feedback::Queue& queue_;
  const std::function<std::string()> default_model_;
  const std::function<std::string(const std::string&)> model_hash_;
  mutable std::mutex mutex_;
  std::condition_variable all_ended_;
  bool stopping_ = false;
  int64_t talks_begun_ = 0;
  std::map<int64_t, std::shared_ptr<Talking>> talks_;   // under way; null: just begun
  std::map<std::string, std::shared_ptr<Item>> items_;  // being answered
  Background background_{2, 256};                       // last: its threads use the others
};

}  // namespace loquat::app
