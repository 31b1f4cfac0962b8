// loquat tokenizer train TEXTS... --out DIR: byte-level BPE from .txt and .jsonl files.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/verbs.h"
#include "data/dataset.h"
#include "tokenizer/tokenizer.h"

namespace loquat {
namespace {

int train(const std::vector<std::string>& files, const std::string& out, int64_t vocab_size) {
  std::vector<std::string> texts;
  for (const std::string& file : files) {
    const auto read = read_texts(file);
    if (!read.ok()) return bad_input(read.error());
    texts.insert(texts.end(), read->begin(), read->end());
  }
  TokenizerTraining options;
  options.vocab_size = vocab_size;
  options.special_tokens = loquat_special_tokens();
  const auto tokenizer = Tokenizer::train(texts, options);
  if (!tokenizer.ok()) return bad_input(tokenizer.error());
  const Status saved = tokenizer->save(out);
  if (!saved.ok()) return bad_input(saved.error());
  std::printf("%s: %lld tokens\n", out.c_str(), static_cast<long long>(tokenizer->vocab_size()));
  return 0;
}

}  // namespace

void add_tokenizer_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("tokenizer", "train a tokenizer");
  verb->require_subcommand(1);
  CLI::App* command = verb->add_subcommand("train", "byte-level BPE from .txt and .jsonl files");
  struct Arguments {
    std::vector<std::string> files;
    std::string out;
    int64_t vocab_size = 8192;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("files", arguments->files, "texts")->required();
  command->add_option("--out", arguments->out, "folder for tokenizer.json")->required();
  command->add_option("--vocab-size", arguments->vocab_size, "with the 256 bytes and the special tokens")
      ->capture_default_str();
  command->callback(
      [arguments, &exit_code] { exit_code = train(arguments->files, arguments->out, arguments->vocab_size); });
}

}  // namespace loquat
