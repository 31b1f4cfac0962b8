#include "chats/chats.h"

#include <algorithm>
#include <map>

#include "chats/rows.h"
#include "chats/schema.h"

namespace loquat::chats {
namespace {

using database::Row;
using database::Rows;
using database::Session;
using database::Value;
using database::Values;
using nlohmann::json;

#define CONVERSATION_COLUMNS \
  "c.id, c.kind, c.title, c.pinned, c.system, c.model, c.sampling, c.current, c.created, c.updated"
#define MESSAGE_COLUMNS                                                                                   \
  "m.id, m.parent, m.role, m.content, m.reasoning, m.tool_calls, m.model, m.model_hash, m.sampling,"      \
  " m.state, m.error, m.created, m.prompt_tokens, m.completion_tokens, m.cached_tokens, m.first_seconds," \
  " m.total_seconds, m.client"

json json_of(const std::string& text, json fallback) {
  json parsed = json::parse(text, nullptr, false);
  return parsed.type() == fallback.type() ? parsed : fallback;
}

Message message_of(const Row& row) {
  Message message;
  message.id = row.text(0);
  message.parent = row.text(1);
  message.role = row.text(2);
  message.content = row.text(3);
  message.reasoning = row.text(4);
  message.tool_calls = json_of(row.text(5), json::array());
  message.model = row.text(6);
  message.model_hash = row.text(7);
  message.sampling = json_of(row.text(8), json::object());
  message.state = row.text(9);
  message.error = row.text(10);
  message.created = row.integer(11);
  if (!row.null(12)) message.usage = Usage{row.integer(12), row.integer(13), row.integer(14)};
  if (!row.null(15)) message.seconds = Seconds{row.real(15), row.real(16)};
  message.client_id = row.text(17);
  return message;
}

Value count_or_null(const std::optional<Usage>& usage, int64_t Usage::*count) {
  return usage ? Value(*usage.*count) : Value();
}
Value seconds_or_null(const std::optional<Seconds>& seconds, double Seconds::*count) {
  return seconds ? Value(*seconds.*count) : Value();
}

Status insert_message(Session& session, const std::string& conversation, const Message& m) {
  TRY_STATUS(session.run(
      "INSERT INTO chats_messages (conversation, id, parent, role, content, reasoning, tool_calls, model, model_hash,"
      " sampling, state, error, created, prompt_tokens, completion_tokens, cached_tokens, first_seconds,"
      " total_seconds, client) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
      " $18, $19)",
      {conversation, m.id, m.parent, m.role, m.content, m.reasoning, m.tool_calls.dump(), m.model, m.model_hash,
       m.sampling.dump(), m.state, m.error, m.created, count_or_null(m.usage, &Usage::prompt_tokens),
       count_or_null(m.usage, &Usage::completion_tokens), count_or_null(m.usage, &Usage::cached_tokens),
       seconds_or_null(m.seconds, &Seconds::first), seconds_or_null(m.seconds, &Seconds::total), m.client_id}));
  for (size_t i = 0; i < m.files.size(); ++i) {
    TRY_STATUS(session.run("INSERT INTO chats_files (message, place, name, bytes, text) VALUES ($1, $2, $3, $4, $5)",
                           {m.id, static_cast<int64_t>(i), m.files[i].name,
                            static_cast<int64_t>(m.files[i].text.size()), m.files[i].text}));
  }
  return {};
}

Result<bool> exists(Session& session, const std::string& conversation, const std::string& message) {
  TRY(const Rows found,
      session.run("SELECT 1 FROM chats_messages WHERE id = $1 AND conversation = $2", {message, conversation}));
  return !found.rows.empty();
}

}  // namespace

Conversation conversation_of(const Row& row) {
  return {row.text(0),
          row.text(1),
          row.text(2),
          row.integer(3) != 0,
          row.text(4),
          row.text(5),
          json_of(row.text(6), json::object()),
          row.text(7),
          row.integer(8),
          row.integer(9)};
}

Result<std::shared_ptr<Chats>> Chats::open(std::shared_ptr<database::Database> database) {
  std::shared_ptr<Chats> chats(new Chats(std::move(database)));
  TRY_STATUS(migrate_chats(*chats->database_));
  // Where several servers share a database this also meets replies that another is writing; it sets them right when it
  // next saves them.
  TRY_STATUS(chats->database_->run("UPDATE chats_messages SET state = 'stopped', error = $1 WHERE state = 'writing'",
                                   {std::string("The server ended while this was being written.")}));
  return chats;
}

Result<bool> Chats::insert_conversation(Session& session, const std::string& person, const Conversation& made) {
  TRY(const Rows count, session.run("SELECT COUNT(*) FROM chats_conversations WHERE person = $1", {person}));
  if (count.rows.at(0).integer(0) >= kMostConversations) return false;
  TRY_STATUS(session.run(
      "INSERT INTO chats_conversations (id, person, kind, title, pinned, system, model, sampling, current, created,"
      " updated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
      {made.id, person, made.kind, made.title, int64_t{made.pinned}, made.system, made.model, made.sampling.dump(),
       made.current, made.created, made.updated}));
  return true;
}

Result<std::optional<Conversation>> Chats::create(const std::string& person, const Conversation& wanted) {
  Conversation made = wanted;
  made.id = new_id();
  made.current.clear();
  made.created = made.updated = now();
  bool room = true;
  TRY_STATUS(database_->transaction([&](Session& session) -> Status {
    TRY(room, insert_conversation(session, person, made));
    return {};
  }));
  return room ? std::optional(made) : std::nullopt;
}

Result<std::optional<Conversation>> Chats::find(const std::string& person, const std::string& id) {
  TRY(const Rows found,
      database_->run("SELECT " CONVERSATION_COLUMNS " FROM chats_conversations c WHERE c.id = $1 AND c.person = $2",
                     {id, person}));
  if (found.rows.empty()) return std::optional<Conversation>();
  return std::optional(conversation_of(found.rows[0]));
}

Result<std::vector<Message>> Chats::messages(const std::string& person, const std::string& conversation,
                                             bool with_file_texts) {
  TRY(const Rows rows, database_->run("SELECT " MESSAGE_COLUMNS
                                      " FROM chats_messages m JOIN chats_conversations c ON c.id = m.conversation"
                                      " WHERE m.conversation = $1 AND c.person = $2 ORDER BY m.place",
                                      {conversation, person}));
  std::vector<Message> messages;
  std::map<std::string, size_t> at;
  for (const Row& row : rows.rows) {
    at[row.text(0)] = messages.size();
    messages.push_back(message_of(row));
  }
  constexpr database::Sql kWithTexts =
      "SELECT f.message, f.name, f.bytes, f.text FROM chats_files f JOIN chats_messages m ON m.id = f.message"
      " WHERE m.conversation = $1 ORDER BY f.message, f.place";
  constexpr database::Sql kNames =
      "SELECT f.message, f.name, f.bytes, '' FROM chats_files f JOIN chats_messages m ON m.id = f.message"
      " WHERE m.conversation = $1 ORDER BY f.message, f.place";
  TRY(const Rows files, database_->run(with_file_texts ? kWithTexts : kNames, {conversation}));
  for (const Row& row : files.rows) {
    // One that has been added since the messages were read has no place here.
    const auto message = at.find(row.text(0));
    if (message != at.end()) messages[message->second].files.push_back({row.text(1), row.text(3), row.integer(2)});
  }
  return messages;
}

Result<std::vector<Message>> Chats::branch(const std::string& person, const std::string& conversation,
                                           const std::string& leaf) {
  TRY(std::vector<Message> all, messages(person, conversation, true));
  std::map<std::string, size_t> at;
  for (size_t i = 0; i < all.size(); ++i) at[all[i].id] = i;
  std::vector<Message> path;
  std::string wanted = leaf;
  // A parent stands before its child, so that this ends.
  for (auto found = at.find(wanted); found != at.end(); found = at.find(wanted)) {
    wanted = all[found->second].parent;
    path.push_back(std::move(all[found->second]));
    at.erase(found);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

Result<bool> Chats::change(const std::string& person, const std::string& id, const ConversationChange& change) {
  bool done = false;
  TRY_STATUS(database_->transaction([&](Session& session) -> Status {
    TRY(const Rows found,
        session.run("SELECT " CONVERSATION_COLUMNS " FROM chats_conversations c WHERE c.id = $1 AND c.person = $2",
                    {id, person}));
    if (found.rows.empty()) return {};
    if (change.current) {
      TRY(const bool there, exists(session, id, *change.current));
      if (!there) return {};
    }
    // Each by itself: another tab may be changing something else.
    if (change.title)
      TRY_STATUS(session.run("UPDATE chats_conversations SET title = $1 WHERE id = $2", {*change.title, id}));
    if (change.system)
      TRY_STATUS(session.run("UPDATE chats_conversations SET system = $1 WHERE id = $2", {*change.system, id}));
    if (change.model)
      TRY_STATUS(session.run("UPDATE chats_conversations SET model = $1 WHERE id = $2", {*change.model, id}));
    if (change.current)
      TRY_STATUS(session.run("UPDATE chats_conversations SET current = $1 WHERE id = $2", {*change.current, id}));
    if (change.pinned)
      TRY_STATUS(
          session.run("UPDATE chats_conversations SET pinned = $1 WHERE id = $2", {int64_t{*change.pinned}, id}));
    if (change.sampling)
      TRY_STATUS(
          session.run("UPDATE chats_conversations SET sampling = $1 WHERE id = $2", {change.sampling->dump(), id}));
    done = true;
    return {};
  }));
  return done;
}

Result<bool> Chats::remove(const std::string& person, const std::string& id) {
  TRY(const Rows removed,
      database_->run("DELETE FROM chats_conversations WHERE id = $1 AND person = $2", {id, person}));
  return removed.changed > 0;
}

Result<std::vector<std::string>> Chats::ids(const std::string& person) {
  TRY(const Rows rows,
      database_->run("SELECT id FROM chats_conversations WHERE person = $1 AND kind = '' ORDER BY created, number",
                     {person}));
  std::vector<std::string> ids;
  for (const Row& row : rows.rows) ids.push_back(row.text(0));
  return ids;
}

Result<Chats::Added> Chats::add(const std::string& person, const std::string& conversation,
                                std::vector<Message*> messages) {
  Added added = Added::kYes;
  const int64_t time = now();
  for (Message* message : messages) {
    if (message->id.empty()) message->id = new_id();
    message->created = time;
  }
  const Status status = database_->transaction([&](Session& session) -> Status {
    // First, so that two who add at once come one after the other.
    TRY(const Rows own,
        session.run("UPDATE chats_conversations SET current = $1, updated = $2 WHERE id = $3 AND person = $4",
                    {messages.back()->id, time, conversation, person}));
    if (own.changed == 0) {
      added = Added::kMissing;
      return {};
    }
    TRY(const Rows count, session.run("SELECT COUNT(*) FROM chats_messages WHERE conversation = $1", {conversation}));
    if (static_cast<size_t>(count.rows.at(0).integer(0)) + messages.size() > kMostMessages) added = Added::kFull;
    for (const Message* message : messages) {
      if (added != Added::kYes) break;
      if (!message->client_id.empty()) {
        TRY(const Rows sent, session.run("SELECT 1 FROM chats_messages WHERE conversation = $1 AND client = $2",
                                         {conversation, message->client_id}));
        if (!sent.rows.empty()) {
          added = Added::kSent;
          break;
        }
      }
      if (!message->parent.empty()) {
        TRY(const bool there, exists(session, conversation, message->parent));
        if (!there) added = Added::kMissing;
      }
      if (added == Added::kYes) TRY_STATUS(insert_message(session, conversation, *message));
    }
    if (added != Added::kYes) return Err("the messages are not wanted");
    return {};
  });
  if (!status.ok() && added == Added::kYes) return Error{status.error()};
  return added;
}

Result<std::vector<Message>> Chats::sent(const std::string& person, const std::string& conversation,
                                         const std::string& client_id) {
  std::vector<Message> out;
  TRY(const Rows known, database_->run("SELECT id FROM chats_messages WHERE conversation = $1 AND client = $2",
                                       {conversation, client_id}));
  if (known.rows.empty()) return out;
  const std::string id = known.rows[0].text(0);
  TRY(std::vector<Message> all, messages(person, conversation));
  for (Message& message : all) {
    if (message.id == id || (out.size() == 1 && message.parent == id)) out.push_back(std::move(message));
  }
  return out;
}

Result<bool> Chats::save_reply(const Message& m) {
  TRY(const Rows saved,
      database_->run(
          "UPDATE chats_messages SET content = $1, reasoning = $2, tool_calls = $3, model_hash = $4, state = $5,"
          " error = $6, prompt_tokens = $7, completion_tokens = $8, cached_tokens = $9, first_seconds = $10,"
          " total_seconds = $11 WHERE id = $12",
          {m.content, m.reasoning, m.tool_calls.dump(), m.model_hash, m.state, m.error,
           count_or_null(m.usage, &Usage::prompt_tokens), count_or_null(m.usage, &Usage::completion_tokens),
           count_or_null(m.usage, &Usage::cached_tokens), seconds_or_null(m.seconds, &Seconds::first),
           seconds_or_null(m.seconds, &Seconds::total), m.id}));
  return saved.changed > 0;
}

Result<std::optional<Conversation>> Chats::import(const std::string& person, const Conversation& wanted,
                                                  const std::vector<Message>& messages) {
  std::map<std::string, std::string> ids = {{"", ""}};
  Conversation made = wanted;
  made.id = new_id();
  for (const Message& message : messages) {
    if (!ids.emplace(message.id, new_id()).second) return Err("two messages have the same id");
  }
  const auto current = ids.find(made.current);
  made.current = current != ids.end() && !made.current.empty() ? current->second
                 : messages.empty()                            ? ""
                                                               : ids.at(messages.back().id);
  bool room = true;
  TRY_STATUS(database_->transaction([&](Session& session) -> Status {
    TRY(room, insert_conversation(session, person, made));
    if (!room) return {};
    for (Message message : messages) {
      const auto parent = ids.find(message.parent);
      if (parent == ids.end()) return Err("a message's parent is not among the messages");
      message.parent = parent->second;
      message.id = ids.at(message.id);
      TRY_STATUS(insert_message(session, made.id, message));
    }
    return {};
  }));
  return room ? std::optional(made) : std::nullopt;
}

Result<int64_t> Chats::erase_person(const std::string& person) {
  TRY(const Rows removed, database_->run("DELETE FROM chats_conversations WHERE person = $1", {person}));
  return removed.changed;
}

}  // namespace loquat::chats
