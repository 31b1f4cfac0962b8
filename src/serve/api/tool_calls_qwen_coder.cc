// <tool_call>
// <function=NAME>
// <parameter=KEY>
// VALUE
// </parameter>
// </function>
// </tool_call>
// VALUE has no quotes: what it is follows from the tool's schema. Text is given on as it comes, all else when it is
// whole.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/json_depth.h"
#include "infer/stop_filter.h"
#include "serve/api/tool_calls.h"

namespace loquat::serve::api {
namespace {

using Fit = CallScanner::Fit;

constexpr std::string_view kFunction = "<function=", kFunctionEnd = "</function>",
                           kParameter = "<parameter=", kParameterEnd = "</parameter>", kValueEnd = "\n</parameter>";
constexpr int kDeepestSchema = 8;

// What a parameter may be, beside text.
enum Kinds : unsigned { kText = 1, kNumber = 2, kBoolean = 4, kNull = 8, kArray = 16, kObject = 32 };

unsigned kind_of(const Json& value) {
  if (value.is_string()) return kText;
  if (value.is_number()) return kNumber;
  if (value.is_boolean()) return kBoolean;
  if (value.is_array()) return kArray;
  return value.is_object() ? kObject : kNull;
}

unsigned kind_named(const Json& name) {
  static const std::map<std::string, unsigned> kNames = {
      {"string", kText}, {"number", kNumber}, {"integer", kNumber}, {"boolean", kBoolean},
      {"null", kNull},   {"array", kArray},   {"object", kObject}};
  const auto found = name.is_string() ? kNames.find(name.get<std::string>()) : kNames.end();
  return found == kNames.end() ? 0 : found->second;
}

const Json* referred(const Json& root, const std::string& reference) {
  if (!reference.starts_with("#/")) return nullptr;
  try {
    const Json::json_pointer place(reference.substr(1));
    return root.contains(place) ? &root.at(place) : nullptr;
  } catch (const Json::exception&) {
    return nullptr;  // no pointer
  }
}

// 0: the schema does not say.
unsigned kinds_of(const Json& schema, const Json& root, int depth = 0) {
  if (!schema.is_object() || depth > kDeepestSchema) return 0;
  unsigned kinds = 0;
  if (schema.contains("type")) {
    const Json& type = schema["type"];
    kinds |= kind_named(type);
    if (type.is_array()) {
      for (const Json& name : type) kinds |= kind_named(name);
    }
    return kinds;
  }
  if (schema.contains("const")) return kind_of(schema["const"]);
  if (schema.contains("enum") && schema["enum"].is_array()) {
    for (const Json& value : schema["enum"]) kinds |= kind_of(value);
    return kinds;
  }
  for (const char* key : {"anyOf", "oneOf", "allOf"}) {
    if (!schema.contains(key) || !schema[key].is_array()) continue;
    for (const Json& way : schema[key]) kinds |= kinds_of(way, root, depth + 1);
  }
  if (schema.contains("$ref") && schema["$ref"].is_string()) {
    if (const Json* target = referred(root, schema["$ref"].get<std::string>()))
      kinds |= kinds_of(*target, root, depth + 1);
  }
  return kinds;
}

std::string trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kCallSpace);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kCallSpace) + 1 - first));
}

// The inside of a JSON string. Byte by byte: a piece may end within a character.
std::string json_inside(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

// A whole value that may be something else than text: as JSON, or as Python writes true, false and null.
std::string json_value(std::string_view written, unsigned kinds) {
  static const std::map<std::string, std::string> kPython = {{"True", "true"}, {"False", "false"}, {"None", "null"}};
  std::string text = trimmed(written);
  if (const auto word = kPython.find(text); word != kPython.end()) text = word->second;
  if (!json_nests_deeper(text)) {
    const Json value = Json::parse(text, nullptr, false);
    if (!value.is_discarded() && (kind_of(value) & kinds & ~kText)) return text;
  }
  return '"' + json_inside(written) + '"';
}

class QwenCoderReader : public TaggedCallReader {
 public:
  explicit QwenCoderReader(std::span<const Tool> tools) : tools_(tools.begin(), tools.end()) {}

 protected:
  // Up to what follows <function=NAME>, which decides that this is a call.
  Head read_beginning(bool last) override {
    CallScanner scanner(held_);
    std::string name;
    size_t end = 0;
    Fit fit = scanner.literal(kFunction);
    if (fit == Fit::kYes) fit = scanner.name(&name);
    if (fit == Fit::kYes) fit = scanner.literal(">");
    if (fit == Fit::kYes) {
      end = scanner.at();
      fit = scanner.literal(kParameter);
      if (fit == Fit::kNo) fit = scanner.literal(kFunctionEnd);
    }
    const Head head = begin_call(fit, name, end, last);
    if (head != Head::kCall) return head;
    set_schema(name);
    put_arguments("{");
    first_ = true;
    state_ = State::kBody;
    return head;
  }

  bool read_inside(bool last) override {
    while (state_ != State::kEnded) {
      const bool more = state_ == State::kBody ? read_body(last)
                        : kinds_ == kText      ? read_text_value(last)
                                               : read_value(last);
      if (!more) return false;
    }
    return true;
  }

 private:
  enum class State { kBody, kValue, kEnded };

  void set_schema(const std::string& name) {
    schema_ = nullptr;
    const auto tool = std::find_if(tools_.begin(), tools_.end(), [&](const Tool& t) { return t.name == name; });
    if (tool != tools_.end()) schema_ = Json::parse(tool->parameters, nullptr, false);
  }

  // Between parameters: what is none of the marks is dropped.
  bool read_body(bool last) {
    const size_t parameter = held_.find(kParameter), end = held_.find(kFunctionEnd);
    if (end < parameter) {
      put_arguments("}");
      held_.erase(0, end + kFunctionEnd.size());
      state_ = State::kEnded;
      return true;
    }
    if (parameter == std::string::npos) {
      const size_t kept = last ? 0 : std::max(begun(held_, kParameter), begun(held_, kFunctionEnd));
      held_.erase(0, held_.size() - kept);
      return false;
    }
    const size_t key_end = held_.find('>', parameter);
    if (key_end == std::string::npos) {
      if (last) held_.clear();
      return false;
    }
    const size_t key_begin = parameter + kParameter.size();
    begin_value(held_.substr(key_begin, key_end - key_begin));
    held_.erase(0, key_end + 1);
    return true;
  }

  void begin_value(const std::string& key) {
    kinds_ = 0;
    if (schema_.is_object() && schema_.contains("properties") && schema_["properties"].is_object() &&
        schema_["properties"].contains(key)) {
      kinds_ = kinds_of(schema_["properties"][key], schema_);
    }
    if (kinds_ == 0) kinds_ = kText;
    put_arguments((first_ ? "\"" : ", \"") + json_inside(key) + "\": ");
    if (kinds_ == kText) put_arguments("\"");
    first_ = false;
    opened_ = false;
    state_ = State::kValue;
  }

  // One new line after the mark and one before the next are not the value's.
  bool read_text_value(bool last) {
    if (!opened_) {
      if (held_.empty()) return false;
      if (held_[0] == '\n' && !held_.starts_with(kValueEnd)) {
        if (!last && kValueEnd.starts_with(held_)) return false;
        held_.erase(0, 1);
      }
      opened_ = true;
    }
    const size_t close = held_.find(kParameterEnd);
    if (close == std::string::npos) {
      const size_t kept = last ? 0 : std::max(begun(held_, kValueEnd), begun(held_, kParameterEnd));
      put_arguments(json_inside(std::string_view(held_).substr(0, held_.size() - kept)));
      held_.erase(0, held_.size() - kept);
      return false;
    }
    const size_t end = close > 0 && held_[close - 1] == '\n' ? close - 1 : close;
    put_arguments(json_inside(std::string_view(held_).substr(0, end)) + '"');
    held_.erase(0, close + kParameterEnd.size());
    state_ = State::kBody;
    return true;
  }

  bool read_value(bool last) {
    const size_t close = held_.find(kParameterEnd);
    if (close == std::string::npos) {
      if (last) held_.clear();
      return false;
    }
    std::string_view written = std::string_view(held_).substr(0, close);
    if (written.starts_with('\n')) written.remove_prefix(1);
    if (written.ends_with('\n')) written.remove_suffix(1);
    put_arguments(json_value(written, kinds_));
    held_.erase(0, close + kParameterEnd.size());
    state_ = State::kBody;
    return true;
  }

  std::vector<Tool> tools_;
  State state_ = State::kBody;
  Json schema_;         // of the call's parameters
  unsigned kinds_ = 0;  // of the value being read
  bool first_ = true;   // no parameter of this call has come
  bool opened_ = false;
};

}  // namespace

std::unique_ptr<ToolCallReader> make_qwen_coder_reader(std::span<const Tool> tools) {
  return std::make_unique<QwenCoderReader>(tools);
}

}  // namespace loquat::serve::api
