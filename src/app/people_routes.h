// Sessions, settings, people, invitations and the audit log (docs/page-api.md). Local mode has the session, the
// settings and the log alone.
#pragma once

#include "app/people_desk.h"
#include "app/router.h"

namespace loquat::app {

void add_people_routes(Router& router, PeopleDesk& desk, bool accounts);  // all of them; the desk outlives the router
void add_people_admin_routes(Router& router, PeopleDesk& desk);
void add_oidc_routes(Router& router, PeopleDesk& desk);
void add_audit_routes(Router& router, PeopleDesk& desk);

// What the routes of people share.
nlohmann::json settings_json(const people::Settings& settings);
serve::ApiError unavailable(const std::string& error);  // the database's; said in the log
serve::ApiError too_many(double wait);                  // 429
// body[name] as text; an error where it is missing or no text.
std::variant<std::string, serve::ApiError> text_in(const nlohmann::json& body, const std::string& name);

}  // namespace loquat::app
