// Lists and searches. A word is found inside longer ones, as Chinese needs, by an index of trigrams; words of one or
// two characters have none and are looked for in the person's own messages.
#include "chats/search.h"

#include <utility>

#include "chats/rows.h"

namespace loquat::chats {
namespace {

using database::Row;
using database::Rows;
using database::Sql;
using database::Value;
using database::Values;

constexpr int64_t kTrigram = 3;

#define COLUMNS "SELECT " CHATS_CONVERSATION_COLUMNS
#define OWN "c.person = $1 AND c.kind = '' AND (c.pinned, c.updated, c.id) < ($2, $3, $4)"
#define ORDER " ORDER BY c.pinned DESC, c.updated DESC, c.id DESC LIMIT $5"
// Conversations with a message, the newest one shown, or a title in which all words are.
#define SEARCH(message_has, title_has)                                                                   \
  COLUMNS                                                                                                \
  ", x.content FROM chats_conversations c LEFT JOIN"                                                     \
  " (SELECT m.conversation AS conversation, MAX(m.place) AS place FROM chats_messages m"                 \
  " JOIN chats_conversations o ON o.id = m.conversation WHERE o.person = $1 AND " message_has            \
  " GROUP BY m.conversation) h ON h.conversation = c.id LEFT JOIN chats_messages x ON x.place = h.place" \
  " WHERE " OWN " AND (h.place IS NOT NULL OR (" title_has "))" ORDER

constexpr Sql kList = COLUMNS ", NULL FROM chats_conversations c WHERE " OWN ORDER;
constexpr Sql kByLike = SEARCH(CHATS_ALL_LIKE("m.content", " LIKE "), CHATS_ALL_LIKE("c.title", " LIKE "));
constexpr Sql kByIndex = SEARCH(CHATS_TEXT_MATCHES("m", "$12") " AND " CHATS_ALL_LIKE("m.content", " LIKE "),
                                CHATS_TITLE_MATCHES("c", "$12") " AND " CHATS_ALL_LIKE("c.title", " LIKE "));
constexpr Sql kOnPostgres = SEARCH(CHATS_ALL_LIKE("m.content", " ILIKE "), CHATS_ALL_LIKE("c.title", " ILIKE "));

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

SearchWords search_words(const std::string& query, bool is_file) {
  SearchWords out;
  for (const std::string& word : words_of(query)) {
    out.any = true;
    // SQLite's LIKE knows both cases of ASCII letters alone; its index knows all.
    if (is_file && characters(word) >= kTrigram) {
      out.match += (out.match.empty() ? "" : " AND ") + quoted(word);
    } else {
      out.patterns.emplace_back(like(word));
    }
  }
  out.patterns.resize(kSearchWords, "%");
  return out;
}

Result<Rows> Chats::search(const std::string& person, const std::string& query, const Values& from, int64_t limit) {
  Values values = {person};
  values.insert(values.end(), from.begin(), from.end());
  values.emplace_back(limit);
  const SearchWords words = search_words(query, database_->is_file());
  if (!words.any) return database_->run(kList, values);
  values.insert(values.end(), words.patterns.begin(), words.patterns.end());
  if (!database_->is_file()) return database_->run(kOnPostgres, values);
  if (words.match.empty()) return database_->run(kByLike, values);
  values.emplace_back(words.match);
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
