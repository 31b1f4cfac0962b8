// The tables of feedback and of the studio, and what all of this module stores in them alike: ids, times, JSON.
//
// Who writes tasks or labels of a project first takes the project's row (lock_project), so that what is counted then
// stays true until the transaction ends, on SQLite and on PostgreSQL alike.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "database/database.h"

namespace loquat::feedback {

using Clock = std::function<int64_t()>;  // seconds since 1970
int64_t system_clock();

Status migrate(database::Database& database);

std::string new_id(const std::string& prefix);  // cannot be guessed: 128 bits of the system's randomness

// Within the transaction alone nobody else changes this project's tasks and labels. False: there is no such project.
Result<bool> lock_project(database::Session& session, const std::string& project);

// JSON kept as text: bytes that are not UTF-8 become U+FFFD.
std::string stored(const nlohmann::json& value);
nlohmann::json from_stored(const std::string& text);  // null where it is "" or no JSON

}  // namespace loquat::feedback
