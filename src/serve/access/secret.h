// The server's secret: what API keys are hashed with, so that a stolen database alone lets nobody test a key against
// it; and what the keys of other servers' models are sealed with (people/secret_box.h).
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/result.h"
#include "database/database.h"

namespace loquat::serve {

using KeySecret = std::array<unsigned char, 32>;

// $LOQUAT_KEY_SECRET (64 hex digits), the same on all servers that share a database; else, with SQLite, the file
// "DATABASE.secret" (mode 0600), with `make` made where there is none. nullopt: there is none.
Result<std::optional<KeySecret>> find_key_secret(const database::Database& database, bool make);
// The same with `make`; that there is none (PostgreSQL without the variable) is an error.
Result<KeySecret> load_key_secret(const database::Database& database);

}  // namespace loquat::serve
