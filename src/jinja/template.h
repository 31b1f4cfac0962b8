// A small, safe interpreter of the Jinja2 dialect in which Hugging Face models ship their chat templates: what
// ImmutableSandboxedEnvironment(trim_blocks, lstrip_blocks, loop controls) with tojson, raise_exception, strftime_now
// and {% generation %} does. A template reads data and writes text: it can reach nothing else, and everything it does
// is bounded by Limits. The output says which bytes came from the data, so that nobody's text becomes a control token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::jinja {

struct Limits {
  size_t source_bytes = size_t{1} << 20;
  size_t output_bytes = size_t{16} << 20;  // of the output, and of any string on the way
  // Each node evaluated, each turn of a loop, each element made and each 8 bytes written is a step: so this bounds the
  // memory too, at about 8 bytes a step.
  uint64_t steps = 20'000'000;
  int depth = 500;    // nodes being evaluated within one another, through macros too
  int nesting = 100;  // of the source: blocks and expressions within one another
};

// Bytes [begin, end).
struct Range {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const Range&) const = default;
};

// Lists of ranges are sorted; ranges are not empty and do not touch.
struct Rendered {
  std::string text;
  std::vector<Range> data;        // bytes that came from strings of `variables`; the rest is the template's own text
  std::vector<Range> generation;  // bytes written inside {% generation %} blocks
};

// Local time, for strftime_now.
using Clock = std::function<std::tm()>;

struct Program;

// Cheap to copy; any number of threads may render the same template.
class Template {
 public:
  // Errors name the line and column (from 1, columns in characters) and what was expected.
  static Result<Template> parse(std::string source, const Limits& limits = {});

  // `variables` is an object: messages, tools and whatever else came from a user or a request. `trusted` is one too:
  // strings that count as the template's own text (bos_token, eos_token and the like) and win over `variables`.
  // Only strings are followed: a number or a truth value that is printed counts as the template's text.
  Result<Rendered> render(const nlohmann::ordered_json& variables, const Clock& now,
                          const nlohmann::ordered_json& trusted = nlohmann::ordered_json::object()) const;

  // Whether the name is read anywhere: "tools", "enable_thinking".
  bool uses(std::string_view variable) const;
  bool has_generation() const;

 private:
  explicit Template(std::shared_ptr<const Program> program);
  std::shared_ptr<const Program> program_;
};

// If render() failed because the template called raise_exception(message): that message. Otherwise nothing: a limit,
// or a mistake of the template.
std::optional<std::string> raised_message(std::string_view error);

}  // namespace loquat::jinja
