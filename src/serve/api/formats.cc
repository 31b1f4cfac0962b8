#include "serve/api/formats.h"

#include <fmt/core.h>

namespace loquat::serve::api {
namespace {

std::shared_ptr<const Grammar> made(Result<std::shared_ptr<const Grammar>> grammar, const std::string& param) {
  if (!grammar.ok()) wrong(param, fmt::format("'{}': {}", param, grammar.error()), "invalid_value");
  return *std::move(grammar);
}

std::shared_ptr<const Grammar> schema_grammar(const Fields& holder) {
  if (!is_tool_name(holder.required_text("name"))) {
    const std::string path = holder.path("name");
    wrong(path, fmt::format("'{}' must have 1 to 64 letters, digits, underscores and dashes.", path), "invalid_value");
  }
  holder.text("description");
  holder.flag("strict", false);
  const Json* schema = holder.given("schema");
  if (!schema) return Grammar::json_object();
  const std::string path = holder.path("schema");
  if (!schema->is_object()) wrong(path, fmt::format("'{}' must be an object.", path), "invalid_type");
  return made(Grammar::json_schema(dump(*schema)), path);
}

}  // namespace

std::shared_ptr<const Grammar> tool_grammar(const ToolSet& set, ToolFamily family) {
  std::vector<ToolSpec> specs;
  for (const Tool& tool : set.tools) {
    if (set.named.empty() || tool.name == set.named) specs.push_back({tool.name, tool.parameters});
  }
  const auto use = set.choice == ToolSet::Choice::kRequired ? Grammar::ToolUse::kRequired : Grammar::ToolUse::kAuto;
  return made(Grammar::tool_calls(specs, use, set.parallel && set.named.empty(), family), "tools");
}

std::shared_ptr<const Grammar> after_thoughts(const std::shared_ptr<const Grammar>& grammar) {
  return made(Grammar::after_thoughts(grammar), "response_format");
}

std::shared_ptr<const Grammar> read_format(const FormatField& field, const ToolSet& tools) {
  std::string type = "text";
  if (field.format) type = field.format->required_text("type");
  if (type == "text") return nullptr;
  const std::string path = field.format->path("type");
  if (type != "json_object" && type != "json_schema") {
    wrong(path, fmt::format("'{}' is '{}'; it must be text, json_object or json_schema.", path, type), "invalid_value");
  }
  if (tools.active()) {
    wrong(path, fmt::format("'{}' must be text where there are tools, unless tool_choice is none.", path),
          "unsupported_value");
  }
  if (type == "json_object") return Grammar::json_object();
  if (field.shape == ToolShape::kFlat) return schema_grammar(*field.format);
  const auto inner = field.format->object("json_schema");
  if (!inner) {
    const std::string missing = field.format->path("json_schema");
    wrong(missing, fmt::format("'{}' is missing.", missing), "missing_required_parameter");
  }
  return schema_grammar(*inner);
}

}  // namespace loquat::serve::api
