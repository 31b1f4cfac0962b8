#include "data/duplicates.h"

#include <algorithm>

#include "base/rng.h"

namespace loquat {
namespace {

constexpr size_t kRun = 4;           // words
constexpr double kAlike = 0.7;       // share of equal minima, an estimate of the share of equal runs
constexpr size_t kMostWords = 4000;  // of a text: a book's beginning tells it apart

bool is_letter(unsigned char c) {
  return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// FNV-1a of a word in lower case.
uint64_t word_hash(std::string_view word) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const unsigned char c : word) hash = (hash ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x100000001B3;
  return hash;
}

}  // namespace

bool ExactDuplicates::add(std::string_view text) {
  const bool before = !seen_.insert(hash64(text)).second;
  repeated_ += before;
  return before;
}

bool ExactDuplicates::has(std::string_view text) const {
  return seen_.count(hash64(text)) != 0;
}

bool NearDuplicates::sign(std::string_view text, Signature& signature) {
  signature.fill(UINT32_MAX);
  std::array<uint64_t, kRun> last{};
  size_t words = 0;
  for (size_t i = 0; i < text.size() && words < kMostWords;) {
    while (i < text.size() && !is_letter(static_cast<unsigned char>(text[i]))) ++i;
    size_t end = i;
    while (end < text.size() && is_letter(static_cast<unsigned char>(text[end]))) ++end;
    if (end == i) break;
    last[words++ % kRun] = word_hash(text.substr(i, end - i));
    i = end;
    if (words < kRun) continue;
    uint64_t run = 0;
    for (size_t k = 0; k < kRun; ++k) run = mix64(run ^ last[(words + k) % kRun]);
    for (uint32_t h = 0; h < kHashes; ++h) {  // two halves make as many hashes as are wanted
      const auto low = static_cast<uint32_t>(run), high = static_cast<uint32_t>(run >> 32) | 1;
      uint32_t x = low + h * high;
      x ^= x >> 15;
      x *= 0x2C1B3C6D;
      x ^= x >> 12;
      signature[h] = std::min(signature[h], x);
    }
  }
  return words >= kRun;
}

bool NearDuplicates::add(std::string_view text) {
  Signature signature;
  if (!sign(text, signature)) return false;
  bool found = false;
  constexpr int kRows = kHashes / kBands;
  for (int band = 0; band < kBands; ++band) {
    auto key = static_cast<uint64_t>(band);
    for (int r = 0; r < kRows; ++r) key = mix64(key ^ signature[static_cast<size_t>(band * kRows + r)]);
    const auto [it, is_new] = buckets_.emplace(key, signature);
    if (is_new || found) continue;
    int equal = 0;
    for (size_t h = 0; h < kHashes; ++h) equal += it->second[h] == signature[h];
    found = equal >= kAlike * kHashes;
  }
  found_ += found;
  return found;
}

}  // namespace loquat
