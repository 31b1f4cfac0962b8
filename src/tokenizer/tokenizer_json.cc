// Hugging Face's tokenizer.json and tokenizer_config.json, out and in; tokenizer_reader.cc understands the document.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/json_depth.h"
#include "tokenizer/characters.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/tokenizer_reader.h"
#include "tokenizer/utf8.h"

namespace loquat {
namespace {

using nlohmann::json;

constexpr std::string_view kFileName = "tokenizer.json", kConfigName = "tokenizer_config.json",
                           kModelName = "tokenizer.model", kTemplateName = "chat_template.jinja";

// ---- Files. This folder stands on base alone, so it has its own few lines for what store/files.h does for the others.

Result<std::string> read_whole(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  if (in) bytes << in.rdbuf();
  if (!in || in.bad()) return Err("{}: cannot read: {}", path, std::strerror(errno != 0 ? errno : EIO));
  return std::move(bytes).str();
}

Status write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Err("{}", std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(file) != 0) return Err("{}", std::strerror(errno));
  return {};
}

// Whole or not at all: temporary, sync, rename, sync of the folder.
Status write_whole(const std::filesystem::path& folder, std::string_view name, std::string_view bytes) {
  const std::string path = folder / name, temporary = folder / (".tmp-" + std::string(name));
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return Err("{}: cannot write: {}", path, std::strerror(errno));
  Status written = write_all(file, bytes);
  if (::close(file) != 0 && written.ok()) written = Err("{}", std::strerror(errno));
  if (written.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) written = Err("{}", std::strerror(errno));
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return Err("{}: cannot write: {}", path, written.error());
  }
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
  return {};
}

// ---- Writing

std::string quote(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

const char* word(bool b) {
  return b ? "true" : "false";
}

std::string pre_tokenizer_json(const std::vector<std::string>& patterns) {
  std::string out = "{\n    \"type\": \"Sequence\",\n    \"pretokenizers\": [\n";
  for (const std::string& pattern : patterns) {
    out += fmt::format(
        "      {{\"type\": \"Split\", \"pattern\": {{\"Regex\": {}}}, \"behavior\": \"Isolated\", \"invert\": "
        "false}},\n",
        quote(pattern));
  }
  return out +
         "      {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}\n"
         "    ]\n  }";
}

}  // namespace

std::string tokenizer_json(const Tokenizer::Impl& t) {
  std::vector<std::string> names(t.tokens.size());
  for (size_t id = 0; id < t.tokens.size(); ++id) names[id] = bytes_to_characters(t.tokens[id]);
  for (const AddedToken& token : t.added) names[token.id] = token.content;

  std::string out = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [";
  for (size_t i = 0; i < t.added.size(); ++i) {
    const AddedToken& a = t.added[i];
    out += fmt::format(
        "{}\n    {{\"id\": {}, \"content\": {}, \"single_word\": false, \"lstrip\": {}, \"rstrip\": {}, "
        "\"normalized\": false, \"special\": {}}}",
        i > 0 ? "," : "", a.id, quote(a.content), word(a.lstrip), word(a.rstrip), word(a.special));
  }
  out += "\n  ],\n  \"normalizer\": null,\n  \"pre_tokenizer\": " + pre_tokenizer_json(t.splitter.patterns());
  out += ",\n  \"post_processor\": null,\n";
  out +=
      "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, "
      "\"use_regex\": true},\n";
  out += fmt::format(
      "  \"model\": {{\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": {},\n"
      "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
      "    \"byte_fallback\": false,\n    \"ignore_merges\": {},\n    \"vocab\": {{",
      t.unknown < 0 ? "null" : quote(names[t.unknown]), word(t.ignore_merges));
  bool first = true;
  for (size_t id = 0; id < names.size(); ++id) {
    if (names[id].empty()) continue;
    out += fmt::format("{}\n      {}: {}", first ? "" : ",", quote(names[id]), id);
    first = false;
  }
  // "left right" is read by every version of the library; pairs only by newer ones.
  out += "\n    },\n    \"merges\": [";
  first = true;
  for (const Merge& m : t.merges.merges()) {
    out += fmt::format("{}\n      {}", first ? "" : ",", quote(names[m.left] + " " + names[m.right]));
    first = false;
  }
  return out + "\n    ]\n  }\n}\n";
}

namespace {

std::string config_json(const Tokenizer& tokenizer, const Tokenizer::Impl& t) {
  nlohmann::ordered_json out;
  out["tokenizer_class"] = "PreTrainedTokenizerFast";
  out["clean_up_tokenization_spaces"] = false;
  const auto set = [&](const char* key, std::string_view token) {
    if (tokenizer.special(token) >= 0) out[key] = token;
  };
  // Other programs stop a reply at eos_token: with chat turns that is the end of a turn.
  set("eos_token", tokenizer.special(kEndOfTurn) >= 0 ? kEndOfTurn : kEndOfText);
  set("pad_token", kPad);
  out["additional_special_tokens"] = nlohmann::ordered_json::array();
  for (const AddedToken& a : t.added) {
    if (a.special) out["additional_special_tokens"].push_back(a.content);
  }
  if (const auto chat = ChatTemplate::make(tokenizer); chat.ok()) out["chat_template"] = chat->jinja();
  return out.dump(2) + "\n";
}

}  // namespace

namespace {

Result<std::shared_ptr<Tokenizer::Impl>> load_json(const std::string& path, const std::string& bytes) {
  if (json_nests_deeper(bytes)) return Err("{}: nested too deep, expected at most {}", path, kMaxJsonDepth);
  json root;
  try {
    root = json::parse(bytes);
  } catch (const json::exception& e) {
    return Err("{}: not JSON: {}", path, e.what());
  }
  TRY(std::shared_ptr<Tokenizer::Impl> impl, read_tokenizer(root, path));
  if (!impl->byte_level() || tokenizer_json(*impl) != bytes) impl->document = bytes;
  return impl;
}

Result<std::shared_ptr<Tokenizer::Impl>> load_model(const std::string& path, const std::string& bytes, bool llama2c) {
  const auto model = llama2c ? SentencePieceModel::parse_llama2c(bytes) : SentencePieceModel::parse(bytes);
  if (!model.ok()) return Err("{}: {}", path, model.error());
  return read_sentencepiece(*model, path);
}

}  // namespace

Result<Tokenizer> Tokenizer::load(const std::string& folder_or_file) {
  TRY_STATUS(can_read_text());
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path file = folder_or_file;
  if (fs::is_directory(file, ignored)) {
    const bool model_alone = !fs::exists(file / kFileName, ignored) && fs::exists(file / kModelName, ignored);
    file /= model_alone ? kModelName : kFileName;
  }
  TRY(const std::string bytes, read_whole(file));
  const bool llama2c = file.extension() == ".bin", model = llama2c || file.extension() == ".model";
  TRY(std::shared_ptr<Impl> impl, model ? load_model(file, bytes, llama2c) : load_json(file, bytes));
  const fs::path config = file.parent_path() / kConfigName;
  if (fs::exists(config, ignored)) {
    TRY(impl->config_json, read_whole(config));
    impl->template_file = config.string();
    if (json_nests_deeper(impl->config_json) || !json::accept(impl->config_json)) {
      return Err("{}: not JSON, expected an object", config.string());
    }
  }
  if (const fs::path chat = file.parent_path() / kTemplateName; fs::exists(chat, ignored)) {
    TRY(impl->chat_template, read_whole(chat));
    impl->template_file = chat.string();
  }
  return Impl::wrap(std::move(impl));
}

Status Tokenizer::save(const std::string& folder) const {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Err("{}: cannot make the folder: {}", folder, error.message());
  TRY_STATUS(write_whole(folder, kFileName, impl_->document.empty() ? tokenizer_json(*impl_) : impl_->document));
  if (!impl_->chat_template.empty()) TRY_STATUS(write_whole(folder, kTemplateName, impl_->chat_template));
  return write_whole(folder, kConfigName, impl_->config_json.empty() ? config_json(*this, *impl_) : impl_->config_json);
}

}  // namespace loquat
