// loquat feedback export: what people said and ranked on the page, as rows for training. The rows go to --out or to
// stdout; what is said about them goes to stderr.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/counted.h"
#include "cli/verbs.h"
#include "feedback/schema.h"
#include "feedback/training_rows.h"
#include "store/files.h"

namespace loquat {
namespace {

struct ExportArguments {
  std::string database, shape = "rankings", out;
  feedback::RowsWanted wanted;
};

Result<std::string> exported(const ExportArguments& arguments, size_t& rows, size_t& sources) {
  if (!is_database(arguments.database))
    return Err("{}: no such database (a server's is named by its --database, or app.db in its folder)",
               arguments.database);
  TRY(const auto database, database::Database::open(arguments.database));
  TRY_STATUS(feedback::migrate(*database));
  TRY(const auto found, feedback::contributions(*database, arguments.wanted));
  const auto lines = feedback::lines(found, *feedback::row_shape(arguments.shape));
  if (lines.empty())
    return Err("{}: there is nothing of the shape {} here that its people allow to be trained on", database->name(),
               arguments.shape);
  std::string bytes;
  for (const std::string& line : lines) bytes += line + "\n";
  rows = lines.size();
  sources = found.size();
  return bytes;
}

int export_rows(const ExportArguments& arguments) {
  if (arguments.wanted.projects.empty() && !arguments.wanted.feedback)
    return bad_input("nothing to export: name a --project, or --feedback for what was said on the chat page");
  size_t rows = 0, sources = 0;
  const auto bytes = exported(arguments, rows, sources);
  if (!bytes.ok()) return bad_input(bytes.error());
  if (arguments.out.empty()) {
    std::fwrite(bytes->data(), 1, bytes->size(), stdout);
    if (std::fflush(stdout) != 0) return bad_input("stdout cannot be written");
  } else if (const Status written = write_file(arguments.out, *bytes); !written.ok()) {
    return bad_input(written.error());
  }
  std::fprintf(stderr, "%s (%s) of %s%s%s\n", counted(static_cast<int64_t>(rows), "row").c_str(),
               arguments.shape.c_str(),
               counted(static_cast<int64_t>(sources), "label or comment", "labels and comments").c_str(),
               arguments.out.empty() ? "" : " in ", arguments.out.c_str());
  return 0;
}

}  // namespace

void add_feedback_verb(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* verb = app.add_subcommand("feedback", "What people said and ranked on the page: rows for training");
  verb->require_subcommand(1);
  CLI::App* command = verb->add_subcommand("export", "Write rows that `loquat sft`, `reward`, `kto` and TRL read");
  add_database_option(*command, arguments->database);
  command->add_option("--project", arguments->wanted.projects, "A project's id; may be given again");
  command->add_flag("--feedback", arguments->wanted.feedback, "What was said and compared on the chat page");
  command
      ->add_option("--shape", arguments->shape,
                   "rankings (K answers with ranks), pairs (chosen and rejected), messages (demonstrations), kto, "
                   "prompts")
      ->check(CLI::IsMember({"rankings", "pairs", "messages", "kto", "prompts"}))
      ->capture_default_str();
  command
      ->add_option("--most-per-person", arguments->wanted.most_per_person,
                   "At most so many labels and comments of one person; 0 is any number")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--edited-only", arguments->wanted.edited_only,
                    "Without models' suggestions that were sent as they were");
  command->add_option("--out", arguments->out, "A file; else stdout");
  command->callback([arguments, &exit_code] { exit_code = export_rows(*arguments); });
}

}  // namespace loquat
