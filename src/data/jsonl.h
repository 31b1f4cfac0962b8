// One line of a dataset file ⇄ one item, in the shapes of docs/formats.md. Errors say the key, what was found and what
// is expected; the readers of dataset.h put the file and the line before them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/dataset.h"

namespace loquat {

Result<std::string> text_from_json(std::string_view line);
Result<Demonstration> demonstration_from_json(std::string_view line);
// nullopt: a sound line that compares nothing.
Result<std::optional<Ranking>> ranking_from_json(std::string_view line);
Result<Messages> prompt_from_json(std::string_view line);

// One line each, without its end. Bytes that are not UTF-8 (a model may have written them) become U+FFFD.
std::string text_to_json(std::string_view text);
std::string to_json(const Demonstration& item);
std::string to_json(const Ranking& item);
std::string prompt_to_json(const Messages& prompt);

// HH-RLHF's form: "\n\nHuman: ...\n\nAssistant: ...", as turns.
Result<Messages> messages_from_transcript(std::string_view text);

}  // namespace loquat
