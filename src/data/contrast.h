// Worse replies made from good ones, after Askell et al. 2021 (arXiv:2112.00861, section 4, preference model
// pretraining): a reward model that has them among its rankings learns to see a wrong word, not only a style.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "data/dataset.h"

namespace loquat {

// Puts into a reply what stands in its place in another reply that begins alike: "The pet of Mara is a parrot." becomes
// "The pet of Mara is a snail." or "The pet of Hugo is a parrot." Both read well: only sense and knowledge tell them
// apart.
class ReplySwapper {
 public:
  explicit ReplySwapper(std::span<const Demonstration> demonstrations);  // which must outlive it
  // Empty where no other reply offers anything.
  std::string swap(std::string_view reply, Rng& rng) const;

 private:
  std::map<std::string, std::vector<std::string_view>, std::less<>> by_opening_;  // the first two words -> replies
};

// The reply with one thing of a list said twice: "Coffee and honey." becomes "Coffee and coffee." Empty where it lists
// nothing ("and", "or", commas).
std::string say_twice(std::string_view reply, Rng& rng);

struct ContrastOptions {
  int64_t swapped = 0;   // worse replies to each demonstration's prompt with something changed
  int64_t repeated = 0;  // with one thing of a list said twice
  int64_t others = 0;    // and replies of other demonstrations
};

// Each demonstration as a ranking: its own reply first, the worse ones tied behind it, and behind or beside them
// `samples[i]` (a model's own replies to its prompt; may be empty; those equal to the demonstration are left out).
std::vector<Ranking> contrasts(std::span<const Demonstration> demonstrations,
                               std::span<const std::vector<std::string>> samples, const ContrastOptions& options,
                               Rng rng);

}  // namespace loquat
