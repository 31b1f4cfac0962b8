#include "cli/verbs.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

namespace loquat {

int bad_input(const std::string& message) {
  std::fprintf(stderr, "loquat: %s\n", message.c_str());
  return 2;
}

WeightType weight_type(const std::string& name) {
  return name == "int8" ? WeightType::kInt8 : name == "int4" ? WeightType::kInt4 : WeightType::kCompute;
}

void add_database_option(CLI::App& verb, std::string& database) {
  const char* given = std::getenv("LOQUAT_DATABASE");
  database = given != nullptr && *given != '\0' ? given : "loquat.db";
  verb.add_option("--database", database, "SQLite file, or postgres://USER@HOST/NAME ($LOQUAT_DATABASE)")
      ->capture_default_str();
}

CLI::Option* add_weights_option(CLI::App& verb, std::string& name) {
  return verb
      .add_option("--weights", name, "bf16, or quantised to int8 or int4; a folder that is quantised already stays so")
      ->check(CLI::IsMember({"bf16", "int8", "int4"}))
      ->capture_default_str();
}

}  // namespace loquat
