#include "serve/api/tools.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

namespace loquat::serve::api {
namespace {

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kMostTools = 128;

// How much of the end of `text` could be the beginning of `mark`.
size_t begun(std::string_view text, std::string_view mark) {
  for (size_t n = std::min(mark.size() - 1, text.size()); n > 0; --n) {
    if (text.ends_with(mark.substr(0, n))) return n;
  }
  return 0;
}

// Walks along a call's head. Each step: it is there and passed, it does not fit, or the text ends before one can know.
class Head {
 public:
  enum class Fit { kYes, kNo, kMore };
  explicit Head(std::string_view text) : text_(text) {}

  // {"name": "NAME", "arguments":   up to the arguments' first byte
  Fit read(std::string& name, size_t& end) {
    for (const std::string_view mark : {"{", "\"name\"", ":"}) {
      if (const Fit fit = literal(mark); fit != Fit::kYes) return fit;
    }
    if (const Fit fit = string(name); fit != Fit::kYes) return fit;
    for (const std::string_view mark : {",", "\"arguments\"", ":"}) {
      if (const Fit fit = literal(mark); fit != Fit::kYes) return fit;
    }
    skip_space();
    if (at_ == text_.size()) return Fit::kMore;
    end = at_;
    return text_[at_] == '{' ? Fit::kYes : Fit::kNo;
  }

 private:
  void skip_space() { at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size()); }

  Fit literal(std::string_view mark) {
    skip_space();
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(mark)) {
      at_ += mark.size();
      return Fit::kYes;
    }
    return mark.starts_with(rest) ? Fit::kMore : Fit::kNo;
  }

  Fit string(std::string& value) {
    if (const Fit fit = literal("\""); fit != Fit::kYes) return fit;
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (!is_tool_name(text_.substr(at_, 1))) return Fit::kNo;
      ++at_;
    }
    if (at_ == text_.size()) return Fit::kMore;
    value = text_.substr(begin, at_++ - begin);
    return is_tool_name(value) ? Fit::kYes : Fit::kNo;
  }

  std::string_view text_;
  size_t at_ = 0;
};

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
  tool.definition = {{"name", tool.name}};
  if (auto description = inner->text("description")) tool.definition["description"] = *std::move(description);
  inner->flag("strict", false);
  if (inner->object("parameters")) {
    tool.parameters = dump(*inner->given("parameters"));
    tool.definition["parameters"] = *inner->given("parameters");
  }
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

std::string tools_text(const ToolSet& tools) {
  std::string text = "You can call functions. Each line between the tags describes one:\n<tools>\n";
  for (const Tool& tool : tools.tools) {
    text += dump(Json{{"type", "function"}, {"function", tool.definition}}) + "\n";
  }
  text +=
      "</tools>\nTo call a function, write its name and its arguments as JSON:\n"
      "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {...}}\n</tool_call>\n"
      "What it gives back comes between <tool_response> and </tool_response>.";
  return text;
}

std::string call_text(const std::string& name, const std::string& arguments) {
  return fmt::format("{}\n{{\"name\": {}, \"arguments\": {}}}\n{}", kOpen, dump(Json(name)), arguments, kClose);
}

std::string result_text(const std::string& content) {
  return fmt::format("<tool_response>\n{}\n</tool_response>", content);
}

std::vector<ToolPiece> ToolCallParser::push(std::string_view text, bool last) {
  std::vector<ToolPiece> out;
  held_ += text;
  for (bool more = true; more;) {
    switch (state_) {
      case State::kText:
        more = read_text(out, last);
        break;
      case State::kHead:
        more = read_head(out, last);
        break;
      case State::kArguments:
        more = read_arguments(out);
        break;
      case State::kTail:
        more = read_tail(last);
        break;
    }
  }
  return out;
}

void ToolCallParser::text(std::vector<ToolPiece>& out, std::string text) {
  if (text.empty()) return;
  if (!out.empty() && out.back().kind == ToolPiece::Kind::kText) {
    out.back().text += text;
  } else {
    out.push_back({ToolPiece::Kind::kText, std::move(text)});
  }
}

// The readers return whether another state has the rest to read.
bool ToolCallParser::read_text(std::vector<ToolPiece>& out, bool last) {
  const size_t call = held_.find(kOpen);
  const std::string_view before = std::string_view(held_).substr(0, call);
  // Space is kept back until one knows what follows it.
  const size_t part = call == std::string::npos && !last ? begun(before, kOpen) : 0;
  const size_t words = before.substr(0, before.size() - part).find_last_not_of(kSpace) + 1;
  if (call == std::string::npos) {
    const size_t ready = !last ? words : words == 0 && calls_ > 0 ? 0 : held_.size();
    text(out, held_.substr(0, ready));
    held_.erase(0, ready);
    if (last) held_.clear();
    return false;
  }
  text(out, held_.substr(0, words));
  held_.erase(0, call + kOpen.size());
  state_ = State::kHead;
  return true;
}

bool ToolCallParser::read_head(std::vector<ToolPiece>& out, bool last) {
  std::string name;
  size_t end = 0;
  const Head::Fit fit = Head(held_).read(name, end);
  if (fit == Head::Fit::kMore && !last) return false;
  if (fit != Head::Fit::kYes) {
    text(out, std::string(kOpen));
    state_ = State::kText;
    return true;
  }
  out.push_back({ToolPiece::Kind::kCall, std::move(name), calls_++});
  held_.erase(0, end);
  depth_ = 0;
  in_string_ = escaped_ = false;
  state_ = State::kArguments;
  return true;
}

bool ToolCallParser::read_arguments(std::vector<ToolPiece>& out) {
  size_t at = 0;
  bool closed = false;
  for (; at < held_.size() && !closed; ++at) {
    const char c = held_[at];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      closed = --depth_ == 0;
    }
  }
  if (at > 0) out.push_back({ToolPiece::Kind::kArguments, held_.substr(0, at), calls_ - 1});
  held_.erase(0, at);
  if (closed) state_ = State::kTail;
  return closed;
}

bool ToolCallParser::read_tail(bool last) {
  const size_t close = held_.find(kClose);
  if (close != std::string::npos) {
    held_.erase(0, close + kClose.size());
    state_ = State::kText;
    return true;
  }
  held_.erase(0, held_.size() - (last ? 0 : begun(held_, kClose)));
  return false;
}

}  // namespace loquat::serve::api
