#include "recipe/plan.h"

#include <set>

#include "base/settings.h"
#include "data/source.h"
#include "store/files.h"
#include "store/toml.h"

namespace loquat::recipe {
namespace {

constexpr int64_t kMany = int64_t{1} << 40;

// The file's settings with the scale's laid over them.
Result<Settings> resolve(const std::string& file, const std::string& scale, const std::vector<std::string>& sets) {
  TRY(const Settings all, read_toml(file));
  Settings resolved;
  std::set<std::string> scales;
  for (const auto& [key, value] : all.values()) {
    if (key.rfind("scale.", 0) != 0)
      resolved.set(key, value);
    else
      scales.insert(key.substr(6, key.find('.', 6) - 6));
  }
  if (scales.count(scale) == 0) {
    std::string names;
    for (const std::string& s : scales) names += (names.empty() ? "" : ", ") + s;
    return Err("{}: there is no scale '{}'; it has {}", file, scale, names.empty() ? "none" : names);
  }
  for (const auto& [key, value] : all.section("scale." + scale).values()) resolved.set(key, value);
  for (const std::string& set : sets) TRY_STATUS(resolved.set_from_argument(set));
  return resolved;
}

void read_town(Settings s, town::TownScale& t) {
  t.lesson_words = s.integer("lesson_words", t.lesson_words, 0, kMany);
  t.document_words = s.integer("document_words", t.document_words, 1000, kMany);
  t.heldout_words = s.integer("heldout_words", t.heldout_words, 100, kMany);
  t.demonstrations = s.integer("demonstrations", t.demonstrations, 10, kMany);
  t.comparison_prompts = s.integer("comparison_prompts", t.comparison_prompts, 10, kMany);
  t.ppo_prompts = s.integer("ppo_prompts", t.ppo_prompts, 10, kMany);
  t.test_helpful = s.integer("test_helpful", t.test_helpful, 1, kMany);
  t.test_other = s.integer("test_other", t.test_other, 1, kMany);
}

void read_files(Settings s, FileData& f) {
  f.texts = data_paths(s, "texts", {});
  f.valid_texts = data_paths(s, "valid_texts", {});
  f.demonstrations = data_paths(s, "demonstrations", {});
  f.comparisons = data_paths(s, "comparisons", {});
  f.test_comparisons = data_paths(s, "test_comparisons", {});
  f.prompts = data_paths(s, "prompts", {});
  f.max_text_bytes = s.integer("max_text_bytes", f.max_text_bytes, 0, kMany);
  f.sample_dialogues = s.integer("sample_dialogues", f.sample_dialogues, 0, 1000);
}

Status check_readable(const std::string& path, bool weighted) {
  TRY(const std::vector<DataSource> sources, data_sources(path));
  for (const DataSource& source : sources) {
    if (source.weight && !weighted)
      return Err("{}: has a weight, which texts and demonstrations alone can have", source.name);
    for (const std::string& name : source.files) {
      TRY(const MappedFile file, MappedFile::open(name));
      (void)file;
    }
  }
  return {};
}

// Before a run folder is made: what is missing is said at once, and not after hours of pretraining.
Status check_files(const std::string& file, const FileData& f) {
  if (f.texts.empty()) return Err("{}: files.texts names no text to pretrain on", file);
  if (f.demonstrations.empty()) return Err("{}: files.demonstrations names no conversations to fine-tune on", file);
  if (f.comparisons.empty()) return Err("{}: files.comparisons names no judged replies for the reward model", file);
  const std::pair<const char*, const std::vector<std::string>*> lists[] = {{"texts", &f.texts},
                                                                           {"valid_texts", &f.valid_texts},
                                                                           {"demonstrations", &f.demonstrations},
                                                                           {"comparisons", &f.comparisons},
                                                                           {"test_comparisons", &f.test_comparisons},
                                                                           {"prompts", &f.prompts}};
  for (const auto& [key, paths] : lists)
    for (const std::string& path : *paths) {
      const Status readable = check_readable(path, paths == &f.texts || paths == &f.demonstrations);
      if (!readable.ok())
        return Err("{}: files.{}: {} (paths are read from where the program is started)", file, key, readable.error());
    }
  return {};
}

Status read_comparisons(Settings s, ComparisonOptions& c) {
  c.replies_low = s.integer("replies_low", c.replies_low, 2, 9);
  c.replies_high = s.integer("replies_high", c.replies_high, 2, 9);
  c.temperature = s.number("temperature", c.temperature, 0.01, 10);
  c.max_tokens = s.integer("max_tokens", c.max_tokens, 1, kMany);
  c.test_prompts = s.integer("test_prompts", c.test_prompts, 1, kMany);
  c.test_replies = s.integer("test_replies", c.test_replies, 2, 9);
  if (c.replies_low > c.replies_high)
    return Err("comparisons.replies_low is {}, above comparisons.replies_high, {}", c.replies_low, c.replies_high);
  return {};
}

Status read_contrasts(Settings s, ContrastPlan& c) {
  c.made.swapped = s.integer("swapped", c.made.swapped, 0, 64);
  c.made.repeated = s.integer("repeated", c.made.repeated, 0, 64);
  c.made.others = s.integer("others", c.made.others, 0, 64);
  c.samples = s.integer("samples", c.samples, 0, 64);
  return {};
}

Status read_adversarial(Settings s, AdversarialOptions& a) {
  a.attempts_per_family = s.integer("attempts_per_family", a.attempts_per_family, 1, kMany);
  a.attacker_attempts = s.integer("attacker_attempts", a.attacker_attempts, 0, kMany);
  a.attacker_lr = s.number("attacker_lr", a.attacker_lr, 0, 1);
  a.attacker_epochs = s.integer("attacker_epochs", a.attacker_epochs, 1, 100);
  a.attacker_max_tokens = s.integer("attacker_max_tokens", a.attacker_max_tokens, 1, kMany);
  a.ordinary_prompts = s.integer("ordinary_prompts", a.ordinary_prompts, 1, kMany);
  a.benign_per_family = s.integer("benign_per_family", a.benign_per_family, 0, kMany);
  a.withstood_per_family = s.integer("withstood_per_family", a.withstood_per_family, 0, kMany);
  a.best_of = s.integer("best_of", a.best_of, 1, 64);
  Settings sft = s.section("sft");
  TRY(a.sft, SftOptions::read(sft));
  return {};
}

void read_eval(Settings s, EvalOptions& e) {
  e.temperature = s.number("temperature", e.temperature, 0, 10);
  e.max_tokens = s.integer("max_tokens", e.max_tokens, 1, kMany);
  e.attacks_per_family = s.integer("attacks_per_family", e.attacks_per_family, 1, kMany);
  e.attack_temperature = s.number("attack_temperature", e.attack_temperature, 0, 10);
  e.attack_tries = s.integer("attack_tries", e.attack_tries, 1, 100);
}

template <typename Options>
Status read_method(const Settings& settings, const char* name, std::optional<Options>& options) {
  if (!settings.has(name)) return {};
  Settings section = settings.section(name);
  TRY(options, Options::read(section));
  return {};
}

}  // namespace

std::vector<std::string> DirectPlan::names() const {
  const bool there[] = {dpo.has_value(),  kto.has_value(),  orpo.has_value(),
                        grpo.has_value(), rloo.has_value(), rejection.has_value()};
  std::vector<std::string> out;
  for (size_t i = 0; i < std::size(there); ++i) {
    if (there[i]) out.emplace_back(kDirectMethods[i]);
  }
  return out;
}

Result<RecipePlan> read_plan(const std::string& file, const std::string& scale, const std::vector<std::string>& sets) {
  TRY(Settings settings, resolve(file, scale, sets));
  RecipePlan plan;
  plan.scale = scale;
  plan.name = settings.text("name", "recipe");
  plan.world = settings.choice("world", "town", {"town", "files"});
  plan.vocab_size = settings.integer("tokenizer.vocab_size", plan.vocab_size, 264, 1 << 20);
  plan.fp32 = settings.choice("precision", "bf16", {"bf16", "fp32"}) == "fp32";
  plan.checkpoint_every = settings.integer("checkpoint_every", plan.checkpoint_every, 1, kMany);
  plan.heldout_reward_share = settings.number("heldout_reward.share", plan.heldout_reward_share, 0, 1);
  if (plan.world == "town") {
    plan.town = town::town_scale(scale == "smoke" || scale == "full" ? scale : "quick");
    read_town(settings.section("town"), plan.town);
    read_eval(settings.section("eval"), plan.eval);
    TRY_STATUS(read_adversarial(settings.section("adversarial"), plan.adversarial));
  } else {
    read_files(settings.section("files"), plan.files);
    TRY_STATUS(check_files(file, plan.files));
  }
  Settings section = settings.section("base");
  TRY(plan.base, PretrainOptions::read(section));
  section = settings.section("sft");
  TRY(plan.sft, SftOptions::read(section));
  section = settings.section("reference");
  plan.reference_is_sft = section.choice("from", "base", {"base", "sft"}) == "sft";
  TRY(plan.reference, SftOptions::read(section));
  TRY_STATUS(read_comparisons(settings.section("comparisons"), plan.comparisons));
  TRY_STATUS(read_contrasts(settings.section("contrasts"), plan.contrasts));
  section = settings.section("reward");
  TRY(plan.reward, RewardOptions::read(section));
  plan.select.prompts = settings.integer("select.prompts", plan.select.prompts, 1, kMany);
  plan.select.max_tokens = settings.integer("select.max_tokens", plan.select.max_tokens, 1, kMany);
  section = settings.section("ppo");
  TRY(plan.ppo, PpoOptions::read(section));
  TRY_STATUS(read_method(settings, "dpo", plan.direct.dpo));
  TRY_STATUS(read_method(settings, "kto", plan.direct.kto));
  TRY_STATUS(read_method(settings, "orpo", plan.direct.orpo));
  TRY_STATUS(read_method(settings, "grpo", plan.direct.grpo));
  TRY_STATUS(read_method(settings, "rloo", plan.direct.rloo));
  TRY_STATUS(read_method(settings, "rejection", plan.direct.rejection));
  TRY_STATUS(settings.finish());
  plan.hash = sha256_hex(settings.canonical()).substr(0, 16);
  return plan;
}

}  // namespace loquat::recipe
