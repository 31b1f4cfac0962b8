#include "infer/grammar/known.h"

#include <algorithm>

namespace loquat::grammar {

std::shared_ptr<const Grammar> KnownGrammars::find(const std::string& source) {
  const auto found = std::find_if(known_.begin(), known_.end(), [&](const auto& one) { return one.first == source; });
  if (found == known_.end()) return nullptr;
  std::rotate(found, found + 1, known_.end());
  return known_.back().second;
}

KnownGrammars::Made KnownGrammars::find_or_make(const std::string& source, const std::function<Made()>& make) {
  {
    const std::lock_guard lock(mutex_);
    if (auto known = find(source)) return known;
  }
  TRY(auto made, make());  // others go on meanwhile
  const std::lock_guard lock(mutex_);
  if (auto known = find(source)) return known;
  if (known_.size() == kMost) known_.erase(known_.begin());
  known_.emplace_back(source, made);
  return made;
}

}  // namespace loquat::grammar
