// One reply on its way through a grammar.
#include "base/check.h"
#include "infer/grammar/impl.h"

namespace loquat {

using grammar::Cell;
using grammar::Distances;
using grammar::Machine;
using grammar::State;

// Never changed once it is made: matchers that are copies share it.
struct Matcher::Impl {
  std::shared_ptr<const Grammar> grammar;
  std::shared_ptr<const TokenTree> tree;
  std::shared_ptr<const Distances> distances;
  std::vector<Cell> cells;
  State state;
};

std::shared_ptr<const Distances> Grammar::Impl::distances(const grammar::ByteSet& available) const {
  constexpr size_t kKept = 8;  // vocabularies that lack different bytes
  const std::lock_guard lock(mutex);
  for (const auto& known : known_distances) {
    if (known->available == available) return known;
  }
  if (known_distances.size() == kKept) known_distances.erase(known_distances.begin());
  known_distances.push_back(std::make_shared<const Distances>(shortest_ends(graph, available)));
  return known_distances.back();
}

Matcher::Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTree> tree)
    : impl_(std::make_shared<Impl>()) {
  const Grammar::Impl& made = grammar->impl();
  impl_->distances = made.distances(tree->single());
  Machine machine(made.graph, *impl_->distances);
  impl_->state = machine.start(made.start);
  impl_->cells = machine.pack(impl_->state);
  impl_->grammar = std::move(grammar);
  impl_->tree = std::move(tree);
}

int64_t Matcher::tokens_to_end() const {
  return impl_->state.to_end;
}

bool Matcher::can_end() const {
  return impl_->state.ended;
}

void Matcher::allowed(int64_t tokens_left, std::span<uint64_t> mask) const {
  const auto& [grammar, tree, distances, cells, state] = *impl_;
  const size_t words = (static_cast<size_t>(tree->vocab_size()) + 63) / 64;
  CHECK(mask.size() >= words, "{} words for {} tokens", mask.size(), tree->vocab_size());
  std::fill(mask.begin(), mask.end(), 0);
  if (tokens_left <= 0 || !state.alive()) return;
  const Grammar::Impl& made = grammar->impl();
  std::string key = grammar::state_key(made.graph, state, cells, tree->longest());
  const uint64_t id = tree->id();
  key.append(reinterpret_cast<const char*>(&id), sizeof id);
  auto tokens = made.masks.find(key);
  if (!tokens) {
    tokens = std::make_shared<const grammar::TokenMask>(find_tokens(made.graph, *distances, state, cells, *tree));
    made.masks.put(std::move(key), tokens);
  }
  for (const auto& level : tokens->levels) {
    if (state.to_end + level.growth > tokens_left - 1) break;
    for (size_t i = 0; i < level.bits.size(); ++i) mask[i] |= level.bits[i];
    for (const int32_t t : level.tokens) mask[t / 64] |= uint64_t{1} << (t % 64);
  }
}

bool Matcher::accept(int32_t token) {
  const std::string_view bytes = impl_->tree->bytes(token);
  if (bytes.empty()) return false;
  Machine machine(impl_->grammar->impl().graph, *impl_->distances, impl_->cells);
  State state = machine.step(impl_->state, static_cast<uint8_t>(bytes[0]));
  for (size_t i = 1; i < bytes.size() && state.alive(); ++i)
    state = machine.step(state, static_cast<uint8_t>(bytes[i]));
  if (!state.alive()) return false;
  auto next = std::make_shared<Impl>();
  next->grammar = impl_->grammar;
  next->tree = impl_->tree;
  next->distances = impl_->distances;
  next->cells = machine.pack(state);
  next->state = std::move(state);
  impl_ = std::move(next);
  return true;
}

}  // namespace loquat
