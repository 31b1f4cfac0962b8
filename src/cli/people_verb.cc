// loquat people invite|list|disable|enable|roles: the accounts of a server. The first admin comes by an invitation made
// here. Its link goes to stdout alone; what is said about it goes to stderr.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "people/accounts.h"
#include "people/audit.h"
#include "people/schema.h"
#include "people/words.h"

namespace loquat {
namespace {

using people::Account;
using people::Accounts;
using Json = nlohmann::ordered_json;

struct PeopleArguments {
  std::string database, url = "http://localhost:8080", who;
  bool json = false;
  people::Invitation invitation;
  std::vector<std::string> roles;
  int64_t days = people::Invitations::kDefaultDays;
};

struct Opened {
  std::shared_ptr<database::Database> database;
  Accounts accounts;
  people::Invitations invitations;
  people::Audit audit;
};

// Only `invite` makes a database: a mistyped path must not look like one without people.
Result<Opened> open(const PeopleArguments& arguments, bool may_create) {
  if (!may_create && !is_database(arguments.database)) {
    return Err(
        "{}: no such database; `loquat people invite --role admin` makes it (--database and $LOQUAT_DATABASE "
        "name another)",
        arguments.database);
  }
  TRY(const auto database, database::Database::open(arguments.database));
  TRY_STATUS(people::migrate_people(*database));
  const people::Clock clock = people::system_clock_seconds;
  return Opened{database, Accounts(database, clock), people::Invitations(database, clock),
                people::Audit(database, clock)};
}

std::string date_of(int64_t seconds) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{seconds / people::kDay}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::string roles_text(unsigned roles) {
  std::string text;
  for (const std::string& name : people::role_names(roles)) text += (text.empty() ? "" : ",") + name;
  return text;
}

Json json_of(const Account& account) {
  return {{"id", account.person.id},          {"email", account.person.email},
          {"name", account.person.name},      {"roles", people::role_names(account.person.roles)},
          {"created", account.created},       {"seen", account.seen == 0 ? Json() : Json(account.seen)},
          {"disabled", account.disabled != 0}};
}

void print_json(const Json& json) {
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

int invite(const PeopleArguments& arguments) {
  std::string base = arguments.url;
  while (base.ends_with('/')) base.pop_back();
  if (!base.starts_with("https://") && !base.starts_with("http://"))
    return bad_input("--url: found " + arguments.url +
                     ", expected the server's address, such as https://chat.example.org");
  auto opened = open(arguments, true);
  if (!opened.ok()) return bad_input(opened.error());
  people::Invitation wanted = arguments.invitation;
  const auto roles = people::roles_of(arguments.roles);
  if (!roles.ok()) return bad_input(roles.error());
  wanted.roles = *roles;
  if (!wanted.email.empty()) {
    const auto email = people::normal_email(wanted.email);
    if (!email.ok()) return bad_input("--email: " + email.error());
    wanted.email = *email;
  }
  const auto made = opened->invitations.make(wanted, arguments.days);
  if (!made.ok()) return bad_input(made.error());
  opened->audit.add("", "invited", made->invitation.id, {{"roles", people::role_names(wanted.roles)}});
  const std::string link = base + "/join/" + made->token;
  if (arguments.json) {
    print_json({{"id", made->invitation.id}, {"link", link}, {"expires", made->invitation.expires}});
  } else {
    std::printf("%s\n", link.c_str());
  }
  std::fprintf(stderr,
               "an invitation as %s%s%s, good once until %s. It is shown this once: only its hash is kept in %s.\n",
               roles_text(wanted.roles).c_str(), wanted.email.empty() ? "" : " for ", wanted.email.c_str(),
               date_of(made->invitation.expires).c_str(), opened->database->name().c_str());
  return 0;
}

int list(const PeopleArguments& arguments) {
  auto opened = open(arguments, false);
  if (!opened.ok()) return bad_input(opened.error());
  const auto accounts = opened->accounts.list();
  if (!accounts.ok()) return bad_input(accounts.error());
  if (arguments.json) {
    Json json = Json::array();
    for (const Account& account : *accounts) json.push_back(json_of(account));
    print_json(json);
    return 0;
  }
  std::printf("%-22s  %-10s  %-10s  %-8s  %-30s  %s\n", "ID", "CREATED", "SEEN", "STATE", "ROLES", "E-MAIL");
  for (const Account& account : *accounts) {
    std::printf("%-22s  %-10s  %-10s  %-8s  %-30s  %s\n", account.person.id.c_str(), date_of(account.created).c_str(),
                account.seen == 0 ? "never" : date_of(account.seen).c_str(),
                account.disabled != 0 ? "disabled" : "active", roles_text(account.person.roles).c_str(),
                account.person.email.c_str());
  }
  return 0;
}

// WHO: an id, or an e-mail address.
Result<Account> find(Opened& opened, const std::string& who) {
  const auto email = people::normal_email(who);
  TRY(const auto found, email.ok() ? opened.accounts.by_email(*email) : opened.accounts.by_id(who));
  if (!found) return Err("{}: nobody is '{}' (`loquat people list` shows all)", opened.database->name(), who);
  return *found;
}

int change(const PeopleArguments& arguments, const Accounts::Change& change, const nlohmann::json& detail) {
  auto opened = open(arguments, false);
  if (!opened.ok()) return bad_input(opened.error());
  const auto found = find(*opened, arguments.who);
  if (!found.ok()) return bad_input(found.error());
  const auto changed = opened->accounts.change(found->person.id, change);
  if (!changed.ok()) return bad_input(changed.error());
  if (changed->refusal != Accounts::Refusal::kNone)
    return bad_input(found->person.email + " is the last admin who can sign in: make another one first");
  opened->audit.add("", "person_changed", found->person.id, detail);
  const Account& account = changed->value;
  if (arguments.json) print_json(json_of(account));
  std::fprintf(stderr, "%s (%s): %s, %s\n", account.person.email.c_str(), account.person.id.c_str(),
               roles_text(account.person.roles).c_str(),
               account.disabled != 0 ? "disabled; signed out everywhere" : "active");
  return 0;
}

int disable(const PeopleArguments& arguments) {
  return change(arguments, {.disabled = true}, {{"disabled", true}});
}

int enable(const PeopleArguments& arguments) {
  return change(arguments, {.disabled = false}, {{"disabled", false}});
}

int set_roles(const PeopleArguments& arguments) {
  const auto roles = people::roles_of(arguments.roles);
  if (!roles.ok()) return bad_input(roles.error());
  return change(arguments, {.roles = *roles}, {{"roles", people::role_names(*roles)}});
}

}  // namespace

void add_people_verb(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<PeopleArguments>();
  CLI::App* verb = app.add_subcommand("people", "Accounts of a server's page: invite, list, disable, roles");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* text, int (*run)(const PeopleArguments&)) {
    CLI::App* command = verb->add_subcommand(name, text);
    add_database_option(*command, arguments->database);
    command->add_flag("--json", arguments->json, "Print JSON");
    command->callback([arguments, run, &exit_code] { exit_code = run(*arguments); });
    return command;
  };
  const char* roles = "user, labeler, red_teamer, reviewer, admin; several may be given";
  CLI::App* make = add("invite", "Make a link by which one person can join; it is printed once", invite);
  make->add_option("--role", arguments->roles, roles)->required()->delimiter(',');
  make->add_option("--email", arguments->invitation.email, "Only for this address");
  make->add_option("--days", arguments->days, "Good for so long")
      ->check(CLI::Range(int64_t{1}, people::Invitations::kMostDays))
      ->capture_default_str();
  make->add_option("--url", arguments->url, "Where the server is, as people reach it")->capture_default_str();
  add("list", "All accounts", list);
  const char* who = "An e-mail address, or an id as `list` shows it";
  add("disable", "Sign a person out and keep them out", disable)->add_option("WHO", arguments->who, who)->required();
  add("enable", "Let a person in again", enable)->add_option("WHO", arguments->who, who)->required();
  CLI::App* change_roles = add("roles", "Give a person these roles instead of theirs", set_roles);
  change_roles->add_option("WHO", arguments->who, who)->required();
  change_roles->add_option("ROLE", arguments->roles, roles)->required();
}

}  // namespace loquat
