// The rows of a JSON file as pieces of its text, found without parsing them: a list, an object that holds a list, one
// object, or objects one after another (JSONL under another name).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat {

struct JsonPart {
  std::string_view text;  // of the file
  int64_t line = 1;       // at which it begins
  int64_t index = -1;     // in its list, from 0; -1: of no list, named by its line
};

// f(row) for each; an error of f's ends it. `list`: the key of the list to take, of an object; empty: the only list of
// objects that there is, which `taken` then names. An object whose keys are those of a row (data/shapes.h) is one row.
// Errors: a list or a value that is cut off (with its place and line), no list, several.
Status json_parts(std::string_view text, const std::string& list, const std::function<Status(const JsonPart&)>& f,
                  std::string& taken);

}  // namespace loquat
