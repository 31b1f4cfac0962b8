// Replies that the data itself marks as no targets (weight 0).
#pragma once

#include "data/dataset.h"

namespace loquat {

// Takes the targets from the replies that item.untrained names. `sequence` is the item rendered, perhaps cut from the
// left: each run of targets is a reply, and the last run is the last reply.
void mask_untrained(const Demonstration& item, TokenSequence& sequence);

}  // namespace loquat
