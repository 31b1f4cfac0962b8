#include "serve/api/inputs.h"

#include <fmt/core.h>

#include "serve/api/sampling.h"

namespace loquat::serve::api {
namespace {

Input read_one(const Json& item, const std::string& path, const ServedModel& model) {
  Input input;
  if (item.is_string()) {
    input.text = item.get<std::string>();
    input.tokens = model.tokenizer().encode_with_special(input.text);
  } else {
    input.tokens = read_tokens(item, path, model);
    input.text = model.tokenizer().decode(input.tokens);
  }
  if (input.tokens.empty()) wrong(path, fmt::format("'{}' is empty.", path), "invalid_value");
  return input;
}

}  // namespace

std::vector<Input> read_inputs(const Fields& body, const std::string& name, const ServedModel& model, size_t most) {
  const Json* given = body.given(name);
  if (!given) wrong(name, fmt::format("'{}' is missing.", name), "missing_required_parameter");
  if (!given->is_string() && !given->is_array()) {
    wrong(name,
          fmt::format("'{}' must be a string, a list of strings, a list of token ids or a list of such lists.", name),
          "invalid_type");
  }
  if (given->is_string() || given->empty() || given->front().is_number()) return {read_one(*given, name, model)};
  if (given->size() > most) {
    wrong(name, fmt::format("'{}' has {} items; at most {} can be asked for.", name, given->size(), most),
          "array_above_max_length");
  }
  std::vector<Input> inputs;
  for (size_t i = 0; i < given->size(); ++i) {
    const Json& item = (*given)[i];
    const std::string path = fmt::format("{}[{}]", name, i);
    if (item.type() != given->front().type() || !(item.is_string() || item.is_array())) {
      wrong(path, fmt::format("'{}' must be a string or a list of token ids, as all the others.", path),
            "invalid_type");
    }
    inputs.push_back(read_one(item, path, model));
  }
  return inputs;
}

}  // namespace loquat::serve::api
