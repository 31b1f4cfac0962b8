// Whether bytes are UTF-8 text, and if not, what they seem to be, for a person to repair them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat {

// The first bytes of a file: an error where they are UTF-16 or UTF-32.
Status check_start(std::string_view bytes);
// Errors name the line where there are several, the byte, the column, and the encoding that it may be.
Status check_text(std::string_view text);
// At most `bytes` of it, not cut within a character.
std::string utf8_prefix(std::string_view text, size_t bytes);

}  // namespace loquat
