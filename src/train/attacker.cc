// The attacker's examples (attacker.h).
#include "train/attacker.h"

#include <algorithm>
#include <cmath>

#include "store/files.h"

namespace loquat {

std::vector<Demonstration> attack_demonstrations(std::span<const AttackExample> attacks, double temperature,
                                                 int64_t examples, uint64_t seed) {
  if (attacks.empty()) return {};
  const size_t count = examples > 0 ? static_cast<size_t>(examples) : attacks.size();
  double best = attacks[0].score;
  for (const AttackExample& a : attacks) best = std::max(best, a.score);
  Rng rng(seed, "attacker.examples");
  std::vector<double> weights, left;
  for (const AttackExample& a : attacks) weights.push_back(std::max(1e-300, std::exp((a.score - best) / temperature)));
  std::vector<Demonstration> demonstrations;
  size_t remaining = 0;
  while (demonstrations.size() < count) {
    if (remaining == 0) {
      left = weights;
      remaining = attacks.size();
      // A full round would take every attack once, whatever its score: half a round keeps the preference.
      if (count > attacks.size() / 2) remaining = std::max<size_t>(1, attacks.size() / 2);
    }
    const size_t i = rng.weighted(left);
    left[i] = 0;
    --remaining;
    const AttackExample& a = attacks[i];
    demonstrations.push_back({fmt::format("attack-{}", i), {{"user", a.instruction}, {"assistant", a.prompt}}});
  }
  return demonstrations;
}

Result<AttackerOptions> AttackerOptions::read(Settings& settings) {
  return read_options(settings, AttackerOptions{});
}

Result<StageReport> run_attacker(const StageContext& context, const AttackerOptions& options,
                                 std::span<const AttackExample> attacks) {
  if (attacks.empty()) return Err("attacker: no attack to learn from");
  TRY_STATUS(make_folders(context.work));
  SftOptions sft = options.sft;
  const std::string path = context.work + "/attacks.jsonl";
  TRY_STATUS(
      write_demonstrations(path, attack_demonstrations(attacks, options.temperature, options.examples, context.seed)));
  sft.demonstrations.push_back(path);
  return run_sft(context, sft);
}

}  // namespace loquat
