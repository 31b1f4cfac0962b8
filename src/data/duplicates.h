// Texts that stand more than once: exactly, by a hash of their bytes, or nearly, by MinHash over their words' runs of
// four. A near duplicate is found where about seven in ten of all runs are shared; which ones are found follows from
// the texts and their order alone. Two texts of one hash (2^-64) count as the same.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace loquat {

class ExactDuplicates {
 public:
  bool add(std::string_view text);  // whether it was there before
  bool has(std::string_view text) const;
  int64_t repeated() const { return repeated_; }
  int64_t distinct() const { return static_cast<int64_t>(seen_.size()); }

 private:
  std::unordered_set<uint64_t> seen_;
  int64_t repeated_ = 0;
};

class NearDuplicates {
 public:
  // Whether an earlier text is nearly this one. Texts of fewer than four words never are.
  bool add(std::string_view text);
  int64_t found() const { return found_; }

 private:
  static constexpr int kHashes = 32, kBands = 8;
  using Signature = std::array<uint32_t, kHashes>;
  static bool sign(std::string_view text, Signature& signature);

  std::unordered_map<uint64_t, Signature> buckets_;  // of each band, its first text
  int64_t found_ = 0;
};

}  // namespace loquat
