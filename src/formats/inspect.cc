// What a model's folder or file holds.
#include "formats/inspect.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "formats/source.h"
#include "formats/tokenizer_files.h"

namespace loquat {
namespace {

using nlohmann::ordered_json;

// A file's text may be anything: what is no UTF-8 is replaced when it is printed.
std::string as_text(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void add_weights(const ModelSource& source, bool with_tensors, ordered_json& report) {
  report["files"] = ordered_json::array();
  for (const std::string& file : source.files) {
    std::error_code ignored;
    report["files"].push_back({{"name", std::filesystem::path(file).filename().string()},
                               {"bytes", std::filesystem::file_size(file, ignored)}});
  }
  report["architecture"] = source.config.architecture;
  int64_t parameters = 0;
  for (const ParamSpec& spec : source.params) parameters += spec.size();
  report["parameters"] = parameters;
  std::map<std::string, int64_t> dtypes;
  for (const SourceTensor& t : source.tensors) ++dtypes[t.dtype];
  report["dtypes"] = dtypes;
  report["config"] = ordered_json::parse(source.config.to_json());
  report["config"].erase("torch_dtype");
  if (!with_tensors) return;
  report["tensors"] = ordered_json::array();
  for (const SourceTensor& t : source.tensors)
    report["tensors"].push_back({{"name", t.name}, {"dtype", t.dtype}, {"shape", t.shape}});
}

}  // namespace

ordered_json inspect_model(const std::string& path, bool with_tensors) {
  ordered_json report;
  report["path"] = path;
  const auto format = detect_format(path);
  if (!format) {
    report["problem"] = format.error();
    return report;
  }
  report["format"] = source_format_name(*format);
  const auto source = open_source(path);
  if (!source) {
    report["problem"] = source.error();
    return report;
  }
  add_weights(*source, with_tensors, report);
  const auto tokenizer = read_source_tokenizer(*source, "");
  report["tokenizer"] = nullptr;
  report["chat_template"] = false;
  if (!tokenizer) {
    report["problem"] = tokenizer.error();
    return report;
  }
  if (tokenizer->tokenizer)
    report["tokenizer"] = {{"tokens", tokenizer->tokenizer->vocab_size()},
                           {"file", std::filesystem::path(tokenizer->from).filename().string()}};
  report["chat_template"] = !tokenizer->chat_template.empty();
  return report;
}

std::string inspect_text(const ordered_json& report) {
  std::string out;
  const auto line = [&](const char* name, const std::string& text) { out += fmt::format("{:<14}{}\n", name, text); };
  line("path", as_text(report["path"]));
  for (const char* key : {"format", "architecture", "parameters"})
    if (report.contains(key)) line(key, as_text(report[key]));
  if (report.contains("files"))
    for (const auto& file : report["files"])
      line("file", fmt::format("{} ({} bytes)", as_text(file["name"]), as_text(file["bytes"])));
  if (report.contains("dtypes"))
    for (const auto& [dtype, count] : report["dtypes"].items())
      line("dtype", fmt::format("{} ({} tensors)", dtype, as_text(count)));
  if (report.contains("config"))
    for (const auto& [key, value] : report["config"].items())
      line("config", fmt::format("{} = {}", key, as_text(value)));
  if (report.contains("tokenizer")) {
    const auto& tokenizer = report["tokenizer"];
    line("tokenizer", tokenizer.is_null()
                          ? "none"
                          : fmt::format("{} tokens ({})", as_text(tokenizer["tokens"]), as_text(tokenizer["file"])));
    line("chat template", report["chat_template"].get<bool>() ? "yes" : "none");
  }
  if (report.contains("tensors"))
    for (const auto& t : report["tensors"])
      line("tensor", fmt::format("{} {} {}", as_text(t["name"]), as_text(t["dtype"]), as_text(t["shape"])));
  if (report.contains("problem")) line("problem", as_text(report["problem"]));
  return out;
}

}  // namespace loquat
