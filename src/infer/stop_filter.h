// Ends a growing text before the first of some stop sequences.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loquat {

// How much of the end of `text` could be the beginning of `mark`.
size_t begun(std::string_view text, std::string_view mark);

class StopFilter {
 public:
  explicit StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  // What may be shown now: an end that could be the beginning of a stop sequence is kept back until it is decided.
  std::string push(std::string_view text);
  std::string finish();  // what was kept back, when no stop came
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;  // none is empty
  std::string held_;
  bool stopped_ = false;
};

}  // namespace loquat
