// loquat quantize FOLDER --bits 8|4 --out FOLDER: a model folder with its projections in 8 or 4 bits.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/verbs.h"
#include "model/model.h"

namespace loquat {

void add_quantize_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("quantize", "write a model folder's weights in 8 or 4 bits, to serve from");
  struct Arguments {
    std::string model, out;
    int bits = 8;
  };
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("model", arguments->model, "a model folder")->required();
  verb->add_option("--bits", arguments->bits, "8 or 4")->check(CLI::IsMember({8, 4}))->capture_default_str();
  verb->add_option("--out", arguments->out, "the folder to write")->required();
  verb->callback([arguments, &exit_code] {
    const WeightType type = arguments->bits == 4 ? WeightType::kInt4 : WeightType::kInt8;
    Status status = check_model_path(arguments->model);
    if (status.ok()) status = quantize_model_folder(arguments->model, arguments->out, type);
    exit_code = status.ok() ? 0 : bad_input(status.error());
    if (status.ok()) std::printf("%s: %d bits\n", arguments->out.c_str(), arguments->bits);
  });
}

}  // namespace loquat
