// The dataset files of dataset.h: reading them whole, writing them whole or not at all.
#include "data/dataset.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "data/jsonl.h"
#include "store/files.h"

namespace loquat {
namespace {

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == line.npos;
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename();
}

std::string name_at(const std::string& path, int64_t line) {
  return fmt::format("{}:{}", file_name(path), line);
}

// f(line number, line) for every line that is not blank; its errors get the file and the line.
template <typename F>
Status read_items(const std::string& path, F f) {
  return for_each_line(path, [&](int64_t number, std::string_view line) -> Status {
    if (is_blank(line)) return {};
    const Status status = f(number, line);
    if (!status.ok()) return Err("{}: line {}: {}", path, number, status.error());
    return {};
  });
}

Error nothing_in(const std::string& path, std::string_view expected) {
  return Err("{}: found no usable example, expected at least one {}", path, expected);
}

bool is_text_file(const std::string& path) {
  std::string_view name = path;
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  }
  return name.ends_with(".txt");
}

Result<std::string> read_text_file(const std::string& path) {
  std::string text;
  if (path.ends_with(".txt")) {
    TRY(text, read_file(path));
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // a byte order mark
  } else {
    TRY_STATUS(for_each_line(path, [&](int64_t, std::string_view line) -> Status {
      text.append(line).push_back('\n');
      return {};
    }));
  }
  size_t bad = 0;
  if (is_utf8(text, &bad)) return text;
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
  const size_t start = bad == 0 ? std::string::npos : text.rfind('\n', bad - 1);
  return Err("{}: line {}: not UTF-8: found byte 0x{:02X} at column {}, expected UTF-8 text", path, line,
             static_cast<unsigned char>(text[bad]), start == std::string::npos ? bad + 1 : bad - start);
}

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

Result<std::vector<std::string>> read_texts(const std::string& path) {
  std::vector<std::string> out;
  if (is_text_file(path)) {
    TRY(std::string text, read_text_file(path));
    if (!is_blank(text)) out.push_back(std::move(text));
  } else {
    TRY_STATUS(read_items(path, [&](int64_t, std::string_view line) -> Status {
      TRY(std::string text, text_from_json(line));
      if (!text.empty()) out.push_back(std::move(text));
      return {};
    }));
  }
  if (out.empty()) return nothing_in(path, "{\"text\": \"...\"} that is not empty");
  return out;
}

Result<std::vector<Demonstration>> read_demonstrations(const std::string& path) {
  std::vector<Demonstration> out;
  TRY_STATUS(read_items(path, [&](int64_t number, std::string_view line) -> Status {
    TRY(Demonstration item, demonstration_from_json(line));
    if (item.id.empty()) item.id = name_at(path, number);
    out.push_back(std::move(item));
    return {};
  }));
  if (out.empty()) return nothing_in(path, "{\"messages\": [...]} with a reply");
  return out;
}

Result<std::vector<Ranking>> read_rankings(const std::string& path, int64_t* passed_over) {
  std::vector<Ranking> out;
  int64_t unused = 0;
  TRY_STATUS(read_items(path, [&](int64_t number, std::string_view line) -> Status {
    TRY(std::optional<Ranking> item, ranking_from_json(line));
    if (!item) {
      ++unused;
      return {};
    }
    if (item->id.empty()) item->id = name_at(path, number);
    out.push_back(*std::move(item));
    return {};
  }));
  if (passed_over != nullptr) *passed_over = unused;
  if (out.empty() && unused > 0) {
    return Err(
        "{}: found no usable example: {} lines judge a single reply or compare two equal ones; expected \"chosen\" and "
        "\"rejected\" replies to one prompt",
        path, unused);
  }
  if (out.empty()) return nothing_in(path, "{\"prompt\", \"chosen\", \"rejected\"}");
  return out;
}

Result<std::vector<Messages>> read_prompts(const std::string& path) {
  std::vector<Messages> out;
  TRY_STATUS(read_items(path, [&](int64_t, std::string_view line) -> Status {
    TRY(Messages prompt, prompt_from_json(line));
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
