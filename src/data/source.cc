#include "data/source.h"

#include <glob.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "store/toml.h"

namespace loquat {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int kMostEntries = 10'000;

struct Entry {
  std::vector<std::string> paths;
  std::optional<double> weight;
  std::string shape, split;
  ColumnMap map;
  int64_t limit = 0;
};

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> ends) {
  for (const std::string_view packed : {".gz", ".zst"})
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return name.ends_with(end); });
}

// What stands beside the data of a folder and is none: hidden files, cards, descriptions.
bool is_beside(std::string_view name) {
  return name.starts_with('.') || name.starts_with('_') || name.starts_with("README") || name.starts_with("LICENSE") ||
         name == "dataset_info.json" || name == "dataset_infos.json" || name == "state.json";
}

Result<std::vector<std::string>> folder_files(const std::string& path) {
  std::vector<std::string> rows, texts;
  std::error_code error;
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    if (is_beside(name)) {
      if (it->is_directory(error)) it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file(error)) continue;
    if (ends_with_any(name, {".jsonl", ".ndjson", ".json", ".csv", ".tsv"})) rows.push_back(it->path());
    if (ends_with_any(name, {".txt", ".md"})) texts.push_back(it->path());
  }
  if (error) return Err("{}: cannot read the folder: {}", path, error.message());
  std::vector<std::string>& found = rows.empty() ? texts : rows;
  if (found.empty())
    return Err("{}: the folder holds no data file, expected .jsonl, .json, .csv, .tsv, .txt or .md", path);
  std::sort(found.begin(), found.end());
  return std::move(found);
}

Result<std::vector<std::string>> files_of(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return folder_files(path);
  if (fs::exists(path, error) || path.find_first_of("*?[") == path.npos) return std::vector<std::string>{path};
  ::glob_t found{};
  const int result = ::glob(path.c_str(), 0, nullptr, &found);
  std::vector<std::string> files;
  for (size_t i = 0; result == 0 && i < found.gl_pathc; ++i)
    if (fs::is_regular_file(found.gl_pathv[i], error)) files.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  if (files.empty()) return Err("{}: no file has such a name", path);
  return files;
}

// PATH@WEIGHT, where no file has this very name.
Result<Entry> entry_of_path(const std::string& path) {
  Entry entry;
  entry.paths = {path};
  std::error_code error;
  const size_t at = path.rfind('@');
  if (at == path.npos || at == 0 || fs::exists(path, error)) return entry;
  const std::string number = path.substr(at + 1);
  char* end = nullptr;
  const double weight = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0') return entry;  // a name with an @ in it
  if (!std::isfinite(weight) || weight <= 0) return Err("{}: found the weight {}, expected more than 0", path, number);
  entry.paths = {path.substr(0, at)};
  entry.weight = weight;
  return entry;
}

Entry entry_of_settings(Settings s) {
  Entry entry;
  entry.paths = s.list("paths", {});
  if (const std::string path = s.text("path", ""); !path.empty()) entry.paths.insert(entry.paths.begin(), path);
  const bool weighted = s.has("weight");
  if (const double weight = s.number("weight", 1, 1e-9, 1e9); weighted) entry.weight = weight;
  std::vector<std::string> names;
  for (const Shape& shape : shapes()) names.emplace_back(shape.name);
  names.emplace_back("");
  entry.shape = s.choice("shape", "", names);
  entry.split = s.text("split", "");
  entry.limit = s.integer("limit", 0, 0);
  Settings map = s.section("map");
  for (const std::string& name : map.keys()) entry.map.emplace_back(name, map.text(name, ""));
  return entry;
}

ordered_json to_json(const Entry& entry) {
  ordered_json out;
  out["paths"] = entry.paths;
  if (entry.weight) out["weight"] = *entry.weight;
  if (!entry.shape.empty()) out["shape"] = entry.shape;
  if (!entry.split.empty()) out["split"] = entry.split;
  if (entry.limit > 0) out["limit"] = entry.limit;
  for (const auto& [name, column] : entry.map) out["map"][name] = column;
  return out;
}

// A table as JSON, through the same reader as TOML's.
Result<Entry> entry_of_json(const std::string& text) {
  const auto table = ordered_json::parse(text, nullptr, false);
  if (!table.is_object()) return Err("{}: not JSON, expected a table: {{\"path\": ...}}", text);
  Settings settings;
  const auto set = [&](const std::string& key, const ordered_json& value) {
    SettingValue out;
    out.source = "a table of data";
    if (value.is_boolean())
      out.value = value.get<bool>();
    else if (value.is_number_integer())
      out.value = value.get<int64_t>();
    else if (value.is_number())
      out.value = value.get<double>();
    else if (value.is_string())
      out.value = value.get<std::string>();
    else {
      std::vector<std::string> list;
      for (const auto& item : value)
        if (item.is_string()) list.push_back(item.get<std::string>());
      out.value = std::move(list);
    }
    settings.set(key, std::move(out));
  };
  for (const auto& [key, value] : table.items()) {
    if (!value.is_object())
      set(key, value);
    else
      for (const auto& [name, column] : value.items()) set(key + "." + name, column);
  }
  Entry entry = entry_of_settings(settings);
  TRY_STATUS(settings.finish());
  return entry;
}

Result<std::vector<Entry>> entries_of_mixture(const std::string& path) {
  TRY(Settings settings, read_toml(path));
  std::vector<Entry> entries;
  for (int i = 0; settings.has(fmt::format("mixture.{}", i)); ++i) {
    if (i >= kMostEntries) return Err("{}: more than {} entries", path, kMostEntries);
    entries.push_back(entry_of_settings(settings.section(fmt::format("mixture.{}", i))));
  }
  TRY_STATUS(settings.finish());
  if (entries.empty()) return Err("{}: found no [[mixture]], expected at least one, with a path", path);
  return entries;
}

Result<DataSource> source_of(Entry entry, const std::string& where) {
  if (entry.paths.empty()) return Err("{}: found no path, expected path = \"...\" or paths = [...]", where);
  DataSource out;
  for (const std::string& path : entry.paths) {
    if (path.ends_with(".toml")) return Err("{}: {}: a mixture within a mixture is not read", where, path);
    out.name += (out.name.empty() ? "" : ", ") + path;
    TRY(const std::vector<std::string> files, files_of(path));
    out.files.insert(out.files.end(), files.begin(), files.end());
  }
  out.weight = entry.weight;
  out.shape = std::move(entry.shape);
  out.split = std::move(entry.split);
  out.map = std::move(entry.map);
  out.limit = entry.limit;
  return out;
}

}  // namespace

std::string DataSource::path() const {
  if (settings().empty() && files.size() == 1) return files[0];
  return to_json({files, weight, shape, split, map, limit})
      .dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string DataSource::settings() const {
  Entry entry{{}, weight, shape, split, map, limit};
  ordered_json out = to_json(entry);
  out.erase("paths");
  return out.empty() ? "" : out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<std::vector<DataSource>> data_sources(const std::string& path) {
  std::vector<Entry> entries;
  if (path.starts_with('{')) {
    TRY(Entry entry, entry_of_json(path));
    entries.push_back(std::move(entry));
  } else if (path.ends_with(".toml")) {
    TRY(entries, entries_of_mixture(path));
  } else {
    TRY(Entry entry, entry_of_path(path));
    entries.push_back(std::move(entry));
  }
  std::vector<DataSource> sources;
  for (Entry& entry : entries) {
    TRY(DataSource source, source_of(std::move(entry), path));
    sources.push_back(std::move(source));
  }
  return sources;
}

Result<std::vector<DataSource>> data_sources(const std::vector<std::string>& paths) {
  std::vector<DataSource> all;
  for (const std::string& path : paths) {
    TRY(std::vector<DataSource> sources, data_sources(path));
    std::move(sources.begin(), sources.end(), std::back_inserter(all));
  }
  return all;
}

std::vector<double> mixture_weights(const std::vector<DataSource>& sources) {
  std::vector<double> weights;
  if (std::none_of(sources.begin(), sources.end(), [](const DataSource& s) { return s.weight.has_value(); }))
    return weights;
  for (const DataSource& source : sources) weights.push_back(source.weight.value_or(1));
  return weights;
}

std::vector<std::string> data_paths(Settings& settings, const std::string& key,
                                    const std::vector<std::string>& fallback) {
  if (!settings.has(key + ".0")) return settings.list(key, fallback);
  std::vector<std::string> paths;
  for (int i = 0; i < kMostEntries && settings.has(fmt::format("{}.{}", key, i)); ++i)
    paths.push_back(to_json(entry_of_settings(settings.section(fmt::format("{}.{}", key, i)))).dump());
  return paths;
}

Status for_each_row(const DataSource& source, const SourceRowFunction& f, std::vector<RowFile>* files) {
  int64_t left = source.limit > 0 ? source.limit : INT64_MAX;
  bool enough = false;
  for (const std::string& file : source.files) {
    if (left == 0) break;
    RowFile about;
    const Status status = for_each_row(
        file, source.split,
        [&](const RowPlace& place, nlohmann::json& row) -> Status {
          if (left == 0) {
            enough = true;
            return Err("enough");  // ends the reading
          }
          --left;
          if (!source.map.empty()) TRY_STATUS(rename_columns(row, source.map));
          return f(file, place, row);
        },
        &about);
    if (!status.ok() && !enough) return status;
    if (files != nullptr) files->push_back(std::move(about));
  }
  return {};
}

}  // namespace loquat
