// Chats that reviewers may read: those of people who allow it now. It is asked in the very statement that reads, so
// that a consent that is taken back counts with the next one. Here tables of people, chats and feedback are read
// together.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chats/chats.h"

namespace loquat::app {

struct ReviewedChat {
  chats::Conversation conversation;
  std::string person;
  bool may_train = false;
  std::string snippet;                    // of a search, as chats::Found has it
  int64_t up = 0, down = 0, flagged = 0;  // answers with a thumb, with flags
};

struct ReviewPage {
  std::vector<ReviewedChat> chats;  // the last changed first
  bool more = false;
};

class Reviews {
 public:
  explicit Reviews(std::shared_ptr<database::Database> database) : database_(std::move(database)) {}

  struct Wanted {
    std::string reviewer;  // whose own chats are not among them; "": nobody's
    std::string query;     // words, as Chats::list has them
    std::string feedback;  // "any", "down", "flags": with such feedback; "": all
    std::string after;     // the id of the last one of the page before, or ""
    int64_t limit = 50;
  };
  Result<ReviewPage> list(const Wanted& wanted);
  // Nothing: there is none, or it may not be read (any more). Without counts.
  Result<std::optional<ReviewedChat>> find(const std::string& reviewer, const std::string& id);
  // What its person said of its messages while they allowed that it is read, by message.
  Result<std::map<std::string, nlohmann::json>> feedback(const std::string& conversation);

 private:
  const std::shared_ptr<database::Database> database_;
};

bool is_review_filter(const std::string& feedback);

}  // namespace loquat::app
