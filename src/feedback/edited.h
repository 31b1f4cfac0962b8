// How much of a text that a model suggested a person changed before they sent it.
#pragma once

#include <string_view>

namespace loquat::feedback {

// 0: as it was (blanks at the end do not count), 1: nothing of it is left. One minus Dice's coefficient of the texts'
// runs of three characters: in linear time, and the same for writings without blanks between words.
double edited_share(std::string_view suggestion, std::string_view text);

}  // namespace loquat::feedback
