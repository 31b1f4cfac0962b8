// Hugging Face's tokenizer.json and tokenizer_config.json, out and in. Read: byte-level BPE with the pre-tokenizers
// ByteLevel, Split and Digits. Whatever else a file asks for is an error that names its field, since a tokenizer that
// is nearly right gives a model other tokens than it was trained on. post_processor is passed over: encode() adds no
// tokens.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/json_depth.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/utf8.h"

namespace loquat {
namespace {

using nlohmann::json;

constexpr int64_t kMaxId = 1 << 22;  // a file must not ask for more memory than a vocabulary may take
constexpr std::string_view kFileName = "tokenizer.json", kConfigName = "tokenizer_config.json",
                           kTemplateName = "chat_template.jinja";

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

// ---- Reading

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, valid_utf8_prefix(std::string_view(text).substr(0, 77))) + "...";
  return text;
}

const json& member(const json& object, const char* key) {
  static const json null;
  if (!object.is_object()) return null;
  const auto it = object.find(key);
  return it == object.end() ? null : *it;
}

bool is_set(const json& value) {
  return !(value.is_null() || value == false || value == "" || (value.is_number() && value == 0) ||
           (value.is_array() && value.empty()));
}

class Reader {
 public:
  Reader(std::string path, const json& root) : path_(std::move(path)), root_(root) {}

  Status read(Tokenizer::Impl& out) {
    if (!root_.is_object()) return wrong("the file", root_, "an object");
    if (is_set(member(root_, "normalizer")) && !is_empty_sequence(member(root_, "normalizer"), "normalizers")) {
      return wrong("normalizer", member(root_, "normalizer"), "null");
    }
    TRY_STATUS(read_pre_tokenizer(out));
    TRY_STATUS(check_decoder(member(root_, "decoder")));
    const json& model = member(root_, "model");
    TRY_STATUS(check_model(model));
    TRY_STATUS(read_added(member(root_, "added_tokens"), out));
    TRY_STATUS(read_vocabulary(member(model, "vocab"), out));
    TRY_STATUS(read_merges(member(model, "merges"), out));
    out.ignore_merges = member(model, "ignore_merges") == true;
    if (const json& unknown = member(model, "unk_token"); unknown.is_string()) {
      const auto it = ids_.find(unknown.get_ref<const std::string&>());
      if (it == ids_.end()) return wrong("model.unk_token", unknown, "a token of model.vocab");
      out.unknown = it->second;
    }
    return {};
  }

 private:
  Error wrong(const std::string& field, const json& found, std::string_view expected) const {
    return Err("{}: {}: found {}, expected {}", path_, field, shown(found), expected);
  }

  static bool is_empty_sequence(const json& value, const char* list) {
    return member(value, "type") == "Sequence" && member(value, list).is_array() && member(value, list).empty();
  }

  Status read_pre_tokenizer(Tokenizer::Impl& out) {
    std::vector<std::string> patterns;
    bool byte_level = false;
    TRY_STATUS(add_pre_tokenizer(member(root_, "pre_tokenizer"), "pre_tokenizer", patterns, byte_level));
    if (!byte_level) return wrong("pre_tokenizer", member(root_, "pre_tokenizer"), "ByteLevel as its last part");
    auto splitter = Splitter::make(std::move(patterns));
    if (!splitter.ok()) return Err("{}: pre_tokenizer: {}", path_, splitter.error());
    out.splitter = *std::move(splitter);
    return {};
  }

  Status add_pre_tokenizer(const json& value, const std::string& field, std::vector<std::string>& patterns,
                           bool& byte_level) {
    const json& type = member(value, "type");
    if (byte_level) return wrong(field, value, "nothing after ByteLevel");
    if (type == "Sequence" && member(value, "pretokenizers").is_array()) {
      const json& list = member(value, "pretokenizers");
      for (size_t i = 0; i < list.size(); ++i) {
        TRY_STATUS(add_pre_tokenizer(list[i], fmt::format("{}.pretokenizers[{}]", field, i), patterns, byte_level));
      }
      return {};
    }
    if (type == "ByteLevel") {
      if (is_set(member(value, "add_prefix_space"))) {
        return wrong(field + ".add_prefix_space", member(value, "add_prefix_space"), "false");
      }
      if (member(value, "use_regex") != false) patterns.push_back(kGpt2Pattern);
      byte_level = true;
      return {};
    }
    if (type == "Digits") {
      patterns.emplace_back(member(value, "individual_digits") == true ? R"(\p{N})" : R"(\p{N}+)");
      return {};
    }
    if (type == "Split") return add_split(value, field, patterns);
    return wrong(field + ".type", type, "ByteLevel, Split, Digits or a Sequence of them");
  }

  Status add_split(const json& value, const std::string& field, std::vector<std::string>& patterns) {
    const bool invert = member(value, "invert") == true;
    const json& behavior = member(value, "behavior");
    // "Removed" and inverted keeps the matches, one by one: the same where the pattern covers all text.
    if (!(behavior == "Isolated" && !invert) && !(behavior == "Removed" && invert)) {
      return wrong(field + ".behavior", behavior, "Isolated and not inverted");
    }
    const json& pattern = member(value, "pattern");
    if (const json& regex = member(pattern, "Regex"); regex.is_string()) {
      patterns.push_back(regex);
    } else if (const json& text = member(pattern, "String"); text.is_string() && text != "") {
      std::string escaped;
      for (const char c : text.get_ref<const std::string&>()) {
        const bool plain =
            (c & 0x80) != 0 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!plain) escaped += '\\';
        escaped += c;
      }
      patterns.push_back(escaped);
    } else {
      return wrong(field + ".pattern", pattern, R"({"Regex": "..."} or {"String": "..."})");
    }
    return {};
  }

  Status check_decoder(const json& value) const {
    const json* decoder = &value;
    if (member(value, "type") == "Sequence" && member(value, "decoders").size() == 1) {
      decoder = &member(value, "decoders")[0];
    }
    if (member(*decoder, "type") != "ByteLevel") return wrong("decoder", value, R"({"type": "ByteLevel"})");
    return {};
  }

  Status check_model(const json& model) const {
    if (!model.is_object()) return wrong("model", model, "an object");
    if (model.contains("type") && model["type"] != "BPE") return wrong("model.type", model["type"], "\"BPE\"");
    for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"}) {
      if (is_set(member(model, key))) {
        return wrong(std::string("model.") + key, member(model, key), "none: this is not supported");
      }
    }
    return {};
  }

  Status read_id(const json& value, const std::string& field, int32_t& id) const {
    if (!value.is_number_integer() || value < 0 || value >= kMaxId) {
      return wrong(field, value, fmt::format("an id from 0 to {}", kMaxId - 1));
    }
    id = value.get<int32_t>();
    return {};
  }

  Status read_added(const json& list, Tokenizer::Impl& out) {
    if (list.is_null()) return {};
    if (!list.is_array()) return wrong("added_tokens", list, "a list");
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string field = fmt::format("added_tokens[{}]", i);
      AddedToken token;
      const json& content = member(list[i], "content");
      if (!content.is_string() || content == "") return wrong(field + ".content", content, "text");
      token.content = content;
      TRY_STATUS(read_id(member(list[i], "id"), field + ".id", token.id));
      token.special = member(list[i], "special") == true;
      token.lstrip = member(list[i], "lstrip") == true;
      token.rstrip = member(list[i], "rstrip") == true;
      if (member(list[i], "single_word") == true) return wrong(field + ".single_word", true, "false");
      if (!ids_.emplace(token.content, token.id).second) return wrong(field + ".content", content, "each token once");
      TRY_STATUS(place(field, token.id, token.content, out));
      out.added.push_back(std::move(token));
    }
    return {};
  }

  Status place(const std::string& field, int32_t id, std::string bytes, Tokenizer::Impl& out) {
    if (static_cast<size_t>(id) >= out.tokens.size()) out.tokens.resize(id + 1);
    if (!out.tokens[id].empty()) return wrong(field + ".id", id, "an id that no other token has");
    out.tokens[id] = std::move(bytes);
    return {};
  }

  Status read_vocabulary(const json& vocab, Tokenizer::Impl& out) {
    if (!vocab.is_object()) return wrong("model.vocab", vocab, "an object of token to id");
    std::vector<uint8_t> added_here(out.tokens.size(), 0);
    for (const AddedToken& token : out.added) added_here[token.id] = 1;
    for (const auto& [name, value] : vocab.items()) {
      const std::string field = fmt::format("model.vocab[{}]", shown(name));
      int32_t id = 0;
      TRY_STATUS(read_id(value, field, id));
      if (const auto it = ids_.find(name); it != ids_.end()) {  // an added token, named a second time
        if (it->second != id) return wrong(field, value, fmt::format("{}, as in added_tokens", it->second));
        continue;
      }
      auto bytes = characters_to_bytes(name);
      if (!bytes || bytes->empty()) return wrong(field, name, "byte-level characters");
      TRY_STATUS(place(field, id, *std::move(bytes), out));
      ids_.emplace(name, id);
    }
    for (int b = 0; b < 256; ++b) {
      const auto it = ids_.find(bytes_to_characters(std::string(1, static_cast<char>(b))));
      const bool found = it != ids_.end() && !is_special(it->second, out);
      out.byte_id[b] = found ? it->second : -1;
    }
    return {};
  }

  static bool is_special(int32_t id, const Tokenizer::Impl& out) {
    for (const AddedToken& token : out.added) {
      if (token.id == id) return token.special;
    }
    return false;
  }

  Status read_merges(const json& list, Tokenizer::Impl& out) {
    if (!list.is_array()) return wrong("model.merges", list, "a list");
    std::vector<uint8_t> special(out.tokens.size(), 0);
    for (const AddedToken& token : out.added) special[token.id] = token.special;
    std::vector<Merge> merges;
    merges.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string field = fmt::format("model.merges[{}]", i);
      std::string left, right;
      if (list[i].is_string()) {
        const auto& text = list[i].get_ref<const std::string&>();
        const size_t space = text.find(' ');
        if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
          left = text.substr(0, space);
          right = text.substr(space + 1);
        }
      } else if (list[i].is_array() && list[i].size() == 2 && list[i][0].is_string() && list[i][1].is_string()) {
        left = list[i][0];
        right = list[i][1];
      }
      if (left.empty() || right.empty()) return wrong(field, list[i], R"("left right" or ["left", "right"])");
      Merge merge;
      for (const auto& [name, id] :
           {std::pair{left, &merge.left}, {right, &merge.right}, {left + right, &merge.result}}) {
        const auto it = ids_.find(name);
        if (it == ids_.end()) return wrong(field, list[i], fmt::format("tokens of model.vocab; '{}' is none", name));
        *id = it->second;
      }
      // What a user types must not become a control token, so no merge makes one.
      if (!special[merge.result] && !special[merge.left] && !special[merge.right]) merges.push_back(merge);
    }
    out.merges = MergeTable(std::move(merges));
    return {};
  }

  std::string path_;
  const json& root_;
  std::unordered_map<std::string, int32_t> ids_;  // by name
};

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

Result<Tokenizer> Tokenizer::load(const std::string& folder_or_file) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path given = folder_or_file;
  const bool is_folder = fs::is_directory(given, ignored);
  const fs::path file = is_folder ? given / kFileName : given;
  TRY(const std::string bytes, read_whole(file));
  if (json_nests_deeper(bytes)) return Err("{}: nested too deep, expected at most {}", file.string(), kMaxJsonDepth);
  json root;
  try {
    root = json::parse(bytes);
  } catch (const json::exception& e) {
    return Err("{}: not JSON: {}", file.string(), e.what());
  }
  auto impl = std::make_shared<Impl>();
  TRY_STATUS(Reader(file, root).read(*impl));
  const fs::path config = file.parent_path() / kConfigName;
  if (fs::exists(config, ignored)) {
    TRY(impl->config_json, read_whole(config));
    if (json_nests_deeper(impl->config_json) || !json::accept(impl->config_json))
      return Err("{}: not JSON, expected an object", config.string());
  }
  if (const fs::path chat = file.parent_path() / kTemplateName; fs::exists(chat, ignored)) {
    TRY(impl->chat_template, read_whole(chat));
  }
  impl->finish();
  return Impl::wrap(std::move(impl));
}

Status Tokenizer::save(const std::string& folder) const {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Err("{}: cannot make the folder: {}", folder, error.message());
  TRY_STATUS(write_whole(folder, kFileName, tokenizer_json(*impl_)));
  if (!impl_->chat_template.empty()) TRY_STATUS(write_whole(folder, kTemplateName, impl_->chat_template));
  return write_whole(folder, kConfigName, impl_->config_json.empty() ? config_json(*this, *impl_) : impl_->config_json);
}

}  // namespace loquat
