#include "serve/api/tools.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

namespace loquat::serve::api {
namespace {

constexpr size_t kMostTools = 128;

Tool read_tool(const Json& item, const std::string& path, ToolShape shape) {
  const Fields outer(item, path);
  const std::string type = outer.required_text("type");
  if (type != "function") {
    wrong(outer.path("type"), fmt::format("'{}' is '{}'; only \"function\" is supported.", outer.path("type"), type),
          "unsupported_value");
  }
  const auto inner = shape == ToolShape::kNested ? outer.object("function") : std::optional<Fields>(outer);
  if (!inner) {
    wrong(outer.path("function"), fmt::format("'{}' is missing.", outer.path("function")),
          "missing_required_parameter");
  }
  Tool tool;
  tool.name = inner->required_text("name");
  if (!is_tool_name(tool.name)) {
    wrong(inner->path("name"),
          fmt::format("'{}' must have 1 to 64 letters, digits, underscores and dashes.", inner->path("name")),
          "invalid_value");
  }
  Json function = {{"name", tool.name}};
  if (auto description = inner->text("description")) function["description"] = *std::move(description);
  inner->flag("strict", false);
  if (inner->object("parameters")) {
    tool.parameters = dump(*inner->given("parameters"));
    function["parameters"] = *inner->given("parameters");
  }
  // As it was given, where it has the shape that templates know.
  tool.definition = shape == ToolShape::kNested ? item : Json{{"type", "function"}, {"function", std::move(function)}};
  return tool;
}

void read_choice(const Fields& body, ToolShape shape, ToolSet& set) {
  const Json* choice = body.given("tool_choice");
  if (!choice) return;
  if (choice->is_string()) {
    const std::string name = choice->get<std::string>();
    if (name == "none") {
      set.choice = ToolSet::Choice::kNone;
    } else if (name == "required") {
      set.choice = ToolSet::Choice::kRequired;
    } else if (name != "auto") {
      wrong("tool_choice", fmt::format("'tool_choice' is '{}'; it must be none, auto, required or a function.", name),
            "invalid_value");
    }
  } else {
    const Fields named(*choice, "tool_choice");
    if (named.required_text("type") != "function") {
      wrong("tool_choice.type", "'tool_choice.type' must be \"function\".", "unsupported_value");
    }
    const auto inner = shape == ToolShape::kNested ? named.object("function") : std::optional<Fields>(named);
    if (!inner) wrong("tool_choice.function", "'tool_choice.function' is missing.", "missing_required_parameter");
    set.choice = ToolSet::Choice::kRequired;
    set.named = inner->required_text("name");
    if (std::none_of(set.tools.begin(), set.tools.end(), [&](const Tool& tool) { return tool.name == set.named; })) {
      wrong("tool_choice", fmt::format("'tool_choice' names '{}', which is not in 'tools'.", set.named),
            "invalid_value");
    }
  }
  if (set.tools.empty() && set.choice == ToolSet::Choice::kRequired) {
    wrong("tool_choice", "'tool_choice' is given without 'tools'.", "invalid_value");
  }
}

}  // namespace

bool is_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c < 128 && (std::isalnum(c) || c == '_' || c == '-');
  });
}

ToolSet read_tools(const Fields& body, ToolShape shape) {
  ToolSet set;
  set.parallel = body.flag("parallel_tool_calls", true);
  if (const Json* list = body.list("tools")) {
    if (list->size() > kMostTools) wrong("tools", "'tools' may have at most 128 tools.", "array_above_max_length");
    for (size_t i = 0; i < list->size(); ++i) {
      Tool tool = read_tool((*list)[i], fmt::format("tools[{}]", i), shape);
      for (const Tool& other : set.tools) {
        if (other.name == tool.name) {
          wrong("tools", fmt::format("'tools' has two functions of the name '{}'.", tool.name), "invalid_value");
        }
      }
      set.tools.push_back(std::move(tool));
    }
  }
  read_choice(body, shape, set);
  return set;
}

std::string definitions_of(const ToolSet& tools) {
  if (!tools.active()) return "";
  Json list = Json::array();
  for (const Tool& tool : tools.tools) list.push_back(tool.definition);
  return dump(list);
}

}  // namespace loquat::serve::api
