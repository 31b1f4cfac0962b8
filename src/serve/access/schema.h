// The tables of keys and usage.
#pragma once

#include "base/result.h"
#include "database/database.h"

namespace loquat::serve {

Status migrate_access(database::Database& database);

}  // namespace loquat::serve
