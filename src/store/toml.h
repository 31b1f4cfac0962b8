// TOML files as Settings: tables become dotted keys, every value remembers its line.
#pragma once

#include <string>

#include "base/result.h"
#include "base/settings.h"

namespace loquat {

// Arrays hold strings or numbers; arrays of tables are numbered ("stage.0.name"). Errors: the file, the line, what is wrong.
Result<Settings> read_toml(const std::string& path);
Result<Settings> parse_toml(const std::string& text, const std::string& path);  // `path` is only for messages

}  // namespace loquat
