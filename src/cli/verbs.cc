#include "cli/verbs.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <vector>

#include "model/adapter_folder.h"
#include "store/files.h"

namespace loquat {
namespace {

namespace fs = std::filesystem;

bool has_config(const std::string& folder) {
  return file_exists(folder + "/config.json") || is_adapter_folder(folder);
}

// The models' folders right in a folder.
std::set<std::string> models_in(const std::string& folder) {
  std::set<std::string> models;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (has_config(entry.path().string())) models.insert(entry.path().lexically_normal().string());
  }
  return models;
}

}  // namespace

int bad_input(const std::string& message) {
  std::fprintf(stderr, "loquat: %s\n", message.c_str());
  return 2;
}

void add_database_option(CLI::App& verb, std::string& database) {
  const char* given = std::getenv("LOQUAT_DATABASE");
  database = given != nullptr && *given != '\0' ? given : "loquat.db";
  verb.add_option("--database", database, "SQLite file, or postgres://USER@HOST/NAME ($LOQUAT_DATABASE)")
      ->capture_default_str();
}

bool is_database(const std::string& name) {
  std::error_code error;
  if (name.find("://") != std::string::npos) return true;
  return fs::exists(name, error) && !(fs::is_regular_file(name, error) && fs::file_size(name, error) == 0);
}

CLI::Option* add_seed_option(CLI::App& verb, const std::string& name, uint64_t& seed, const std::string& help) {
  return verb.add_option(name, seed, help)->check(CLI::NonNegativeNumber)->capture_default_str();
}

Status check_model_path(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return Err("{}: there is no such folder; expected a model's folder", path);
  if (!fs::is_directory(path, error)) {
    const bool imported = path.ends_with(".gguf") || path.ends_with(".bin");
    return Err("{}: a file; expected a model's folder{}", path,
               imported ? fmt::format(" (`loquat models import {} --out FOLDER` makes one of it)", path) : "");
  }
  if (has_config(path)) return {};
  std::set<std::string> models = models_in(path);
  models.merge(models_in(path + "/models"));
  if (models.empty()) return Err("{}: no config.json is here; expected a model's folder", path);
  return Err("{}: expected one model's folder, such as {}", path, fmt::join(models, ", "));
}

Status check_verb(CLI::App& app, int argc, const char* const* argv) {
  CLI::App* at = &app;
  std::string line = "loquat";
  for (int i = 1; at->get_require_subcommand_min() > 0; ++i) {
    const std::string word = i < argc ? argv[i] : "";
    if (word == "-h" || word == "--help" || (word == "--version" && at == &app)) return {};
    CLI::App* next = nullptr;
    std::vector<std::string> verbs;
    for (CLI::App* one : at->get_subcommands({})) {
      verbs.push_back(one->get_name());
      if (verbs.back() == word) next = one;
    }
    if (next == nullptr) {
      return Err("{}expected one of {} ({} --help tells of each)", i < argc ? "found '" + word + "', " : "",
                 fmt::join(verbs, ", "), line);
    }
    at = next;
    line += " " + word;
  }
  return {};
}

CLI::Option* add_weights_option(CLI::App& verb, std::string& name) {
  return verb
      .add_option("--weights", name, "bf16, or quantised to int8 or int4; a folder that is quantised already stays so")
      ->check(CLI::IsMember({"bf16", "int8", "int4"}))
      ->capture_default_str();
}

}  // namespace loquat
