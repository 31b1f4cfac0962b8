#include "app/answer_writer.h"

#include <algorithm>

#include "base/log.h"
#include "feedback/prompts.h"

namespace loquat::app {

using nlohmann::json;

namespace {

constexpr int64_t kTriesPerAnswer = 3;  // models say the same again; an answer is asked for once
constexpr int64_t kItemsLookedAt = 64;

// What a reply has said until now.
struct Heard {
  std::string text;
  AnswerWriter::Done done;
};

}  // namespace

// Guarded by AnswerWriter::mutex_.
struct AnswerWriter::Item {
  feedback::Project project;
  feedback::Unanswered asked;
  std::string person;
  std::vector<std::function<void(Status)>> waiting;
  std::vector<json> answers;
  std::string trouble;
  int64_t begun = 0, under_way = 0;
};

AnswerWriter::AnswerWriter(std::shared_ptr<Talk> talk, feedback::Queue& queue,
                           std::function<std::string()> default_model,
                           std::function<std::string(const std::string&)> model_hash)
    : talk_(std::move(talk)),
      queue_(queue),
      default_model_(std::move(default_model)),
      model_hash_(std::move(model_hash)) {}

AnswerWriter::~AnswerWriter() {
  std::vector<std::shared_ptr<Talking>> all;
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (const auto& [id, talk] : talks_) all.push_back(talk);
  lock.unlock();
  for (const auto& talk : all) {
    if (talk) talk->cancel();
  }
  lock.lock();
  all_ended_.wait(lock, [this] { return talks_.empty(); });
}

void AnswerWriter::ended(int64_t talk) {
  std::lock_guard lock(mutex_);
  talks_.erase(talk);
  if (talks_.empty()) all_ended_.notify_all();
}

void AnswerWriter::write(const std::string& person, const std::string& model, const json& sampling,
                         const json& messages, Done done) {
  const std::string chosen = model.empty() && default_model_ ? default_model_() : model;
  if (!talk_ || chosen.empty()) return done(Err("there is no model that could answer"));
  json request = sampling.is_object() ? sampling : json::object();
  request["model"] = chosen;
  request["messages"] = messages;
  const auto heard = std::make_shared<Heard>(Heard{"", std::move(done)});
  int64_t id = 0;
  {
    std::unique_lock lock(mutex_);
    if (stopping_) {
      lock.unlock();
      return heard->done(Err("the server stops"));
    }
    id = ++talks_begun_;
    talks_.emplace(id, nullptr);
  }
  auto talking = talk_->start(std::move(request), person, [this, heard, id](TalkEvent&& event) {
    heard->text += event.content;
    if (!event.ended) return;
    if (event.error) {
      heard->done(Err("{}", event.error->message));
    } else if (heard->text.find_first_not_of(" \t\r\n") == std::string::npos) {
      heard->done(Err("the model said nothing"));
    } else {
      heard->done(std::move(heard->text));
    }
    ended(id);
  });
  std::unique_lock lock(mutex_);
  const auto live = talks_.find(id);
  if (live == talks_.end()) return;  // it has ended already
  live->second = talking;
  if (!stopping_) return;
  lock.unlock();
  talking->cancel();
}

bool AnswerWriter::busy(const std::string& project) const {
  std::lock_guard lock(mutex_);
  return std::any_of(items_.begin(), items_.end(), [&](const auto& of) { return of.second->project.id == project; });
}

void AnswerWriter::answer_an_item(const feedback::Project& project, const std::string& person,
                                  std::function<void(Status)> done) {
  const auto open = queue_.unanswered(project.id, kItemsLookedAt);
  if (!open.ok()) return done(Error{open.error()});
  if (open->empty()) return done({});
  std::shared_ptr<Item> item;
  {
    std::lock_guard lock(mutex_);
    const auto free =
        std::find_if(open->begin(), open->end(), [&](const auto& one) { return !items_.contains(one.item); });
    if (free == open->end()) {
      items_.at(open->front().item)->waiting.push_back(std::move(done));
      return;
    }
    item = std::make_shared<Item>();
    item->project = project;
    item->asked = *free;
    item->person = person;
    item->waiting.push_back(std::move(done));
    items_.emplace(free->item, item);
  }
  begin(item);
}

// As many as are still missing, at once.
void AnswerWriter::begin(const std::shared_ptr<Item>& item) {
  const feedback::Project& project = item->project;
  int64_t first = 0, missing = 0;
  {
    std::lock_guard lock(mutex_);
    const auto have = static_cast<int64_t>(item->answers.size());
    missing = std::min(project.k - have, kTriesPerAnswer * project.k - item->begun);
    first = item->begun;
    item->begun += missing;
    item->under_way = missing;
  }
  if (missing <= 0) return finish(item);
  for (int64_t i = first; i < first + missing; ++i) {
    const std::string model =
        project.models.empty() ? "" : project.models[static_cast<size_t>(i) % project.models.size()];
    json sampling = project.sampling;
    if (!sampling.contains("temperature")) sampling["temperature"] = 1;
    if (sampling.contains("seed") && sampling["seed"].is_number_integer())
      sampling["seed"] = sampling["seed"].get<int64_t>() + i;
    write(item->person, model, sampling, item->asked.messages, [this, item, model](Result<std::string> text) {
      came(item, model.empty() && default_model_ ? default_model_() : model, std::move(text));
    });
  }
}

void AnswerWriter::came(const std::shared_ptr<Item>& item, const std::string& model, Result<std::string> text) {
  bool failed = false;
  {
    std::lock_guard lock(mutex_);
    if (!text.ok()) {
      item->trouble = text.error();
    } else if (std::none_of(item->answers.begin(), item->answers.end(),
                            [&](const json& answer) { return answer["content"] == *text; })) {
      item->answers.push_back({{"content", *text}, {"model", model}, {"sampling", item->project.sampling}});
    }
    if (--item->under_way > 0) return;
    failed = !item->trouble.empty();
  }
  // The sink that has called this must not wait.
  if (!background_.add([this, item, failed] { failed ? finish(item) : begin(item); })) finish(item);
}

void AnswerWriter::finish(const std::shared_ptr<Item>& item) {
  std::vector<std::function<void(Status)>> waiting;
  Status status;
  if (item->answers.size() < 2) {
    status = item->trouble.empty() ? Err("the models say the same every time") : Err("{}", item->trouble);
  } else {
    for (json& answer : item->answers)
      answer["model_hash"] = model_hash_ ? model_hash_(answer["model"].get<std::string>()) : "";
    status = queue_.set_answers(item->asked.item, feedback::new_answers(item->answers));
  }
  if (!status.ok()) log_error("studio: {}: no answers: {}", item->asked.item, status.error());
  {
    std::lock_guard lock(mutex_);
    items_.erase(item->asked.item);
    waiting.swap(item->waiting);
  }
  for (const auto& done : waiting) done(status);
}

}  // namespace loquat::app
