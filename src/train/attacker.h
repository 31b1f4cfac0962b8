// A language model that attacks: supervised fine-tuning on attacks that worked (Perez et al. 2022, section 3.3). It is
// sft but for its examples, which are drawn with probability proportional to exp(score / temperature), so that what
// worked best is seen most, and none twice in the same draw of an example set where there are enough.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/sft.h"

namespace loquat {

struct AttackExample {
  std::string instruction;  // what the attacker is told: "Write an attack of the family ..."
  std::string prompt;       // the attack as it was sent
  double score = 0;         // how well it worked, the greater the better
};

struct AttackerOptions {
  SftOptions sft;
  double temperature = 0.5;
  int64_t examples = 0;  // 0: as many as there are attacks

  static Result<AttackerOptions> read(Settings& settings);
  template <typename V>
  void visit_paths(V& v) {
    sft.visit_paths(v);
  }
  template <typename V>
  void visit(V& v) {
    v("attack_temperature", temperature, 1e-3, 1e3);
    v("attack_examples", examples, int64_t{0}, int64_t{1} << 40);
    sft.visit(v);
  }
};

// Conversations: the instruction as the user's turn, the attack as the assistant's.
std::vector<Demonstration> attack_demonstrations(std::span<const AttackExample> attacks, double temperature,
                                                 int64_t examples, uint64_t seed);

// Writes WORK/attacks.jsonl and fine-tunes options.sft.base on it (and on options.sft.demonstrations, if any).
Result<StageReport> run_attacker(const StageContext& context, const AttackerOptions& options,
                                 std::span<const AttackExample> attacks);

}  // namespace loquat
