// loquat merge ADAPTER --out FOLDER: an adapter's folder and its base as one plain model folder.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/verbs.h"
#include "model/adapter_folder.h"

namespace loquat {
namespace {

struct MergeArguments {
  std::string adapter, out;
  std::string precision = "f32";
};

Status merge(const MergeArguments& arguments) {
  TRY_STATUS(check_model_path(arguments.adapter));
  TRY(const Kernels* kernels, best_kernels());
  const DType dtype = arguments.precision == "f32" ? DType::kF32 : DType::kBF16;
  return merge_adapter_folder(arguments.adapter, arguments.out, *kernels, dtype);
}

}  // namespace

void add_merge_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("merge", "write an adapter and its base as one plain model folder");
  auto arguments = std::make_shared<MergeArguments>();
  verb->add_option("adapter", arguments->adapter, "an adapter's folder, as PEFT has it")->required();
  verb->add_option("--out", arguments->out, "the folder to write")->required();
  verb->add_option("--precision", arguments->precision, "of what is written: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  verb->callback([arguments, &exit_code] {
    const Status status = merge(*arguments);
    exit_code = status.ok() ? 0 : bad_input(status.error());
    if (status.ok()) std::printf("%s\n", arguments->out.c_str());
  });
}

}  // namespace loquat
