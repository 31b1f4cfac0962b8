// The compositional part of the town: pairs of which some are private or dangerous and others public. No single word
// tells which: each place has as many private as public doors, each substance as many dangerous as useful partners,
// each person as many private as public things, and every door, substance and thing is on either side equally often.
#pragma once

#include "data/town/town.h"

namespace loquat::town {

void add_secrets(World& world);

}  // namespace loquat::town
