// The tables of people, their sessions, invitations, settings and of the audit log.
#pragma once

#include "database/database.h"

namespace loquat::people {

Status migrate_people(database::Database& database);

}  // namespace loquat::people
