// A program without toml++ (toml.h).
#include "store/toml.h"

namespace loquat {

Result<Settings> parse_toml(const std::string&, const std::string& path) {
  return Err("{}: this program was built without toml++; give every setting by --set", path);
}

Result<Settings> read_toml(const std::string& path) {
  return parse_toml("", path);
}

}  // namespace loquat
