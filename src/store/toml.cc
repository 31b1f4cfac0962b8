// TOML through toml++: the tree becomes dotted keys in the order in which they stand in the file.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include "store/toml.h"

#include <toml++/toml.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "store/files.h"

namespace loquat {
namespace {

struct Found {
  std::string key;
  SettingValue value;
  uint32_t line = 0;
  uint32_t column = 0;
};

class Walk {
 public:
  explicit Walk(const std::string& path) : path_(path) {}

  Status table(const std::string& prefix, const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name.empty() || name.find('.') != std::string::npos)
        return Err("{}:{}: key '{}': expected a name without a dot", path_, line_of(node), name);
      TRY_STATUS(this->node(prefix + name, node));
    }
    return {};
  }

  std::vector<Found> take() { return std::move(found_); }

 private:
  static uint32_t line_of(const toml::node& node) { return node.source().begin.line; }

  Status node(const std::string& key, const toml::node& node) {
    if (const auto* table = node.as_table()) return this->table(key + ".", *table);
    if (const auto* array = node.as_array()) return this->array(key, *array);
    if (const auto* x = node.as_boolean()) return add(key, node, x->get());
    if (const auto* x = node.as_integer()) return add(key, node, x->get());
    if (const auto* x = node.as_floating_point()) return add(key, node, x->get());
    if (const auto* x = node.as_string()) return add(key, node, x->get());
    return Err("{}:{}: '{}' is a date or time: expected a text, number, true or false, or a list", path_, line_of(node),
               key);
  }

  template <typename T>
  Status add(const std::string& key, const toml::node& node, T value) {
    const auto at = node.source().begin;
    found_.push_back({key, {std::move(value), fmt::format("{}:{}", path_, at.line)}, at.line, at.column});
    return {};
  }

  Status array(const std::string& key, const toml::array& array) {
    if (array.is_array_of_tables()) {
      for (size_t i = 0; i < array.size(); ++i) TRY_STATUS(table(fmt::format("{}.{}.", key, i), *array[i].as_table()));
      return {};
    }
    std::vector<std::string> texts;
    std::vector<double> numbers;
    for (const toml::node& item : array) {
      if (const auto* text = item.as_string()) {
        texts.push_back(text->get());
      } else if (const auto* integer = item.as_integer()) {
        numbers.push_back(static_cast<double>(integer->get()));
      } else if (const auto* number = item.as_floating_point()) {
        numbers.push_back(number->get());
      } else {
        return Err("{}:{}: '{}': a list holds texts or numbers, or is a list of [[tables]]", path_, line_of(item), key);
      }
    }
    if (!texts.empty() && !numbers.empty())
      return Err("{}:{}: '{}': texts and numbers in one list: expected one kind", path_, line_of(array), key);
    if (!numbers.empty()) return add(key, array, std::move(numbers));
    return add(key, array, std::move(texts));
  }

  const std::string& path_;
  std::vector<Found> found_;
};

}  // namespace

Result<Settings> parse_toml(const std::string& text, const std::string& path) {
  const toml::parse_result parsed = toml::parse(std::string_view(text));
  if (!parsed) {
    const auto& error = parsed.error();
    return Err("{}:{}: {}", path, error.source().begin.line, std::string_view(error.description()));
  }
  Walk walk(path);
  TRY_STATUS(walk.table("", parsed.table()));
  std::vector<Found> found = walk.take();
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.line != b.line ? a.line < b.line : a.column < b.column;
  });
  Settings settings;
  for (Found& f : found) settings.set(f.key, std::move(f.value));
  return settings;
}

Result<Settings> read_toml(const std::string& path) {
  TRY(const std::string text, read_file(path));
  size_t at = 0;
  if (!is_utf8(text, &at)) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    return Err("{}:{}: not UTF-8 text (byte {} of the file)", path, line, at);
  }
  return parse_toml(text, path);
}

}  // namespace loquat
