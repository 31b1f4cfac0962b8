// loquat data inspect | convert | split: what data is, in another shape, and parted by prompt.
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>

#include "base/counted.h"
#include "cli/verbs.h"
#include "data/convert.h"
#include "data/inspect.h"

namespace loquat {
namespace {

struct DataArguments {
  std::vector<std::string> paths, against;
  std::string tokenizer, kind, shape, split, map, out, to = "messages";
  int64_t samples = 1, context = 0, limit = 0;
  double held_out = 0.1;
  uint64_t seed = 1;
  bool json = false, plain = false;
};

// The paths with what the options say of all of them.
Result<std::vector<DataSource>> sources_of(const DataArguments& arguments) {
  TRY(std::vector<DataSource> sources, data_sources(arguments.paths));
  for (DataSource& source : sources) {
    if (!arguments.shape.empty()) {
      const Shape* shape = shape_named(arguments.shape);
      if (shape == nullptr) return Err("--shape: found \"{}\", expected a shape of docs/formats.md", arguments.shape);
      source.shape = shape->name;
    }
    if (!arguments.split.empty()) source.split = arguments.split;
    if (arguments.limit > 0) source.limit = arguments.limit;
    if (arguments.map.empty()) continue;
    TRY(source.map, parse_map(arguments.map));
  }
  return sources;
}

// The trained pieces are green on a terminal, and stand between ⟦ and ⟧ elsewhere. What could drive the terminal is
// shown as "?".
void print_sample(const Sample& sample, bool colours) {
  std::printf("\n  sample %s (%s): %s is trained\n", sample.id.c_str(), sample.shape.c_str(),
              colours ? "\033[32mgreen\033[0m" : "⟦...⟧");
  for (size_t i = 0; i < sample.sequences.size(); ++i) {
    if (i < sample.titles.size()) std::printf("  -- %s\n", sample.titles[i].c_str());
    std::string text;
    for (const Piece& piece : sample.sequences[i]) {
      std::string shown;
      for (const char c : piece.text) {
        const auto byte = static_cast<unsigned char>(c);
        if (shown.size() > 4000) {
          shown += " ...";
          break;
        }
        shown += (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F ? '?' : c;
      }
      if (colours)
        text += piece.trained ? "\033[32m" + shown + "\033[0m" : piece.control ? "\033[2m" + shown + "\033[0m" : shown;
      else
        text += piece.trained ? "⟦" + shown + "⟧" : shown;
    }
    std::string indented = "    ";
    for (const char c : text) indented += c == '\n' ? std::string("\n    ") : std::string(1, c);
    std::printf("%s\n", indented.c_str());
  }
}

void print_spread(const char* name, const Spread& s) {
  if (s.count == 0) return;
  std::printf("  %-10s min %lld, mean %.1f, half %lld, 90 %% %lld, 99 %% %lld, max %lld\n", name,
              static_cast<long long>(s.least), s.mean, static_cast<long long>(s.half),
              static_cast<long long>(s.nine_tenths), static_cast<long long>(s.most_of_all),
              static_cast<long long>(s.largest));
}

std::string joined(const std::map<std::string, int64_t>& counts) {
  std::string out;
  for (const auto& [name, n] : counts) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", n, name);
  return out;
}

void print_duplicates(const InspectReport& r, bool against) {
  std::printf("  repeated   %s exactly another's; %s nearly another's\n",
              counted(r.repeated_rows, "row is", "rows are").c_str(),
              counted(r.near_duplicates, "content is", "contents are").c_str());
  if (r.prompts > 0)
    std::printf("  prompts    %s, %s one\n", counted(r.prompts, "different one").c_str(),
                counted(r.repeated_prompts, "row repeats", "rows repeat").c_str());
  if (!against) return;
  std::printf("  leakage    %s a prompt of the other data%s%s\n", counted(r.leaked, "row has", "rows have").c_str(),
              r.leaked > 0 ? ", the first " : "", r.first_leak.c_str());
}

void print_report(const InspectReport& r, const DataArguments& arguments, bool colours) {
  std::string shapes;
  for (const auto& [name, n] : r.shapes) {
    const auto about = r.about.find(name);
    shapes += fmt::format("{}{}{}{}", shapes.empty() ? "" : ", ", r.shapes.size() > 1 ? fmt::format("{} ", n) : "",
                          name, about == r.about.end() ? "" : fmt::format(" ({})", about->second));
  }
  std::printf("%s\n  %s: %s\n", r.name.c_str(), counted(r.rows, "row").c_str(),
              shapes.empty() ? "nothing is read" : shapes.c_str());
  if (!r.containers.empty()) std::printf("  container  %s\n", joined(r.containers).c_str());
  std::printf("  used       %s", r.used == 0 ? "none" : fmt::format("{} as {}", r.used, r.kind).c_str());
  for (const auto& [reason, n] : r.passed_over)
    std::printf("; %lld passed over: each %s", static_cast<long long>(n), reason.c_str());
  std::printf("\n");
  if (r.rows == 0 && r.errors.empty()) std::printf("  error      no row is here\n");
  if (r.unread > 0) std::printf("  unread     %s\n", counted(r.unread, "row").c_str());
  for (const std::string& error : r.errors) std::printf("  error      %s\n", error.c_str());
  if (!r.roles.empty()) std::printf("  roles      %s\n", joined(r.roles).c_str());
  if (!r.labels.empty()) std::printf("  labels     %s\n", joined(r.labels).c_str());
  print_spread("turns", r.turns);
  print_spread("replies", r.replies);
  print_spread("bytes", r.bytes);
  print_spread("tokens", r.tokens);
  if (r.tokens.count > 0) {
    std::printf("  trained    %s\n  longer    ", counted(r.trained_tokens, "token").c_str());
    for (const auto& [context, n] : r.longer)
      std::printf(" than %lld: %lld;", static_cast<long long>(context), static_cast<long long>(n));
    std::printf("\n");
  }
  if (r.used > 0) print_duplicates(r, !arguments.against.empty());
  for (const Sample& sample : r.samples) print_sample(sample, colours);
}

Result<int> run_inspect(const DataArguments& arguments) {
  InspectOptions options;
  if (!arguments.kind.empty()) options.kind = kind_named(arguments.kind);
  options.context = arguments.context;
  options.samples = arguments.samples;
  options.against = arguments.against;
  std::optional<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat;
  if (!arguments.tokenizer.empty()) {
    TRY(tokenizer, Tokenizer::load(arguments.tokenizer));
    options.tokenizer = &*tokenizer;
    if (options.kind != RowKind::kText) {  // texts need no template of conversations
      TRY(chat, ChatTemplate::make(*tokenizer));
      options.chat = &*chat;
    }
  }
  TRY(const std::vector<DataSource> sources, sources_of(arguments));
  const bool colours = !arguments.plain && ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  bool unsound = false;
  for (const DataSource& source : sources) {
    TRY(const InspectReport report, inspect(source, options));
    if (arguments.json)
      std::printf("%s\n", to_json(report).c_str());
    else
      print_report(report, arguments, colours);
    unsound = unsound || report.used == 0 || !report.errors.empty();
  }
  return unsound ? 2 : 0;
}

Result<int> run_convert(const DataArguments& arguments) {
  TRY(const std::vector<DataSource> sources, sources_of(arguments));
  TRY(const ConvertReport report, convert(sources, arguments.to, arguments.out));
  if (report.written == 0 && report.passed_over == 0)
    return Err("{}: no row was read", fmt::join(arguments.paths, ", "));
  std::printf("%s: %s as %s, %lld passed over\n", arguments.out.c_str(), counted(report.written, "row").c_str(),
              arguments.to.c_str(), static_cast<long long>(report.passed_over));
  return 0;
}

Result<int> run_split(const DataArguments& arguments) {
  TRY(const std::vector<DataSource> sources, sources_of(arguments));
  TRY(const SplitReport report, split_by_prompt(sources, arguments.held_out, arguments.seed, arguments.out));
  if (report.train == 0 && report.test == 0) return Err("{}: no row was read", fmt::join(arguments.paths, ", "));
  std::printf("%s/train.jsonl: %s; %s/test.jsonl: %s; no prompt stands in both\n", arguments.out.c_str(),
              counted(report.train, "row").c_str(), arguments.out.c_str(), counted(report.test, "row").c_str());
  return 0;
}

void add_command(CLI::App& verb, int& exit_code, const char* name, const char* help,
                 Result<int> (*run)(const DataArguments&),
                 const std::function<void(CLI::App&, DataArguments&)>& add_options) {
  CLI::App* command = verb.add_subcommand(name, help);
  auto arguments = std::make_shared<DataArguments>();
  command->add_option("paths", arguments->paths, "files, folders, globs or mixtures (.toml)")->required();
  command->add_option("--shape", arguments->shape,
                      "one of the shapes of docs/formats.md; else each row's is recognised");
  command->add_option("--map", arguments->map, "NAME=COLUMN,...: columns under other names, as prompt=question");
  command->add_option("--split", arguments->split, "which list of a .json object");
  command->add_option("--limit", arguments->limit, "rows of each path that are read; 0: all")
      ->check(CLI::NonNegativeNumber);
  add_options(*command, *arguments);
  command->callback([arguments, run, &exit_code] {
    const auto result = run(*arguments);
    exit_code = result.ok() ? *result : bad_input(result.error());
  });
}

}  // namespace

void add_data_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("data", "look at data, convert it, part it by prompt");
  verb->require_subcommand(1);
  add_command(
      *verb, exit_code, "inspect", "containers, shapes, counts, lengths, duplicates, and how a sample is trained",
      run_inspect, [](CLI::App& command, DataArguments& a) {
        command.add_option("--tokenizer", a.tokenizer, "a model's folder: token lengths, samples as it sees them");
        command.add_option("--kind", a.kind, "how the rows are used; else as what the first one is")
            ->check(CLI::IsMember({"texts", "demonstrations", "rankings", "prompts", "unpaired"}));
        command.add_option("--samples", a.samples, "of each path")->capture_default_str();
        command.add_option("--context", a.context, "tokens to which samples are cut");
        command.add_option("--against", a.against, "data whose prompts must not stand in these");
        command.add_flag("--json", a.json, "one JSON object for each path");
        command.add_flag("--plain", a.plain, "no colours, also on a terminal");
      });
  add_command(*verb, exit_code, "convert", "write data in one shape", run_convert,
              [](CLI::App& command, DataArguments& a) {
                command.add_option("--out", a.out, "the .jsonl file to write")->required();
                command.add_option("--to", a.to, "messages, trl or hh")
                    ->check(CLI::IsMember({"messages", "trl", "hh"}))
                    ->capture_default_str();
              });
  add_command(*verb, exit_code, "split", "part data so that no prompt stands on both sides", run_split,
              [](CLI::App& command, DataArguments& a) {
                command.add_option("--out", a.out, "folder for train.jsonl and test.jsonl")->required();
                command.add_option("--held-out", a.held_out, "share of the prompts in test.jsonl")
                    ->check(CLI::Range(0.0, 1.0))
                    ->capture_default_str();
                add_seed_option(command, "--seed", a.seed, "of which prompts");
              });
}

}  // namespace loquat
