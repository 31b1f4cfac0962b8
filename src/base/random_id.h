// Names that cannot be guessed, from the system's random numbers.
#pragma once

#include <string>

namespace loquat {

std::string random_id();  // 26 letters and digits: 130 bits

}  // namespace loquat
