// The dataset files of dataset.h: reading them whole, writing them whole or not at all.
#include "data/dataset.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/counted.h"
#include "data/items.h"
#include "data/jsonl.h"
#include "data/shapes.h"
#include "store/files.h"

namespace loquat {
namespace {

using nlohmann::json;

template <typename T, typename F>
Status write_items(const std::string& path, const std::vector<T>& items, F to_line) {
  TRY(AtomicFile file, AtomicFile::open(path));
  for (const T& item : items) {
    const std::string line = to_line(item) + "\n";
    TRY_STATUS(file.write(line.data(), line.size()));
  }
  return file.commit();
}

}  // namespace

Error nothing_in(const std::string& path, std::string_view expected) {
  std::error_code error;
  const bool empty = std::filesystem::is_regular_file(path, error) && std::filesystem::file_size(path, error) == 0;
  return Err("{}: found no usable example{}, expected at least one {}", path, empty ? ": the file is empty" : "",
             expected);
}

Result<std::vector<std::string>> read_texts(const std::string& path) {
  std::vector<std::string> out;
  TRY_STATUS(read_items(path, [&](const json& row, const std::string& shape, const std::string&) -> Status {
    TRY(std::string text, text_of_row(row, shape));
    if (!text.empty()) out.push_back(std::move(text));
    return {};
  }));
  if (out.empty()) return nothing_in(path, "{\"text\": \"...\"} that is not empty");
  return out;
}

Result<std::vector<Demonstration>> read_demonstrations(const std::string& path, int64_t* passed_over) {
  std::vector<Demonstration> out;
  int64_t unwanted = 0;
  TRY_STATUS(read_items(path, [&](const json& row, const std::string& shape, const std::string& id) -> Status {
    if (is_rejected_reply(row)) {
      ++unwanted;
      return {};
    }
    TRY(Demonstration item, demonstration_of_row(row, shape));
    if (item.id.empty()) item.id = id;
    out.push_back(std::move(item));
    return {};
  }));
  if (passed_over != nullptr) *passed_over = unwanted;
  if (out.empty()) return nothing_in(path, "{\"messages\": [...]} with a reply");
  return out;
}

Result<std::vector<Ranking>> read_rankings(const std::string& path, int64_t* passed_over) {
  std::vector<Ranking> out;
  int64_t unused = 0;
  TRY_STATUS(read_items(path, [&](const json& row, const std::string& shape, const std::string& id) -> Status {
    TRY(std::optional<Ranking> item, ranking_of_row(row, shape));
    if (!item) {
      ++unused;
      return {};
    }
    if (item->id.empty()) item->id = id;
    out.push_back(*std::move(item));
    return {};
  }));
  if (passed_over != nullptr) *passed_over = unused;
  if (out.empty() && unused > 0) {
    return Err(
        "{}: found no usable example: {} a single reply or two equal ones; expected \"chosen\" and "
        "\"rejected\" replies to one prompt",
        path, counted(unused, "line judges", "lines judge"));
  }
  if (out.empty()) return nothing_in(path, "{\"prompt\", \"chosen\", \"rejected\"}");
  return out;
}

Result<std::vector<Messages>> read_prompts(const std::string& path) {
  std::vector<Messages> out;
  TRY_STATUS(read_items(path, [&](const json& row, const std::string& shape, const std::string&) -> Status {
    TRY(Messages prompt, prompt_of_row(row, shape));
    out.push_back(std::move(prompt));
    return {};
  }));
  if (out.empty()) return nothing_in(path, "{\"messages\": [...]} or {\"prompt\": ...}");
  return out;
}

Status write_texts(const std::string& path, const std::vector<std::string>& texts) {
  return write_items(path, texts, [](const std::string& text) { return text_to_json(text); });
}

Status write_demonstrations(const std::string& path, const std::vector<Demonstration>& items) {
  return write_items(path, items, [](const Demonstration& item) { return to_json(item); });
}

Status write_rankings(const std::string& path, const std::vector<Ranking>& items) {
  return write_items(path, items, [](const Ranking& item) { return to_json(item); });
}

Status write_prompts(const std::string& path, const std::vector<Messages>& items) {
  return write_items(path, items, [](const Messages& item) { return prompt_to_json(item); });
}

}  // namespace loquat
