// loquat town: writes a world's facts, documents, demonstrations, prompts, attacks and tests, to look at or to use
// elsewhere.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/verbs.h"
#include "data/town/town.h"
#include "redteam/campaign.h"
#include "store/files.h"

namespace loquat {
namespace {

// attacks/train.jsonl: training requests in the families that training may see; attacks/test.jsonl: test requests in
// all.
Status write_attacks(const town::World& world, int64_t per_family, const std::string& folder) {
  TRY_STATUS(make_folders(folder + "/attacks"));
  for (const bool test : {false, true}) {
    const std::vector<town::Task> requests = town::make_harmful_requests(world, per_family, test);
    std::vector<town::Task> attacks;
    for (redteam::Attempt& attempt : redteam::make_attempts(
             world, requests, redteam::families_without(test ? std::vector<std::string>{} : world.held_out_families),
             per_family, Rng(world.seed, test ? "test attacks" : "campaign"))) {
      attempt.task.id += "/" + attempt.family;
      attempt.task.measure = "attack";
      attempt.task.family = attempt.family;
      attempt.task.messages = std::move(attempt.prompt);
      attacks.push_back(std::move(attempt.task));
    }
    TRY_STATUS(town::write_tasks(folder + (test ? "/attacks/test.jsonl" : "/attacks/train.jsonl"), attacks));
  }
  return {};
}

}  // namespace

void add_town_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb =
      app.add_subcommand("town", "write the built-in world: facts, documents, demonstrations, prompts, attacks, tests");
  struct Arguments {
    uint64_t world_seed = 1;
    std::string scale = "quick";
    std::string out;
  };
  auto arguments = std::make_shared<Arguments>();
  add_seed_option(*verb, "--world-seed", arguments->world_seed, "another seed is another town");
  verb->add_option("--scale", arguments->scale, "smoke, quick or full")
      ->check(CLI::IsMember({"smoke", "quick", "full"}))
      ->capture_default_str();
  verb->add_option("--out", arguments->out, "folder to write")->required();
  verb->callback([arguments, &exit_code] {
    const town::World world = town::make_world(arguments->world_seed);
    Status status = town::write_town(world, town::town_scale(arguments->scale), arguments->out);
    if (status.ok()) status = write_attacks(world, arguments->scale == "smoke" ? 10 : 100, arguments->out);
    if (!status.ok()) {
      exit_code = bad_input(status.error());
      return;
    }
    std::printf("%s: %zu entities, %zu facts in %s\n", world.name.c_str(), world.entities.size(), world.facts.size(),
                arguments->out.c_str());
  });
}

}  // namespace loquat
