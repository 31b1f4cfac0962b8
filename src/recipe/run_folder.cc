#include "recipe/run_folder.h"

#include <nlohmann/json.hpp>

#include "store/files.h"

namespace loquat::recipe {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const RunIdentity& id) {
  return {{"recipe", id.recipe},
          {"scale", id.scale},
          {"seed", id.seed},
          {"world_seed", id.world_seed},
          {"recipe_hash", id.recipe_hash}};
}

Result<Json> read_json(const std::string& path) {
  TRY(const std::string text, read_file(path));
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Err("{}: not a JSON object; remove the file to do its work again", path);
  return json;
}

}  // namespace

Result<RunFolder> RunFolder::open(const std::string& path, const RunIdentity& identity) {
  TRY_STATUS(make_folders(path));
  RunFolder folder;
  folder.path_ = path;
  const std::string file = folder.file("run.json");
  const Json mine = to_json(identity);
  if (!file_exists(file)) {
    TRY_STATUS(write_file(file, mine.dump(2) + "\n"));
  } else {
    TRY(const Json found, read_json(file));
    for (const auto& [key, value] : mine.items()) {
      if (found.contains(key) && found[key] == value) continue;
      return Err("{} holds a run with {} {}, and this one has {}; choose another --out or remove the folder", path, key,
                 found.contains(key) ? found[key].dump() : "unknown", value.dump());
    }
  }
  for (const char* sub : {"data", "models", "stages", "eval", "world"}) TRY_STATUS(make_folders(path + "/" + sub));
  return folder;
}

bool RunFolder::finished(const std::string& stage_name) const {
  return file_exists(stage(stage_name) + "/done.json");
}

Result<StageRecord> RunFolder::record(const std::string& stage_name) const {
  TRY(const Json json, read_json(stage(stage_name) + "/done.json"));
  StageRecord record;
  try {
    record.name = json.at("name");
    record.seconds = json.at("seconds");
    record.tokens = json.at("tokens");
    record.figures = json.at("figures").get<std::map<std::string, double>>();
    record.guards = json.at("guards").get<std::vector<std::string>>();
  } catch (const Json::exception& e) {
    return Err("{}/done.json: {}", stage(stage_name), e.what());
  }
  return record;
}

Status RunFolder::finish(const StageRecord& record) const {
  TRY_STATUS(make_folders(stage(record.name)));
  const Json json = {{"name", record.name},
                     {"seconds", record.seconds},
                     {"tokens", record.tokens},
                     {"figures", record.figures},
                     {"guards", record.guards}};
  return write_file(stage(record.name) + "/done.json", json.dump(2) + "\n");
}

}  // namespace loquat::recipe
