// Weights in several safetensors files, and the index that says which tensor is where. The index is read as a header
// is: by a handler that knows its levels, so that repeated names are seen.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_depth.h"
#include "store/safetensors.h"

namespace loquat {
namespace {

// { "metadata": anything, "weight_map": { tensor: file } }
class IndexReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::map<std::string, std::string> weight_map;
  bool has_map = false;
  std::string problem;

  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t) override { return other(); }
  bool number_unsigned(number_unsigned_t) override { return other(); }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }

  bool string(string_t& text) override {
    if (!in_map_ || depth_ != 2) return other();
    weight_map[tensor_] = text;
    return true;
  }
  bool start_object(size_t) override {
    if (in_map_ && depth_ == 2) return other();
    ++depth_;
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ == 0 || in_map_) return other();
    ++depth_;
    return true;
  }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }

  bool key(string_t& name) override {
    if (depth_ == 1) {
      if (!top_.insert(name).second) return fail(fmt::format("'{}' stands twice", name));
      in_map_ = name == "weight_map";
      has_map = has_map || in_map_;
    } else if (in_map_) {
      tensor_ = name;
      if (!weight_map.emplace(name, "").second) return fail(fmt::format("weight_map: tensor '{}' stands twice", name));
    }
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fail(fmt::format("not JSON at its byte {}", position));
  }

 private:
  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }
  bool end() {
    --depth_;
    return true;
  }
  // A value where only weight_map's structure has a say.
  bool other() {
    if (depth_ == 0) return fail("expected a JSON object");
    if (!in_map_) return true;
    if (depth_ == 1) return fail("weight_map: expected an object");
    return fail(fmt::format("weight_map: tensor '{}': expected the name of a file", tensor_));
  }

  int depth_ = 0;
  bool in_map_ = false;
  std::string tensor_;
  std::set<std::string> top_;
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

Result<std::map<std::string, std::string>> read_index(const std::string& path) {
  TRY(const std::string text, read_file(path));
  if (json_nests_deeper(text)) return Err("{}: lists or objects within one another too deep", path);
  IndexReader reader;
  if (!nlohmann::json::sax_parse(text, &reader))
    return Err("{}: {}", path, reader.problem.empty() ? "not JSON" : reader.problem);
  if (!reader.has_map) return Err("{}: expected a weight_map", path);
  for (const auto& [tensor, file] : reader.weight_map) {
    if (file.find('/') != std::string::npos || file.find('\0') != std::string::npos || file.starts_with('.'))
      return Err("{}: weight_map: tensor '{}': '{}' does not lie in this folder", path, tensor, file);
    if (!file.ends_with(".safetensors"))
      return Err("{}: weight_map: tensor '{}': found '{}', expected a .safetensors file", path, tensor, file);
  }
  return std::move(reader.weight_map);
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open_index(const std::string& path) {
  TRY(const auto weight_map, read_index(path));
  std::set<std::string> shards;
  for (const auto& [tensor, file] : weight_map) shards.insert(file);
  SafetensorsFile all;
  all.path_ = path;
  for (const std::string& name : shards) {
    const std::string shard_path = folder_of(path) + name;
    if (!file_exists(shard_path)) return Err("{}: the shard {} is missing", path, shard_path);
    TRY(SafetensorsFile shard, open(shard_path));
    for (TensorEntry& tensor : shard.tensors_) {
      const auto listed = weight_map.find(tensor.name);
      if (listed == weight_map.end())
        return Err("{}: tensor '{}' of {} is not in the index", path, tensor.name, shard_path);
      if (listed->second != name)
        return Err("{}: tensor '{}' is in {}, the index has it in {}", path, tensor.name, name, listed->second);
      all.index_.emplace(tensor.name, all.tensors_.size());
      all.tensors_.push_back(std::move(tensor));
    }
    if (all.files_.empty()) all.metadata_ = std::move(shard.metadata_);
    all.files_.push_back(std::move(shard.files_.front()));
  }
  for (const auto& [tensor, file] : weight_map)
    if (!all.find(tensor)) return Err("{}: tensor '{}' is not in {}, where the index has it", path, tensor, file);
  return all;
}

std::string safetensors_path(const std::string& folder) {
  const std::string path = folder + "/model.safetensors", index = path + ".index.json";
  return !file_exists(path) && file_exists(index) ? index : path;
}

Result<SafetensorsFile> SafetensorsFile::open_folder(const std::string& folder) {
  const std::string path = safetensors_path(folder);
  return path.ends_with(".json") ? open_index(path) : open(path);
}

Result<std::vector<std::string>> safetensors_files(const std::string& folder) {
  std::vector<std::string> files = {safetensors_path(folder)};
  if (!files[0].ends_with(".json")) return files;
  TRY(const auto weight_map, read_index(files[0]));
  std::set<std::string> shards;
  for (const auto& [tensor, file] : weight_map) shards.insert(folder + "/" + file);
  files.insert(files.end(), shards.begin(), shards.end());
  return files;
}

namespace {

// The first tensor of each shard.
Result<std::vector<size_t>> cut(std::span<const TensorInfo> tensors, uint64_t max_bytes, uint64_t* total) {
  std::vector<size_t> begins;
  uint64_t in_shard = 0;
  *total = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    auto size = tensor_byte_size(tensors[i].dtype, tensors[i].shape);
    if (!size) return Err("tensor '{}': {}", tensors[i].name, size.error());
    if (begins.empty() || *size > max_bytes || in_shard > max_bytes - *size) {
      begins.push_back(i);
      in_shard = 0;
    }
    in_shard += *size;
    *total += *size;
  }
  return begins;
}

// model-00001-of-00002.safetensors and its kind, model.safetensors and its index, but for those that are `kept`.
void remove_others(const std::string& folder, const std::set<std::string>& kept) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool weights = name == "model.safetensors" || name == "model.safetensors.index.json" ||
                         (name.starts_with("model-") && name.ends_with(".safetensors"));
    if (weights && !kept.contains(name)) std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace

Status write_safetensors_folder(const std::string& folder, std::span<const TensorInfo> tensors,
                                const std::map<std::string, std::string>& metadata, const TensorBytes& bytes,
                                uint64_t max_bytes) {
  uint64_t total = 0;
  auto begins = cut(tensors, max_bytes, &total);
  if (!begins) return Err("{}: {}", folder, begins.error());
  std::set<std::string> written = {"model.safetensors"};
  if (begins->size() < 2) {
    TRY_STATUS(write_safetensors(folder + "/model.safetensors", tensors, metadata, bytes));
    remove_others(folder, written);
    return {};
  }
  // Without its index a folder of shards has no weights: so it never has some of two models.
  std::error_code ignored;
  std::filesystem::remove(folder + "/model.safetensors.index.json", ignored);
  written = {"model.safetensors.index.json"};
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = total;
  begins->push_back(tensors.size());
  for (size_t s = 0; s + 1 < begins->size(); ++s) {
    const size_t begin = begins->at(s);
    const auto part = tensors.subspan(begin, begins->at(s + 1) - begin);
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, begins->size() - 1);
    TRY_STATUS(write_safetensors(folder + "/" + name, part, metadata, [&](size_t i) { return bytes(begin + i); }));
    for (const TensorInfo& tensor : part) index["weight_map"][tensor.name] = name;
    written.insert(name);
  }
  TRY_STATUS(write_file(folder + "/model.safetensors.index.json", index.dump(2) + "\n"));
  remove_others(folder, written);
  return {};
}

Status write_safetensors_folder(const std::string& folder, std::span<const TensorEntry> tensors,
                                const std::map<std::string, std::string>& metadata, uint64_t max_bytes) {
  std::vector<TensorInfo> infos;
  for (const TensorEntry& t : tensors) infos.push_back({t.name, t.dtype, t.shape});
  const auto bytes = [&](size_t i) -> Result<std::span<const uint8_t>> { return tensors[i].bytes; };
  return write_safetensors_folder(folder, infos, metadata, bytes, max_bytes);
}

}  // namespace loquat
