// Settings of one verb or recipe section: typed values by dotted key, with the file and line they came from. Reading a key
// declares it; finish() then reports, in one message, the first wrong type or unknown key with its line and the nearest key
// that was declared. A copy and a section share the values and the reads. TOML files become Settings in store/toml.h; `--set key=value` lays over them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"

namespace loquat {

struct SettingValue {
  std::variant<bool, int64_t, double, std::string, std::vector<std::string>, std::vector<double>> value;
  std::string source;  // "recipes/town.toml:12" or "--set"
};

class Settings {
 public:
  Settings();
  void set(const std::string& key, SettingValue value);  // a later one wins
  Status set_from_argument(const std::string& key_equals_value);  // TOML's value syntax; a bare word is a string
  bool has(const std::string& key) const;  // a key, or a section with at least one key

  // The value, or `fallback` where the key is absent. A wrong type is kept for finish() and gives the fallback. Integers are
  // accepted as numbers.
  int64_t integer(const std::string& key, int64_t fallback, int64_t low = INT64_MIN, int64_t high = INT64_MAX);
  double number(const std::string& key, double fallback, double low = -1e300, double high = 1e300);
  bool flag(const std::string& key, bool fallback);
  std::string text(const std::string& key, const std::string& fallback);
  std::string choice(const std::string& key, const std::string& fallback, const std::vector<std::string>& choices);
  std::vector<std::string> list(const std::string& key, const std::vector<std::string>& fallback);
  std::vector<double> numbers(const std::string& key, const std::vector<double>& fallback);

  // The values under "section." with that prefix removed; reads of it are known to this one's finish().
  Settings section(const std::string& name) const;
  std::vector<std::string> keys() const;
  std::map<std::string, SettingValue> values() const;  // of this section; to lay one section over another: set() each
  // An error for the first wrong value or undeclared key.
  Status finish() const;
  std::string canonical() const;  // sorted key = value lines: what recipe hashes are made of

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::string prefix_;
};

}  // namespace loquat
