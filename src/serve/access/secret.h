// The server's secret: what API keys are hashed with, so that a stolen database alone lets nobody test a key against
// it.
#pragma once

#include <array>
#include <string>

#include "base/result.h"
#include "database/database.h"

namespace loquat::serve {

using KeySecret = std::array<unsigned char, 32>;

// $LOQUAT_KEY_SECRET (64 hex digits), the same on all servers that share a database; else, with SQLite, the file
// "DATABASE.secret" (mode 0600), made where there is none. PostgreSQL without the variable is an error.
Result<KeySecret> load_key_secret(const database::Database& database);

}  // namespace loquat::serve
