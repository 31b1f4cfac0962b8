// loquat town: writes a world's facts, documents, demonstrations, prompts and tests, to look at or to use elsewhere.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/verbs.h"
#include "data/town/town.h"

namespace loquat {

void add_town_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb =
      app.add_subcommand("town", "write the built-in world: facts, documents, demonstrations, prompts, tests");
  struct Arguments {
    uint64_t world_seed = 1;
    std::string scale = "quick";
    std::string out;
  };
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("--world-seed", arguments->world_seed, "another seed is another town")->capture_default_str();
  verb->add_option("--scale", arguments->scale, "smoke, quick or full")
      ->check(CLI::IsMember({"smoke", "quick", "full"}))
      ->capture_default_str();
  verb->add_option("--out", arguments->out, "folder to write")->required();
  verb->callback([arguments, &exit_code] {
    const town::World world = town::make_world(arguments->world_seed);
    const Status status = town::write_town(world, town::town_scale(arguments->scale), arguments->out);
    if (!status.ok()) {
      exit_code = bad_input(status.error());
      return;
    }
    std::printf("%s: %zu entities, %zu facts in %s\n", world.name.c_str(), world.entities.size(), world.facts.size(),
                arguments->out.c_str());
  });
}

}  // namespace loquat
