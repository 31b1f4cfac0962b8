// What people and models said: conversations, each a tree of messages with one leaf that is shown, in SQLite or
// PostgreSQL. Everything is asked for in the name of a person: what belongs to another does not exist. Any thread may
// call. Texts are UTF-8 without NUL bytes (plain_text() makes them so); times are seconds since 1970.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "database/database.h"

namespace loquat::chats {

// Past these, what is written is refused.
inline constexpr size_t kMostMessages = 10'000;        // of a conversation
inline constexpr int64_t kMostConversations = 50'000;  // of a person
inline constexpr size_t kMostTextBytes = 2 << 20;      // of a message
inline constexpr size_t kMostFiles = 20;               // of a message
inline constexpr size_t kMostFileBytes = 2 << 20;      // of a message's files together
inline constexpr size_t kMostSystemBytes = 256 << 10;
inline constexpr size_t kMostTitleBytes = 400;
inline constexpr size_t kMostNameBytes = 200;  // of a model's or a file's name

struct File {
  std::string name;
  std::string text;  // "" where files are only listed
  int64_t bytes = 0;
};

struct Usage {
  int64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
};

struct Seconds {
  double first = 0, total = 0;  // to the first piece, to the end
};

struct Message {
  std::string id;
  std::string parent;  // "": it begins the conversation
  std::string role;    // "user" or "assistant"
  std::string content, reasoning;
  nlohmann::json tool_calls = nlohmann::json::array();  // [{id, name, arguments}]
  std::vector<File> files;
  std::string model, model_hash;
  nlohmann::json sampling = nlohmann::json::object();
  std::string state = "done";  // "writing", "done", "stopped", "cut", "failed"
  std::string error;
  int64_t created = 0;
  std::optional<Usage> usage;
  std::optional<Seconds> seconds;
  std::string client_id;  // the page's own name for what it sent, so that it may send it twice; "": none
};

struct Conversation {
  std::string id;
  std::string kind;  // "": a chat of the person's own; others are not listed, searched or exported
  std::string title;
  bool pinned = false;
  std::string system, model;
  nlohmann::json sampling = nlohmann::json::object();
  std::string current;  // the leaf that is shown, or ""
  int64_t created = 0, updated = 0;
};

// What is not set stays as it is.
struct ConversationChange {
  std::optional<std::string> title, system, model, current;
  std::optional<bool> pinned;
  std::optional<nlohmann::json> sampling;
};

struct Found {
  Conversation conversation;
  std::string snippet;  // of a search: the text around the hit, which stands between U+0001 and U+0002
};

struct FoundPage {
  std::vector<Found> found;  // pinned ones first, then the last changed
  bool more = false;
};

class Chats {
 public:
  // Makes the tables. A reply that was being written when its server ended is "stopped" from here on.
  static Result<std::shared_ptr<Chats>> open(std::shared_ptr<database::Database> database);

  // `wanted`'s id and times are made anew. Nothing: the person has too many.
  Result<std::optional<Conversation>> create(const std::string& person, const Conversation& wanted);
  Result<std::optional<Conversation>> find(const std::string& person, const std::string& id);
  // In the order in which they were written.
  Result<std::vector<Message>> messages(const std::string& person, const std::string& conversation,
                                        bool with_file_texts = false);
  // From the first message to `leaf`, with the files' texts; empty where there is no such message.
  Result<std::vector<Message>> branch(const std::string& person, const std::string& conversation,
                                      const std::string& leaf);
  // False: there is none, or `current` is no message of it.
  Result<bool> change(const std::string& person, const std::string& id, const ConversationChange& change);
  Result<bool> remove(const std::string& person, const std::string& id);
  // `query`: words that a title or a message all have ("": all conversations). `after`: the id of the last one of the
  // page before, or "".
  Result<FoundPage> list(const std::string& person, const std::string& query, const std::string& after, int64_t limit);
  Result<std::vector<std::string>> ids(const std::string& person);

  // Adds messages, each of which may be the parent of a later one, and makes the last the leaf that is shown. Ids,
  // where they have none, and times are filled in.
  // kMissing: there is no such conversation, or no such parent in it; kSent: a message of this client_id is in it.
  enum class Added { kYes, kMissing, kFull, kSent };
  Result<Added> add(const std::string& person, const std::string& conversation, std::vector<Message*> messages);
  // The message of this client_id and, where there is one, the first answer to it; empty where it was not sent.
  Result<std::vector<Message>> sent(const std::string& person, const std::string& conversation,
                                    const std::string& client_id);
  // Everything of a reply that changes while it is written. False: it has been removed.
  Result<bool> save_reply(const Message& message);
  // A whole conversation at once, its times as they are. Each message's `id` and `parent`, and `wanted.current`, are
  // names within `messages`, parents before their children; ids are made anew. Nothing: the person has too many.
  Result<std::optional<Conversation>> import(const std::string& person, const Conversation& wanted,
                                             const std::vector<Message>& messages);
  // All of a person's; the number of conversations.
  Result<int64_t> erase_person(const std::string& person);

 private:
  explicit Chats(std::shared_ptr<database::Database> database) : database_(std::move(database)) {}
  Result<bool> insert_conversation(database::Session& session, const std::string& person, const Conversation& made);
  Result<database::Rows> search(const std::string& person, const std::string& query, const database::Values& from,
                                int64_t limit);

  const std::shared_ptr<database::Database> database_;
};

std::string new_id();  // 26 characters that cannot be guessed
int64_t now();
// NUL bytes and bytes that are no UTF-8 become U+FFFD.
std::string plain_text(std::string text);
// The first words of a message, in one line.
std::string title_of(std::string_view message);
// About `width` characters around the first of `words` that is found (letters of either case), marked; "" where none
// is.
std::string snippet_of(std::string_view text, const std::vector<std::string>& words, size_t width = 120);
std::vector<std::string> words_of(std::string_view query);
// "": it may be stored; else what is wrong with it, in words for people.
std::string trouble_with(const Message& message);
std::string trouble_with(const Conversation& conversation);

}  // namespace loquat::chats
