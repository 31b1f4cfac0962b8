// loquat keys create|list|revoke|usage: the API keys of a server. A new key goes to stdout alone, so that a script can
// take it; what is said about it goes to stderr.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "serve/access/access.h"
#include "serve/access/usage.h"

namespace loquat {
namespace {

using serve::Key;
using Json = nlohmann::ordered_json;
using Table = std::vector<std::vector<std::string>>;

struct KeysArguments {
  std::string database;
  bool json = false;
  Key key;
  int64_t expires_days = 0;
  std::string id;
  int64_t days = 30;
};

// Only `create` makes a database: a mistyped path must not look like one without keys.
Result<serve::OpenedKeys> open(const KeysArguments& arguments, bool may_create) {
  if (!may_create && !is_database(arguments.database)) {
    return Err(
        "{}: no such database; `loquat keys create NAME` makes it (--database and $LOQUAT_DATABASE name another)",
        arguments.database);
  }
  return serve::open_keys(arguments.database);
}

std::string date_text(int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}
std::string date_of(int64_t seconds) {
  return date_text(serve::day_of(static_cast<double>(seconds)));
}

size_t width(const std::string& text) {  // characters of UTF-8
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// The first row is the head; columns of `right` are set to the right.
void print_table(const Table& table, const std::vector<bool>& right) {
  std::vector<size_t> widths(right.size(), 0);
  for (const auto& row : table) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width(row[c]));
  }
  for (const auto& row : table) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - width(row[c]), ' ');
      line += (c > 0 ? "  " : "") + (right[c] ? space + row[c] : row[c] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
}

std::string state_of(const Key& key) {
  if (key.revoked != 0) return "revoked " + date_of(key.revoked);
  if (key.expires != 0 && serve::system_seconds() >= static_cast<double>(key.expires)) return "expired";
  return "active";
}

std::string limits_text(const serve::KeyLimits& limits) {
  std::string text;
  const auto add = [&](int64_t limit, const char* unit) {
    if (limit > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", limit, unit);
  };
  add(limits.requests_per_minute, "requests/min");
  add(limits.tokens_per_minute, "tokens/min");
  add(limits.tokens_per_day, "tokens/day");
  add(limits.tokens_per_month, "tokens/month");
  return text.empty() ? "-" : text;
}

Json json_of(const Key& key) {
  const auto or_null = [](int64_t value) { return value == 0 ? Json() : Json(value); };
  return {{"id", key.id},
          {"name", key.name},
          {"tenant", key.tenant},
          {"admin", key.admin},
          {"created", key.created},
          {"expires", or_null(key.expires)},
          {"revoked", or_null(key.revoked)},
          {"requests_per_minute", or_null(key.limits.requests_per_minute)},
          {"tokens_per_minute", or_null(key.limits.tokens_per_minute)},
          {"tokens_per_day", or_null(key.limits.tokens_per_day)},
          {"tokens_per_month", or_null(key.limits.tokens_per_month)}};
}

void print_json(const Json& json) {
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

int create(const KeysArguments& arguments) {
  auto opened = open(arguments, true);
  if (!opened.ok()) return bad_input(opened.error());
  Key wanted = arguments.key;
  if (arguments.expires_days > 0) {
    wanted.expires = static_cast<int64_t>(serve::system_seconds()) + arguments.expires_days * serve::kDaySeconds;
  }
  const auto created = opened->keys->create(wanted);
  if (!created.ok()) return bad_input(created.error());
  const Key& key = created->key;
  if (arguments.json) {
    Json json = json_of(key);
    json["key"] = created->text;
    print_json(json);
  } else {
    std::printf("%s\n", created->text.c_str());
  }
  const std::string known = limits_text(key.limits), limits = known == "-" ? "no limits" : "limits " + known;
  std::fprintf(stderr, "key %s for %s%s: %s; %s. It is shown this once: only its hash is kept in %s.\n", key.id.c_str(),
               key.name.c_str(), key.admin ? " (admin)" : "", limits.c_str(),
               key.expires != 0 ? ("expires " + date_of(key.expires)).c_str() : "does not expire",
               opened->database->name().c_str());
  return 0;
}

int list(const KeysArguments& arguments) {
  auto opened = open(arguments, false);
  if (!opened.ok()) return bad_input(opened.error());
  const auto keys = opened->keys->list();
  if (!keys.ok()) return bad_input(keys.error());
  if (arguments.json) {
    Json json = Json::array();
    for (const Key& key : *keys) json.push_back(json_of(key));
    print_json(json);
    return 0;
  }
  Table table = {{"ID", "NAME", "TENANT", "ADMIN", "CREATED", "EXPIRES", "STATE", "LIMITS"}};
  for (const Key& key : *keys) {
    table.push_back({key.id, key.name, key.tenant, key.admin ? "yes" : "no", date_of(key.created),
                     key.expires != 0 ? date_of(key.expires) : "never", state_of(key), limits_text(key.limits)});
  }
  print_table(table, std::vector<bool>(8, false));
  return 0;
}

int revoke(const KeysArguments& arguments) {
  auto opened = open(arguments, false);
  if (!opened.ok()) return bad_input(opened.error());
  const auto key = opened->keys->revoke(arguments.id);
  if (!key.ok()) return bad_input(key.error());
  if (arguments.json) print_json(json_of(*key));
  std::fprintf(stderr, "key %s (%s) is revoked; servers that run refuse it within a few seconds\n", key->id.c_str(),
               key->name.c_str());
  return 0;
}

int usage(const KeysArguments& arguments) {
  auto opened = open(arguments, false);
  if (!opened.ok()) return bad_input(opened.error());
  const int64_t first = serve::day_of(serve::system_seconds()) - arguments.days + 1;
  const auto rows = serve::read_usage(*opened->database, first);
  if (!rows.ok()) return bad_input(rows.error());
  if (arguments.json) {
    Json json = Json::array();
    for (const auto& row : *rows) {
      json.push_back({{"day", date_text(row.day)},
                      {"id", row.key_id},
                      {"name", row.name},
                      {"requests", row.usage.requests},
                      {"prompt_tokens", row.usage.prompt_tokens},
                      {"completion_tokens", row.usage.completion_tokens}});
    }
    print_json(json);
    return 0;
  }
  Table table = {{"DAY", "ID", "NAME", "REQUESTS", "PROMPT TOKENS", "COMPLETION TOKENS"}};
  for (const auto& row : *rows) {
    table.push_back({date_text(row.day), row.key_id, row.name, std::to_string(row.usage.requests),
                     std::to_string(row.usage.prompt_tokens), std::to_string(row.usage.completion_tokens)});
  }
  print_table(table, {false, false, false, true, true, true});
  return 0;
}

}  // namespace

void add_keys_verb(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<KeysArguments>();
  CLI::App* verb = app.add_subcommand("keys", "API keys of a server: make, list, revoke; what they used");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* text, int (*run)(const KeysArguments&)) {
    CLI::App* command = verb->add_subcommand(name, text);
    add_database_option(*command, arguments->database);
    command->add_flag("--json", arguments->json, "Print JSON");
    command->callback([arguments, run, &exit_code] { exit_code = run(*arguments); });
    return command;
  };
  const auto whole = CLI::Range(int64_t{1}, int64_t{1} << 50);
  CLI::App* make = add("create", "Make a key; it is printed once", create);
  make->add_option("NAME", arguments->key.name, "Whose or what for")->required();
  make->add_flag("--admin", arguments->key.admin, "May load and unload models and read metrics");
  make->add_option("--tenant", arguments->key.tenant, "Keys of one tenant share prefix caches (else each has its own)");
  serve::KeyLimits& limits = arguments->key.limits;
  make->add_option("--requests-per-minute", limits.requests_per_minute, "Limit")->check(whole);
  make->add_option("--tokens-per-minute", limits.tokens_per_minute, "Limit")->check(whole);
  make->add_option("--tokens-per-day", limits.tokens_per_day, "Quota, by UTC's days")->check(whole);
  make->add_option("--tokens-per-month", limits.tokens_per_month, "Quota, by UTC's months")->check(whole);
  make->add_option("--expires", arguments->expires_days, "Days from now")->check(CLI::Range(1, 36500));
  add("list", "All keys", list);
  add("revoke", "Refuse a key from now on", revoke)->add_option("ID", arguments->id, "As `list` shows it")->required();
  add("usage", "Requests and tokens by day and key", usage)
      ->add_option("--days", arguments->days, "How many, with today")
      ->check(CLI::Range(1, 36500))
      ->capture_default_str();
}

}  // namespace loquat
