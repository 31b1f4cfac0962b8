// Whole models in and out.
#include "formats/convert.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "formats/tokenizer_files.h"
#include "store/files.h"
#include "tokenizer/chat_template.h"

namespace loquat {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

std::string name_of(const std::string& path) {
  const fs::path p = fs::path(path).lexically_normal();
  return (p.has_filename() ? p.filename() : p.parent_path().filename()).string();
}

// Folders hold F32, F16 and BF16; what was quantised comes out as half precision, which loses less of it than bfloat16.
Result<GgufType> choose_type(const std::string& dtype, const ModelSource& source, bool to_gguf) {
  if (dtype.empty()) {
    const GgufTypeInfo* own = find_gguf_type(source.dtype);
    const bool kept = own && (to_gguf ? own->writable : own->block == 1);
    return kept ? own->type : GgufType::kF16;
  }
  TRY(const GgufType type, parse_dtype(dtype));
  if (!to_gguf && gguf_type_info(type).block != 1)
    return Err("dtype {}: a folder holds f32, f16 or bf16; expected a .gguf file as the target (or `loquat quantize`)",
               dtype);
  return type;
}

// A folder's own config.json is kept, keys that this program does not know included.
Result<std::string> config_text(const ModelSource& source, GgufType type) {
  if (source.format != SourceFormat::kFolder) return source.config.to_json(torch_dtype(type));
  TRY(const std::string text, read_file(source.path + "/config.json"));
  ordered_json config = ordered_json::parse(text);  // it has been read before
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = torch_dtype(type);
  return config.dump(2) + "\n";
}

// Where the model comes from: its files' names, sizes and hashes.
Result<std::string> import_record(const ModelSource& source, const SourceTokenizer& tokenizer, GgufType type) {
  ordered_json record;
  record["format"] = source_format_name(source.format);
  record["source"] = name_of(source.path);
  record["source_dtype"] = source.dtype;
  record["dtype"] = gguf_type_info(type).name;
  std::vector<std::string> files = source.files;
  if (source.format == SourceFormat::kFolder) files.insert(files.begin(), source.path + "/config.json");
  if (!tokenizer.from.empty() && tokenizer.from != source.path) files.push_back(tokenizer.from);
  record["files"] = ordered_json::array();
  for (const std::string& file : files) {
    if (!fs::is_regular_file(file)) continue;
    TRY(const std::string hash, sha256_of_file(file));
    record["files"].push_back({{"name", name_of(file)}, {"bytes", fs::file_size(file)}, {"sha256", hash}});
  }
  return record.dump(2) + "\n";
}

Status write_folder(const ModelSource& source, const SourceTokenizer& tokenizer, const std::string& to, GgufType type,
                    uint64_t max_shard_bytes) {
  TRY(const std::string config, config_text(source, type));
  TRY(const std::string record, import_record(source, tokenizer, type));
  TRY_STATUS(make_folders(to));
  TRY_STATUS(write_file(to + "/config.json", config));
  TRY_STATUS(save_tokenizer_files(tokenizer, source.config, to));
  TRY_STATUS(write_file(to + "/import.json", record));
  // The weights come last: a folder that has them is whole.
  return write_folder_weights(source, to, type, max_shard_bytes);
}

Status write_file_of(const ModelSource& source, const SourceTokenizer& tokenizer, const std::string& to,
                     GgufType type) {
  TRY(auto metadata, tokenizer_keys(tokenizer, source.config));
  metadata.emplace_back("general.name", GgufValue::string(name_of(source.path)));
  return write_gguf_model(source, to, type, std::move(metadata));
}

// Why a folder's template cannot be used, though its weights can.
std::optional<std::string> template_problem(const std::string& folder) {
  const auto tokenizer = Tokenizer::load(folder);
  if (!tokenizer) return std::nullopt;
  const auto chat = ChatTemplate::make(*tokenizer);
  if (chat) return std::nullopt;
  return "it knows no turns, only completions: " + chat.error();
}

}  // namespace

Result<ConvertReport> convert_model(const std::string& from, const std::string& to, const ConvertOptions& options) {
  const bool to_gguf = to.ends_with(".gguf");
  // A folder's name may have a point in it ("Qwen2.5-0.5B"), but these ask for a file.
  for (const char* file : {".safetensors", ".bin", ".pt", ".pth", ".onnx", ".ggml"}) {
    if (to.ends_with(file))
      return Err("{}: no {} file is written; expected a folder, or a file that ends in .gguf", to, file);
  }
  std::error_code ignored;
  if (fs::weakly_canonical(from, ignored) == fs::weakly_canonical(to, ignored))
    return Err("{}: expected another place than the source", to);
  if (to_gguf ? file_exists(to) : file_exists(to + "/config.json") || file_exists(safetensors_path(to)))
    return Err("{}: a model is there already; expected a new place", to);
  TRY(const ModelSource source, open_source(from));
  TRY(const GgufType type, choose_type(options.dtype, source, to_gguf));
  TRY(const SourceTokenizer tokenizer, read_source_tokenizer(source, options.tokenizer));
  TRY_STATUS(to_gguf ? write_file_of(source, tokenizer, to, type)
                     : write_folder(source, tokenizer, to, type, options.max_shard_bytes));
  ConvertReport report;
  report.architecture = source.config.architecture;
  report.dtype = gguf_type_info(type).name;
  for (const ParamSpec& spec : source.params) report.parameters += spec.size();
  if (!tokenizer.tokenizer) report.notes.push_back("the source has no tokenizer");
  if (tokenizer.tokenizer && tokenizer.chat_template.empty()) report.notes.push_back("no chat template");
  if (!to_gguf && !tokenizer.chat_template.empty()) {
    if (const auto problem = template_problem(to)) report.notes.push_back(*problem);
  }
  return report;
}

}  // namespace loquat
