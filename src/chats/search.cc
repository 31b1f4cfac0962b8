// Lists and searches. A word is found inside longer ones, as Chinese needs, by an index of trigrams; words of one or
// two characters have none and are looked for in the person's own messages.
#include <utility>

#include "chats/rows.h"

namespace loquat::chats {
namespace {

using database::Row;
using database::Rows;
using database::Sql;
using database::Value;
using database::Values;

constexpr size_t kWords = 6;  // as many as words_of() gives
constexpr int64_t kTrigram = 3;

#define COLUMNS "SELECT c.id, c.kind, c.title, c.pinned, c.system, c.model, c.sampling, c.current, c.created, c.updated"
#define OWN "c.person = $1 AND c.kind = '' AND (c.pinned, c.updated, c.id) < ($2, $3, $4)"
#define ORDER " ORDER BY c.pinned DESC, c.updated DESC, c.id DESC LIMIT $5"
#define ALL_LIKE(column, like)                                                                                      \
  column like "$6 ESCAPE '\\' AND " column like "$7 ESCAPE '\\' AND " column like "$8 ESCAPE '\\' AND " column like \
              "$9 ESCAPE '\\' AND " column like "$10 ESCAPE '\\' AND " column like "$11 ESCAPE '\\'"
// Conversations with a message, the newest one shown, or a title in which all words are.
#define SEARCH(message_has, title_has)                                                                   \
  COLUMNS                                                                                                \
  ", x.content FROM chats_conversations c LEFT JOIN"                                                     \
  " (SELECT m.conversation AS conversation, MAX(m.place) AS place FROM chats_messages m"                 \
  " JOIN chats_conversations o ON o.id = m.conversation WHERE o.person = $1 AND " message_has            \
  " GROUP BY m.conversation) h ON h.conversation = c.id LEFT JOIN chats_messages x ON x.place = h.place" \
  " WHERE " OWN " AND (h.place IS NOT NULL OR (" title_has "))" ORDER

constexpr Sql kList = COLUMNS ", NULL FROM chats_conversations c WHERE " OWN ORDER;
constexpr Sql kByLike = SEARCH(ALL_LIKE("m.content", " LIKE "), ALL_LIKE("c.title", " LIKE "));
constexpr Sql kByIndex = SEARCH(
    "m.place IN (SELECT rowid FROM chats_texts WHERE chats_texts MATCH $12) AND " ALL_LIKE("m.content", " LIKE "),
    "c.number IN (SELECT rowid FROM chats_titles WHERE chats_titles MATCH $12) AND " ALL_LIKE("c.title", " LIKE "));
constexpr Sql kOnPostgres = SEARCH(ALL_LIKE("m.content", " ILIKE "), ALL_LIKE("c.title", " ILIKE "));

int64_t characters(const std::string& word) {
  int64_t count = 0;
  for (const char c : word) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

std::string like(const std::string& word) {
  std::string pattern = "%";
  for (const char c : word) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

std::string quoted(const std::string& word) {
  std::string out = "\"";
  for (const char c : word) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

Result<Rows> Chats::search(const std::string& person, const std::string& query, const Values& from, int64_t limit) {
  Values values = {person};
  values.insert(values.end(), from.begin(), from.end());
  values.emplace_back(limit);
  const std::vector<std::string> words = words_of(query);
  if (words.empty()) return database_->run(kList, values);
  std::string match;
  std::vector<std::string> patterns;
  for (const std::string& word : words) {
    // SQLite's LIKE knows both cases of ASCII letters alone; its index knows all.
    if (database_->is_file() && characters(word) >= kTrigram) {
      match += (match.empty() ? "" : " AND ") + quoted(word);
    } else {
      patterns.push_back(like(word));
    }
  }
  patterns.resize(kWords, "%");
  for (std::string& pattern : patterns) values.emplace_back(std::move(pattern));
  if (!database_->is_file()) return database_->run(kOnPostgres, values);
  if (match.empty()) return database_->run(kByLike, values);
  values.emplace_back(match);
  return database_->run(kByIndex, values);
}

Result<FoundPage> Chats::list(const std::string& person, const std::string& query, const std::string& after,
                              int64_t limit) {
  Values from = {int64_t{2}, int64_t{0}, std::string()};  // before all pinned ones
  if (!after.empty()) {
    TRY(const auto last, find(person, after));
    if (last) from = {int64_t{last->pinned}, last->updated, last->id};
  }
  TRY(const Rows rows, search(person, plain_text(query), from, limit + 1));
  const std::vector<std::string> words = words_of(query);
  FoundPage page;
  for (const Row& row : rows.rows) {
    if (static_cast<int64_t>(page.found.size()) == limit) {
      page.more = true;
      break;
    }
    Found& found = page.found.emplace_back();
    found.conversation = conversation_of(row);
    if (words.empty()) continue;
    found.snippet = snippet_of(row.null(10) ? found.conversation.title : row.text(10), words);
  }
  return page;
}

}  // namespace loquat::chats
