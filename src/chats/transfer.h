// Conversations out and in: as JSON that this program reads again, as Markdown for people; in also as lists of OpenAI's
// `messages`. What comes in was written by anybody: it is bounded, nothing in it names what is there already, and a
// conversation that cannot be read is left out with the reason.
#pragma once

#include "chats/chats.h"

namespace loquat::chats {

inline constexpr size_t kMostImported = 5000;            // conversations of one import
inline constexpr size_t kMostImportedMessages = 20'000;  // of one import

// `messages` with their files' texts.
nlohmann::json export_json(const Conversation& conversation, const std::vector<Message>& messages);
// The branch that is shown.
std::string export_markdown(const Conversation& conversation, const std::vector<Message>& branch);
// A user's words with the files as blocks, each under its name: what a model reads.
std::string with_files(const Message& message);

struct Incoming {
  int64_t index = 0;  // in the list, or the line
  Conversation conversation;
  std::vector<Message> messages;  // as Chats::import takes them
  std::string why;                // not "": it cannot be read
};

// {conversations: [...]}, {messages: [...]}, or {text} with either, a list of them or one on each line. An error: it is
// none of these, or has too many.
Result<std::vector<Incoming>> read_import(const nlohmann::json& body);

}  // namespace loquat::chats
