#include "app/reviews.h"

#include "chats/rows.h"
#include "chats/search.h"

namespace loquat::app {
namespace {

using database::Row;
using database::Rows;
using database::Sql;
using database::Values;
using nlohmann::json;

// A chat of the person's own (no blind comparison), of somebody who allows it.
#define ALLOWED(c)                                               \
  c ".kind = '' AND " c                                          \
    ".current <> '' AND EXISTS (SELECT 1 FROM people_settings s" \
    " WHERE s.person = " c ".person AND s.asked = 1 AND s.may_review = 1)"
// feedback_messages keeps JSON without blanks and with its keys' order; within a text every quote has a backslash.
#define SAID "FROM feedback_messages f WHERE f.conversation = c.id AND f.may_review = 1"
#define DOWN " AND f.feedback LIKE '%\"thumb\":\"down\"%'"
#define UP " AND f.feedback LIKE '%\"thumb\":\"up\"%'"
#define FLAGS " AND f.feedback NOT LIKE '%\"flags\":[]%'"
#define COLUMNS                                                                                                 \
  "SELECT " CHATS_CONVERSATION_COLUMNS ", c.person, (SELECT COUNT(*) " SAID UP "), (SELECT COUNT(*) " SAID DOWN \
  "), (SELECT COUNT(*) " SAID FLAGS ")"
// $1: the filter; $2, $3: from where; $4: how many; $5: whose are left out.
#define WANTED                                                                                                  \
  ALLOWED("c")                                                                                                  \
  " AND c.person <> $5 AND (c.updated, c.id) < ($2, $3) AND ($1 = '' OR ($1 = 'any' AND EXISTS (SELECT 1 " SAID \
  ")) OR ($1 = 'down' AND EXISTS (SELECT 1 " SAID DOWN ")) OR ($1 = 'flags' AND EXISTS (SELECT 1 " SAID FLAGS ")))"
#define ORDER " ORDER BY c.updated DESC, c.id DESC LIMIT $4"
#define SEARCH(message_has, title_has)                                                                    \
  COLUMNS                                                                                                 \
  ", x.content FROM chats_conversations c LEFT JOIN (SELECT m.conversation AS conversation, MAX(m.place)" \
  " AS place FROM chats_messages m JOIN chats_conversations o ON o.id = m.conversation WHERE " ALLOWED(   \
      "o") " AND " message_has                                                                            \
           " GROUP BY m.conversation) h ON h.conversation = c.id LEFT JOIN chats_messages x"              \
           " ON x.place = h.place WHERE " WANTED " AND (h.place IS NOT NULL OR (" title_has "))" ORDER

constexpr Sql kList = COLUMNS ", NULL FROM chats_conversations c WHERE " WANTED ORDER;
constexpr Sql kByLike = SEARCH(CHATS_ALL_LIKE("m.content", " LIKE "), CHATS_ALL_LIKE("c.title", " LIKE "));
constexpr Sql kByIndex = SEARCH(CHATS_TEXT_MATCHES("m", "$12") " AND " CHATS_ALL_LIKE("m.content", " LIKE "),
                                CHATS_TITLE_MATCHES("c", "$12") " AND " CHATS_ALL_LIKE("c.title", " LIKE "));
constexpr Sql kOnPostgres = SEARCH(CHATS_ALL_LIKE("m.content", " ILIKE "), CHATS_ALL_LIKE("c.title", " ILIKE "));

Result<Rows> read(database::Database& database, const Reviews::Wanted& wanted, Values values) {
  const chats::SearchWords words = chats::search_words(chats::plain_text(wanted.query), database.is_file());
  if (!words.any) return database.run(kList, values);
  values.insert(values.end(), words.patterns.begin(), words.patterns.end());
  if (!database.is_file()) return database.run(kOnPostgres, values);
  if (words.match.empty()) return database.run(kByLike, values);
  values.emplace_back(words.match);
  return database.run(kByIndex, values);
}

}  // namespace

bool is_review_filter(const std::string& feedback) {
  return feedback.empty() || feedback == "any" || feedback == "down" || feedback == "flags";
}

Result<ReviewPage> Reviews::list(const Wanted& wanted) {
  int64_t updated = int64_t{1} << 60;
  if (!wanted.after.empty()) {
    TRY(const auto last, find(wanted.reviewer, wanted.after));
    if (last) updated = last->conversation.updated;
  }
  TRY(const Rows rows,
      read(*database_, wanted, {wanted.feedback, updated, wanted.after, wanted.limit + 1, wanted.reviewer}));
  const std::vector<std::string> words = chats::words_of(chats::plain_text(wanted.query));
  ReviewPage page;
  for (const Row& row : rows.rows) {
    if (static_cast<int64_t>(page.chats.size()) == wanted.limit) {
      page.more = true;
      break;
    }
    ReviewedChat& chat = page.chats.emplace_back();
    chat.conversation = chats::conversation_of(row);
    chat.person = row.text(10);
    chat.up = row.integer(11);
    chat.down = row.integer(12);
    chat.flagged = row.integer(13);
    if (!words.empty()) chat.snippet = chats::snippet_of(row.null(14) ? chat.conversation.title : row.text(14), words);
  }
  return page;
}

Result<std::optional<ReviewedChat>> Reviews::find(const std::string& reviewer, const std::string& id) {
  TRY(const Rows rows,
      database_->run("SELECT " CHATS_CONVERSATION_COLUMNS
                     ", c.person, (SELECT a.may_train FROM people_settings a WHERE a.person = "
                     "c.person) FROM chats_conversations c WHERE c.id = $1 AND c.person <> $2 AND " ALLOWED("c"),
                     {id, reviewer}));
  if (rows.rows.empty()) return std::optional<ReviewedChat>();
  ReviewedChat chat;
  chat.conversation = chats::conversation_of(rows.rows[0]);
  chat.person = rows.rows[0].text(10);
  chat.may_train = rows.rows[0].integer(11) != 0;
  return std::optional(std::move(chat));
}

Result<std::map<std::string, json>> Reviews::feedback(const std::string& conversation) {
  TRY(const Rows rows,
      database_->run("SELECT message, feedback FROM feedback_messages WHERE conversation = $1 AND may_review = 1",
                     {conversation}));
  std::map<std::string, json> out;
  for (const Row& row : rows.rows) {
    json said = json::parse(row.text(1), nullptr, false);
    if (said.is_object()) out[row.text(0)] = std::move(said);
  }
  return out;
}

}  // namespace loquat::app
