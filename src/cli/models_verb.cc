// loquat models import|export|convert|inspect: models from and to what others use.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "formats/convert.h"
#include "formats/inspect.h"

namespace loquat {
namespace {

struct Arguments {
  std::string from, to;
  ConvertOptions options;
  double shard_gb = 5;
  bool json = false, tensors = false;
};

int convert(const Arguments& arguments) {
  ConvertOptions options = arguments.options;
  options.max_shard_bytes = static_cast<uint64_t>(arguments.shard_gb * 1e9);
  const auto report = convert_model(arguments.from, arguments.to, options);
  if (!report.ok()) return bad_input(report.error());
  std::printf("%s: %s, %lld parameters, %s\n", arguments.to.c_str(), report->architecture.c_str(),
              static_cast<long long>(report->parameters), report->dtype.c_str());
  for (const std::string& note : report->notes) std::printf("%s: %s\n", arguments.to.c_str(), note.c_str());
  return 0;
}

int inspect(const Arguments& arguments) {
  const nlohmann::ordered_json report = inspect_model(arguments.from, arguments.tensors);
  const std::string text = arguments.json
                               ? report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"
                               : inspect_text(report);
  std::fputs(text.c_str(), stdout);
  return report.contains("problem") ? 2 : 0;
}

void add_convert(CLI::App& verb, const char* name, const char* help, const char* from, const char* to, int& exit_code) {
  CLI::App* command = verb.add_subcommand(name, help);
  auto arguments = std::make_shared<Arguments>();
  command->add_option("model", arguments->from, from)->required();
  command->add_option(to, arguments->to, "a new folder, or a file that ends in .gguf")->required();
  command->add_option("--dtype", arguments->options.dtype, "of the weights; the source's where it is not given")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0", "q4_0"}));
  command->add_option("--tokenizer", arguments->options.tokenizer, "a tokenizer that does not lie beside the model");
  command->add_option("--shard-gb", arguments->shard_gb, "largest file of a folder's weights, in 10^9 bytes")
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
  command->callback([arguments, &exit_code] { exit_code = convert(*arguments); });
}

}  // namespace

void add_models_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("models", "open models of others, and write models that others open");
  verb->require_subcommand(1);
  const char* any = "a Hugging Face folder, a GGUF file or llama2.c's .bin";
  add_convert(*verb, "import", "a model from elsewhere to a model folder", any, "--out", exit_code);
  add_convert(*verb, "export", "a model folder to a GGUF file or another folder", "a model folder", "--to", exit_code);
  add_convert(*verb, "convert", "a model in another type of weights, or another format", any, "--to", exit_code);
  CLI::App* command = verb->add_subcommand("inspect", "what a model is, or why it cannot be opened");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("model", arguments->from, any)->required();
  command->add_flag("--json", arguments->json, "as JSON");
  command->add_flag("--tensors", arguments->tensors, "every tensor with its type and shape");
  command->callback([arguments, &exit_code] { exit_code = inspect(*arguments); });
}

}  // namespace loquat
