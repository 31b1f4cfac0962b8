// Searching what was said, for whoever reads conversations by a statement of their own (Chats::list reads one
// person's). A statement's $6 to $11 are the words' patterns; where the index is used, one more value is what must
// match.
#pragma once

#include "chats/chats.h"

namespace loquat::chats {

inline constexpr size_t kSearchWords = 6;  // as many as words_of() gives

struct SearchWords {
  bool any = false;           // there are words
  database::Values patterns;  // kSearchWords of LIKE; "%" where there is no word
  std::string match;          // for SQLite's index; "": it cannot help
};
// `is_file`: the database is SQLite.
SearchWords search_words(const std::string& query, bool is_file);

}  // namespace loquat::chats

// conversation_of() reads these (rows.h); the table is named c.
#define CHATS_CONVERSATION_COLUMNS \
  "c.id, c.kind, c.title, c.pinned, c.system, c.model, c.sampling, c.current, c.created, c.updated"
// `like`: " LIKE " or PostgreSQL's " ILIKE ".
#define CHATS_ALL_LIKE(column, like)                                                                                \
  column like "$6 ESCAPE '\\' AND " column like "$7 ESCAPE '\\' AND " column like "$8 ESCAPE '\\' AND " column like \
              "$9 ESCAPE '\\' AND " column like "$10 ESCAPE '\\' AND " column like "$11 ESCAPE '\\'"
#define CHATS_TEXT_MATCHES(table, value) \
  table ".place IN (SELECT rowid FROM chats_texts WHERE chats_texts MATCH " value ")"
#define CHATS_TITLE_MATCHES(table, value) \
  table ".number IN (SELECT rowid FROM chats_titles WHERE chats_titles MATCH " value ")"
