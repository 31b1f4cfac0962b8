#include "data/untrained.h"

#include <algorithm>

namespace loquat {

void mask_untrained(const Demonstration& item, TokenSequence& sequence) {
  if (item.untrained.empty()) return;
  auto message = static_cast<int64_t>(item.messages.size());
  for (size_t end = sequence.is_target.size(); end > 0;) {
    if (sequence.is_target[end - 1] == 0) {
      --end;
      continue;
    }
    size_t begin = end;
    while (begin > 0 && sequence.is_target[begin - 1] != 0) --begin;
    do --message;
    while (message >= 0 && item.messages[static_cast<size_t>(message)].role != "assistant");
    const bool masked = std::find(item.untrained.begin(), item.untrained.end(), message) != item.untrained.end();
    if (masked)
      std::fill(sequence.is_target.begin() + static_cast<std::ptrdiff_t>(begin),
                sequence.is_target.begin() + static_cast<std::ptrdiff_t>(end), uint8_t{0});
    end = begin;
  }
}

}  // namespace loquat
