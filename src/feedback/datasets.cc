#include "feedback/datasets.h"

#include <set>

#include "store/files.h"

namespace loquat::feedback {
namespace {

using database::Row;
using database::Rows;
using database::Session;
using nlohmann::json;

struct File {
  std::string name, bytes;
  int64_t rows = 0;
};

std::vector<File> files_of(const std::vector<Contribution>& all) {
  std::vector<Contribution> judged = all;  // comparisons are rankings already
  for (Contribution& one : judged) one.rankings.clear();
  const std::vector<std::pair<const char*, std::vector<std::string>>> parts = {
      {"demonstrations.jsonl", lines(all, RowShape::kMessages)},
      {"rankings.jsonl", lines(all, RowShape::kRankings)},
      {"unpaired.jsonl", lines(judged, RowShape::kKto)},
      {"prompts.jsonl", lines(all, RowShape::kPrompts)}};
  std::vector<File> out;
  for (const auto& [name, rows] : parts) {
    File file{name, "", static_cast<int64_t>(rows.size())};
    for (const std::string& row : rows) file.bytes += row + "\n";
    if (file.rows > 0) out.push_back(std::move(file));
  }
  return out;
}

std::string hash_of(const std::vector<File>& files) {
  std::string all;
  for (const File& file : files) all += file.name + " " + sha256_hex(file.bytes) + "\n";
  return sha256_hex(all);
}

// Prompts are part of the other rows.
int64_t rows_of(const std::vector<File>& files) {
  int64_t rows = 0;
  for (const File& file : files) rows += file.name == "prompts.jsonl" ? 0 : file.rows;
  return rows;
}

json described(const Row& row) {
  return {{"hash", row.text(0)},
          {"name", row.text(1)},
          {"created", row.integer(2)},
          {"rows", row.integer(3)},
          {"files", from_stored(row.text(4))},
          {"made_of", from_stored(row.text(5))},
          {"from", {{"labels", row.integer(6)}, {"conversations", row.integer(7)}, {"people", row.integer(8)}}}};
}

}  // namespace

Datasets::Datasets(std::shared_ptr<database::Database> database, std::string folder, Clock clock)
    : database_(std::move(database)), folder_(std::move(folder)), clock_(std::move(clock)) {}

Outcome<json> Datasets::make(const std::string& name, const RowsWanted& wanted) {
  if (name.find_first_not_of(' ') == name.npos || name.size() > 200)
    return wrong_field("name", "name: a data set has a name of at most 200 bytes");
  auto all = contributions(*database_, wanted);
  if (!all.ok()) return Error{all.error()};
  const std::vector<File> files = files_of(*all);
  if (files.empty())
    return conflict("empty", "There is nothing to train on here: no labels, or none that their people allow.");
  const std::string hash = hash_of(files);
  json listed = json::array();
  for (const File& file : files) {
    const Status made = make_folders(folder(hash));
    const Status written = made.ok() ? write_file(folder(hash) + "/" + file.name, file.bytes) : made;
    if (!written.ok()) return Error{written.error()};
    listed.push_back({{"name", file.name}, {"rows", file.rows}});
  }
  const json request = {{"projects", wanted.projects},
                        {"feedback", wanted.feedback},
                        {"most_per_person", wanted.most_per_person},
                        {"edited_only", wanted.edited_only}};
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY(const Rows added,
        session.run("INSERT INTO feedback_datasets (hash, name, created, rows, request, files) VALUES ($1, $2, $3, $4, "
                    "$5, $6) ON CONFLICT (hash) DO NOTHING",
                    {hash, name, clock_(), rows_of(files), stored(request), stored(listed)}));
    if (added.changed == 0) return {};
    for (const Contribution& one : *all) {
      TRY_STATUS(
          session.run("INSERT INTO feedback_dataset_sources (dataset, kind, source, person, conversation) VALUES "
                      "($1, $2, $3, $4, $5)",
                      {hash, one.kind, one.source, one.person, one.conversation}));
      if (one.prompt_person.empty()) continue;
      TRY_STATUS(
          session.run("INSERT INTO feedback_dataset_sources (dataset, kind, source, person, conversation) VALUES "
                      "($1, 'prompt', $2, $3, $4) ON CONFLICT (dataset, kind, source) DO NOTHING",
                      {hash, one.prompt, one.prompt_person, one.prompt_conversation}));
    }
    return {};
  });
  if (!status.ok()) return Error{status.error()};
  return get(hash);
}

Outcome<json> Datasets::get(const std::string& hash) const {
  auto found = database_->run(
      "SELECT d.hash, d.name, d.created, d.rows, d.files, d.request, (SELECT COUNT(*) FROM feedback_dataset_sources s "
      "WHERE s.dataset = d.hash AND s.kind = 'label'), (SELECT COUNT(DISTINCT s.conversation) FROM "
      "feedback_dataset_sources s WHERE s.dataset = d.hash AND s.conversation <> ''), (SELECT COUNT(DISTINCT s.person) "
      "FROM feedback_dataset_sources s WHERE s.dataset = d.hash) FROM feedback_datasets d WHERE d.hash = $1",
      {hash});
  if (!found.ok()) return Error{found.error()};
  if (found->rows.empty()) return not_there("There is no such data set.");
  json out = described(found->rows[0]);
  auto models =
      database_->run("SELECT model FROM feedback_dataset_models WHERE dataset = $1 ORDER BY created, model", {hash});
  if (!models.ok()) return Error{models.error()};
  out["models"] = json::array();
  for (const Row& row : models->rows) out["models"].push_back(row.text(0));
  return out;
}

Result<json> Datasets::list() const {
  TRY(const Rows hashes, database_->run("SELECT hash FROM feedback_datasets ORDER BY created DESC, hash"));
  json out = json::array();
  for (const Row& row : hashes.rows) {
    auto one = get(row.text(0));
    if (!one.ok()) return Error{one.refused().message};
    out.push_back(*std::move(one));
  }
  return out;
}

Status Datasets::record_model(const std::string& hash, const std::string& model) {
  TRY_STATUS(
      database_->run("INSERT INTO feedback_dataset_models (dataset, model, created) VALUES ($1, $2, $3) ON "
                     "CONFLICT (dataset, model) DO NOTHING",
                     {hash, model, clock_()}));
  return {};
}

}  // namespace loquat::feedback
