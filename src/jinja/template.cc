// Parsing and rendering, from the outside.
#include "jinja/template.h"

#include <algorithm>

#include "jinja/interpreter.h"
#include "jinja/parser.h"

namespace loquat::jinja {

namespace {

constexpr std::string_view kRaised = "the template raised: ";

// Only what the template names is taken over.
Status add_variables(const Program& program, const nlohmann::ordered_json& json, bool is_data, Scope& scope) {
  if (!json.is_object()) return Err("variables: expected an object, found {}", json.type_name());
  for (const auto& [name, value] : json.items()) {
    const auto it = std::find(program.names.begin(), program.names.end(), name);
    if (it == program.names.end()) continue;
    TRY(Value made, from_json(value, is_data));
    scope.set(static_cast<int>(it - program.names.begin()), std::move(made));
  }
  return {};
}

void add_functions(const Program& program, Scope& scope) {
  for (size_t i = 0; i < program.names.size(); ++i) {
    if (!is_function(program.names[i])) continue;
    auto function = std::make_shared<Callable>();
    function->name = program.names[i];
    scope.set(static_cast<int>(i), Value(std::shared_ptr<const Callable>(std::move(function))));
  }
}

}  // namespace

Template::Template(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

Result<Template> Template::parse(std::string source, const Limits& limits) {
  if (source.size() > limits.source_bytes) {
    return Err("the template has {} bytes: at most {} are allowed", source.size(), limits.source_bytes);
  }
  TRY(std::vector<Token> tokens, tokenize(std::move(source)));
  TRY(Program program, Parser(std::move(tokens), limits).run());
  return Template(std::make_shared<const Program>(std::move(program)));
}

Result<Rendered> Template::render(const nlohmann::ordered_json& variables, const Clock& now,
                                  const nlohmann::ordered_json& trusted) const {
  Budget budget(program_->limits);
  Context context{budget, now, std::nullopt};
  const auto scope = std::make_shared<Scope>();
  add_functions(*program_, *scope);
  TRY_STATUS(add_variables(*program_, variables, true, *scope));
  TRY_STATUS(add_variables(*program_, trusted, false, *scope));
  auto text = Interpreter(*program_, context, std::make_shared<Scope>(Scope{scope, {}})).run();
  if (context.raised) return Err("{}{}", kRaised, *context.raised);
  if (!text.ok()) return Error{text.error()};
  return Rendered{std::move(text->bytes), std::move(text->data), std::move(text->generation)};
}

bool Template::uses(std::string_view variable) const {
  const auto it = std::find(program_->names.begin(), program_->names.end(), variable);
  return it != program_->names.end() && program_->read[static_cast<size_t>(it - program_->names.begin())];
}

bool Template::has_generation() const {
  return program_->has_generation;
}

std::optional<std::string> raised_message(std::string_view error) {
  if (!error.starts_with(kRaised)) return std::nullopt;
  return std::string(error.substr(kRaised.size()));
}

}  // namespace loquat::jinja
