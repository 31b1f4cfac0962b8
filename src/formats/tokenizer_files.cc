// Tokenizers and chat templates in and out.
#include "formats/tokenizer_files.h"

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "store/files.h"
#include "tokenizer/gguf_vocabulary.h"

namespace loquat {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Keys = std::vector<std::pair<std::string, GgufValue>>;

constexpr int32_t kUnused = 5;          // GGUF's type of tokens that fill up
constexpr float kUnusedScore = -10000;  // as llama.cpp's converter has it
constexpr const char* kConfigName = "tokenizer_config.json";
constexpr const char* kGenerationName = "generation_config.json";
// What a folder may have of its tokenizer.
constexpr const char* kFiles[] = {"tokenizer.json",    "tokenizer.model",     kConfigName,  "special_tokens_map.json",
                                  "added_tokens.json", "chat_template.jinja", "vocab.json", "merges.txt"};

std::string padding_token(size_t id) {
  return fmt::format("[PAD{}]", id);
}

// ---- GGUF's keys

template <typename T, typename Wide>
Status take(Result<Wide> value, T& out) {
  if (!value) return Error{value.error()};
  out = static_cast<T>(*std::move(value));
  return {};
}

Status take_id(const GgufFile& file, const char* key, int32_t& out) {
  if (!file.find(key)) return {};
  TRY(const int64_t id, file.integer(key));
  // Files of models without such a token have -1, as an uint32.
  if (id < -1 || id > std::numeric_limits<uint32_t>::max()) return Err("{}: key '{}': found {}", file.path(), key, id);
  out = id >= std::numeric_limits<int32_t>::max() ? -1 : static_cast<int32_t>(id);
  return {};
}

Status take_flag(const GgufFile& file, const char* key, std::optional<bool>& out) {
  return file.find(key) ? take(file.boolean(key), out) : Status();
}

// Tokens that only fill the embedding's rows are no tokens.
void drop_padding(GgufVocabulary& v) {
  while (!v.tokens.empty() && v.types.size() == v.tokens.size() && v.types.back() == kUnused &&
         v.tokens.back() == padding_token(v.tokens.size() - 1)) {
    if (v.scores.size() == v.tokens.size()) v.scores.pop_back();
    v.tokens.pop_back();
    v.types.pop_back();
  }
}

Result<GgufVocabulary> read_vocabulary(const GgufFile& file) {
  GgufVocabulary v;
  TRY(v.model, file.text("tokenizer.ggml.model"));
  if (file.find("tokenizer.ggml.pre")) TRY_STATUS(take(file.text("tokenizer.ggml.pre"), v.pre));
  TRY(v.tokens, file.texts("tokenizer.ggml.tokens"));
  if (file.find("tokenizer.ggml.scores")) {
    TRY(const auto scores, file.numbers("tokenizer.ggml.scores"));
    v.scores.assign(scores.begin(), scores.end());
  }
  if (file.find("tokenizer.ggml.token_type")) {
    TRY(const auto types, file.integers("tokenizer.ggml.token_type"));
    for (const int64_t type : types) v.types.push_back(type < 1 || type > 6 ? 0 : static_cast<int32_t>(type));
  }
  if (file.find("tokenizer.ggml.merges")) TRY_STATUS(take(file.texts("tokenizer.ggml.merges"), v.merges));
  TRY_STATUS(take_id(file, "tokenizer.ggml.bos_token_id", v.bos));
  TRY_STATUS(take_id(file, "tokenizer.ggml.eos_token_id", v.eos));
  TRY_STATUS(take_id(file, "tokenizer.ggml.unknown_token_id", v.unknown));
  TRY_STATUS(take_id(file, "tokenizer.ggml.padding_token_id", v.padding));
  TRY_STATUS(take_flag(file, "tokenizer.ggml.add_bos_token", v.add_bos));
  TRY_STATUS(take_flag(file, "tokenizer.ggml.add_eos_token", v.add_eos));
  TRY_STATUS(take_flag(file, "tokenizer.ggml.add_space_prefix", v.add_space_prefix));
  TRY_STATUS(take_flag(file, "tokenizer.ggml.remove_extra_whitespaces", v.remove_extra_whitespaces));
  if (file.find("tokenizer.ggml.precompiled_charsmap")) {
    TRY(const auto bytes, file.integers("tokenizer.ggml.precompiled_charsmap"));
    for (const int64_t byte : bytes) v.characters_map += static_cast<char>(byte);
  }
  drop_padding(v);
  return v;
}

Keys write_vocabulary(const GgufVocabulary& v) {
  Keys keys;
  const auto put = [&](const char* key, GgufValue value) {
    keys.emplace_back(std::string("tokenizer.ggml.") + key, std::move(value));
  };
  put("model", GgufValue::string(v.model));
  if (!v.pre.empty()) put("pre", GgufValue::string(v.pre));
  if (!v.tokens.empty()) put("tokens", GgufValue::strings(v.tokens));
  if (!v.scores.empty()) put("scores", GgufValue::float32s(v.scores));
  if (!v.types.empty()) put("token_type", GgufValue::int32s(v.types));
  if (!v.merges.empty()) put("merges", GgufValue::strings(v.merges));
  const std::pair<const char*, int32_t> ids[] = {{"bos_token_id", v.bos},
                                                 {"eos_token_id", v.eos},
                                                 {"unknown_token_id", v.unknown},
                                                 {"padding_token_id", v.padding}};
  for (const auto& [key, id] : ids)
    if (id >= 0) put(key, GgufValue::uint32(static_cast<uint32_t>(id)));
  const std::pair<const char*, std::optional<bool>> flags[] = {
      {"add_bos_token", v.add_bos},
      {"add_eos_token", v.add_eos},
      {"add_space_prefix", v.add_space_prefix},
      {"remove_extra_whitespaces", v.remove_extra_whitespaces}};
  for (const auto& [key, flag] : flags)
    if (flag) put(key, GgufValue::boolean(*flag));
  if (!v.characters_map.empty())
    put("precompiled_charsmap", {GgufValueType::kArray, GgufArray{GgufValueType::kUint8, {}, v.characters_map}});
  return keys;
}

// ---- tokenizer_config.json

Result<ordered_json> read_config(const std::string& folder) {
  const std::string path = folder + "/" + kConfigName;
  if (!file_exists(path)) return ordered_json::object();
  TRY(const std::string text, read_file(path));
  auto config = json_nests_deeper(text) ? ordered_json() : ordered_json::parse(text, nullptr, false);
  if (!config.is_object()) return Err("{}: expected a JSON object", path);
  return config;
}

// "chat_template": a text, or a list of named ones, of which the default counts; or a file of its own.
Result<std::string> read_chat_template(const std::string& folder) {
  const std::string file = folder + "/chat_template.jinja";
  if (file_exists(file)) return read_file(file);
  TRY(const ordered_json config, read_config(folder));
  const ordered_json value = config.value("chat_template", ordered_json());
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::string();
  for (const auto& each : value)
    if (each.is_object() && each.value("name", ordered_json()) == "default" &&
        each.value("template", ordered_json()).is_string())
      return each["template"].get<std::string>();
  return std::string();
}

// "eos_token" and its kind: a text or an object with its content. -1: none, or no token.
int32_t id_of(const ordered_json& config, const char* key, const Tokenizer& tokenizer) {
  ordered_json value = config.value(key, ordered_json());
  if (value.is_object()) value = value.value("content", ordered_json());
  return value.is_string() ? tokenizer.special(value.get<std::string>()) : -1;
}

// ---- reading

Status read_from_gguf(const ModelSource& source, SourceTokenizer& out) {
  TRY(const GgufFile file, GgufFile::open(source.path));
  for (const auto& [key, value] : file.metadata())
    if (key.starts_with("tokenizer.")) out.keys.emplace_back(key, value);
  if (file.find("tokenizer.chat_template")) TRY_STATUS(take(file.text("tokenizer.chat_template"), out.chat_template));
  const GgufValue* model = file.find("tokenizer.ggml.model");
  const auto* name = model ? std::get_if<std::string>(&model->value) : nullptr;
  if (!model || (name && (*name == "none" || *name == "no_vocab"))) return {};
  TRY(const GgufVocabulary vocabulary, read_vocabulary(file));
  TRY(out.tokenizer, tokenizer_from_gguf(vocabulary, source.path));
  out.from = source.path;
  return {};
}

Status read_from_place(const std::string& path, SourceTokenizer& out) {
  std::error_code ignored;
  const bool folder = fs::is_directory(path, ignored);
  if (folder) {
    for (const char* name : kFiles)
      if (file_exists(path + "/" + name)) out.files.push_back(path + "/" + name);
    TRY(out.chat_template, read_chat_template(path));
    if (!file_exists(path + "/tokenizer.json") && !file_exists(path + "/tokenizer.model")) return {};
  }
  TRY(out.tokenizer, Tokenizer::load(path));
  out.from = path;
  for (const char* name : {"tokenizer.model", "tokenizer.json"})
    if (folder && file_exists(path + "/" + name)) out.from = path + "/" + name;
  return {};
}

// llama2.c keeps it beside the weights.
std::string beside_llama2c(const ModelSource& source) {
  const std::string folder = fs::path(source.path).parent_path().string();
  for (const std::string& name : {std::string("tokenizer.bin"), fmt::format("tok{}.bin", source.config.vocab_size)}) {
    const std::string path = folder.empty() ? name : folder + "/" + name;
    if (file_exists(path)) return path;
  }
  return "";
}

}  // namespace

Result<SourceTokenizer> read_source_tokenizer(const ModelSource& source, const std::string& path) {
  SourceTokenizer out;
  std::string place = path;
  if (place.empty() && source.format == SourceFormat::kFolder) place = source.path;
  if (place.empty() && source.format == SourceFormat::kLlama2c) place = beside_llama2c(source);
  if (!place.empty()) {
    TRY_STATUS(read_from_place(place, out));
  } else if (source.format == SourceFormat::kGguf) {
    TRY_STATUS(read_from_gguf(source, out));
  }
  if (source.format == SourceFormat::kFolder && file_exists(source.path + "/" + kGenerationName))
    out.files.push_back(source.path + "/" + kGenerationName);
  if (out.tokenizer && out.tokenizer->vocab_size() > source.config.vocab_size)
    return Err("{}: the tokenizer has {} tokens, the model's embedding {} rows: they do not belong together", out.from,
               out.tokenizer->vocab_size(), source.config.vocab_size);
  return out;
}

namespace {

// What the tokenizer's own file of settings does not have yet.
Status complete_config(const SourceTokenizer& tokenizer, const ModelConfig& config, const std::string& folder) {
  TRY(ordered_json json, read_config(folder));
  const std::pair<const char*, int32_t> ids[] = {
      {"bos_token", config.bos_token}, {"eos_token", config.eos_token}, {"pad_token", config.pad_token}};
  for (const auto& [key, id] : ids) {
    const std::string text(id >= 0 ? tokenizer.tokenizer->token_bytes(id) : "");
    if (!json.contains(key) && !text.empty() && is_utf8(text)) json[key] = text;
  }
  json.emplace("tokenizer_class", "PreTrainedTokenizerFast");
  json.erase("chat_template");
  if (!tokenizer.chat_template.empty()) {
    if (!is_utf8(tokenizer.chat_template)) return Err("{}: the chat template is not UTF-8", tokenizer.from);
    json["chat_template"] = tokenizer.chat_template;
  }
  return write_file(folder + "/" + kConfigName, json.dump(2) + "\n");
}

std::string generation_config(const ModelConfig& config) {
  ordered_json json = ordered_json::object();
  const std::pair<const char*, int32_t> ids[] = {
      {"bos_token_id", config.bos_token}, {"eos_token_id", config.eos_token}, {"pad_token_id", config.pad_token}};
  for (const auto& [key, id] : ids)
    if (id >= 0) json[key] = id;
  return json.dump(2) + "\n";
}

}  // namespace

Status save_tokenizer_files(const SourceTokenizer& tokenizer, const ModelConfig& config, const std::string& folder) {
  if (!file_exists(folder + "/" + kGenerationName))
    TRY_STATUS(write_file(folder + "/" + kGenerationName, generation_config(config)));
  bool has_json = false, has_config = false;
  for (const std::string& file : tokenizer.files) {
    has_json = has_json || file.ends_with("/tokenizer.json");
    has_config = has_config || file.ends_with(std::string("/") + kConfigName);
  }
  if (tokenizer.tokenizer && !has_json) TRY_STATUS(tokenizer.tokenizer->save(folder));
  for (const std::string& file : tokenizer.files) {
    TRY(const std::string bytes, read_file(file));
    TRY_STATUS(write_file(folder + "/" + fs::path(file).filename().string(), bytes));
  }
  return tokenizer.tokenizer && !has_config ? complete_config(tokenizer, config, folder) : Status();
}

Result<Keys> tokenizer_keys(const SourceTokenizer& tokenizer, const ModelConfig& config) {
  if (!tokenizer.keys.empty()) return tokenizer.keys;
  if (!tokenizer.tokenizer) {
    GgufVocabulary none;
    none.model = "none";
    none.bos = config.bos_token, none.eos = config.eos_token, none.padding = config.pad_token;
    return write_vocabulary(none);
  }
  auto vocabulary = gguf_from_tokenizer(*tokenizer.tokenizer);
  if (!vocabulary) return Err("{}: {}", tokenizer.from, vocabulary.error());
  GgufVocabulary& v = *vocabulary;
  // Every row of the embedding has a token there.
  const auto rows = static_cast<size_t>(config.vocab_size);
  if (v.types.empty()) v.types.assign(v.tokens.size(), 1);
  while (v.tokens.size() < rows) {
    v.tokens.push_back(padding_token(v.tokens.size()));
    v.types.push_back(kUnused);
    if (!v.scores.empty()) v.scores.push_back(kUnusedScore);
  }
  const std::string folder = fs::path(tokenizer.from).parent_path().string();
  TRY(const ordered_json json, read_config(folder.empty() ? "." : folder));
  const auto choose = [&](const char* key, int32_t of_model, int32_t own) {
    const int32_t named = id_of(json, key, *tokenizer.tokenizer);
    return named >= 0 ? named : of_model >= 0 ? of_model : own;
  };
  v.bos = choose("bos_token", config.bos_token, v.bos);
  v.eos = choose("eos_token", config.eos_token, v.eos);
  v.padding = choose("pad_token", config.pad_token, v.padding);
  Keys keys = write_vocabulary(v);
  if (!tokenizer.chat_template.empty())
    keys.emplace_back("tokenizer.chat_template", GgufValue::string(tokenizer.chat_template));
  return keys;
}

}  // namespace loquat
