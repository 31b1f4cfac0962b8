// What a reply may be: `response_format`, `text.format` and tools as a grammar (infer/grammar).
#pragma once

#include <memory>

#include "infer/grammar/grammar.h"
#include "serve/api/json.h"
#include "serve/api/tools.h"

namespace loquat::serve::api {

// chat.completions' response_format has the schema in `json_schema`; responses' text.format has it beside `type`.
struct FormatField {
  std::optional<Fields> format;  // not given: any text
  ToolShape shape = ToolShape::kNested;
};

// Null: any text, or calls of tools. A format of JSON beside tools that may be called gets a 400: a reply is one or the
// other.
std::shared_ptr<const Grammar> read_format(const FormatField& field, const ToolSet& tools);
// What a reply with these tools may be, calls in the family's form.
std::shared_ptr<const Grammar> tool_grammar(const ToolSet& set, ToolFamily family);
// For a reply that begins within its thoughts.
std::shared_ptr<const Grammar> after_thoughts(const std::shared_ptr<const Grammar>& grammar);

}  // namespace loquat::serve::api
