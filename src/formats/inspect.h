// What a model's folder or file holds, for `loquat models inspect`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace loquat {

// {"path", "format", "files": [{name, bytes}], "architecture", "parameters", "dtypes": {dtype: tensors}, "config",
// "tokenizer": {"tokens", "file"} or null, "chat_template": bool, "tensors": [{name, dtype, shape}] on request}, and
// where the model or its tokenizer cannot be opened "problem" with the reason, beside what could be found out.
nlohmann::ordered_json inspect_model(const std::string& path, bool with_tensors);

// The same for people.
std::string inspect_text(const nlohmann::ordered_json& report);

}  // namespace loquat
