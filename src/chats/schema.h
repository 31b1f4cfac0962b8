// The tables of conversations.
#pragma once

#include "database/database.h"

namespace loquat::chats {

// A PostgreSQL that cannot have pg_trgm (not installed, or this user may not create it) gets no index of texts:
// searches look at every message, and a warning says so.
Status migrate_chats(database::Database& database);

}  // namespace loquat::chats
