#include "data/convert.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/rng.h"
#include "data/jsonl.h"
#include "data/row_values.h"
#include "store/files.h"

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::string line_of(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json list_of(const Messages& messages) {
  return ordered_json::parse(prompt_to_json(messages))["messages"];
}

Result<std::string> transcript_of(const Messages& messages) {
  std::string out;
  for (const Message& m : messages) {
    if (m.role != "user" && m.role != "assistant")
      return Err("found a turn of {}, expected turns of user and assistant alone, as transcripts have", m.role);
    out += (m.role == "user" ? "\n\nHuman: " : "\n\nAssistant: ") + m.content;
  }
  return out;
}

// The lines of one row: the best reply against each worse one.
Result<std::string> pairs_of(const Ranking& ranking, const std::string& to) {
  std::string out;
  const auto best = std::min_element(ranking.responses.begin(), ranking.responses.end(),
                                     [](const auto& a, const auto& b) { return a.rank < b.rank; });
  for (const RankedResponse& worse : ranking.responses) {
    if (worse.rank == best->rank) continue;
    if (to == "trl") {
      const auto reply = [](const RankedResponse& r) { return list_of({{"assistant", r.text}}); };
      out += line_of({{"id", ranking.id},
                      {"prompt", list_of(ranking.prompt)},
                      {"chosen", reply(*best)},
                      {"rejected", reply(worse)}});
      continue;
    }
    Messages chosen = ranking.prompt, rejected = ranking.prompt;
    chosen.push_back({"assistant", best->text});
    rejected.push_back({"assistant", worse.text});
    TRY(const std::string good, transcript_of(chosen));
    TRY(const std::string bad, transcript_of(rejected));
    out += line_of({{"chosen", good}, {"rejected", bad}});
  }
  return out;
}

// One line or several; empty: nothing to compare.
Result<std::string> converted(const json& row, const DataSource& source, const std::string& id, const std::string& to) {
  const Shape* shape = source.shape.empty() ? shape_of(row) : shape_named(source.shape);
  if (shape != nullptr && shape->is(RowKind::kRanking)) {
    TRY(std::optional<Ranking> ranking, ranking_of_row(row, source.shape));
    if (!ranking) return std::string();
    if (ranking->id.empty()) ranking->id = id;
    return to == "messages" ? Result<std::string>(to_json(*ranking) + "\n") : pairs_of(*ranking, to);
  }
  if (to == "hh") return Err("found {}, expected comparisons, which transcripts of HH-RLHF are", keys_of(row));
  if (is_rejected_reply(row)) return std::string();
  TRY(Demonstration item, demonstration_of_row(row, source.shape));
  if (item.id.empty()) item.id = id;
  if (to == "messages") return to_json(item) + "\n";
  const Messages prompt(item.messages.begin(), item.messages.end() - 1);
  return line_of({{"id", item.id}, {"prompt", list_of(prompt)}, {"completion", list_of({item.messages.back()})}});
}

}  // namespace

Result<ConvertReport> convert(const std::vector<DataSource>& sources, const std::string& to, const std::string& out) {
  ConvertReport report;
  TRY(AtomicFile file, AtomicFile::open(out));
  for (const DataSource& source : sources) {
    TRY_STATUS(for_each_row(source, [&](const std::string& name, const RowPlace& place, json& row) -> Status {
      TRY(const std::string lines, converted(row, source, place.id(name), to));
      report.written += std::count(lines.begin(), lines.end(), '\n');
      report.passed_over += lines.empty();
      return file.write(lines.data(), lines.size());
    }));
  }
  if (report.written == 0) return Err("{}: not written: no row could be converted", out);
  TRY_STATUS(file.commit());
  return report;
}

Result<SplitReport> split_by_prompt(const std::vector<DataSource>& sources, double held_out, uint64_t seed,
                                    const std::string& folder) {
  SplitReport report;
  TRY_STATUS(make_folders(folder));
  TRY(AtomicFile train, AtomicFile::open(folder + "/train.jsonl"));
  TRY(AtomicFile test, AtomicFile::open(folder + "/test.jsonl"));
  for (const DataSource& source : sources) {
    TRY_STATUS(for_each_row(source, [&](const std::string&, const RowPlace&, json& row) -> Status {
      uint64_t hash = hash64("data.split", seed);
      if (const auto prompt = prompt_of_row(row); prompt.ok()) {
        for (const Message& m : *prompt) hash = hash64(m.content, hash64(m.role, hash));
      } else {
        hash = hash64(row.dump(), hash);
      }
      const bool is_test = static_cast<double>(hash >> 11) * 0x1.0p-53 < held_out;
      ++(is_test ? report.test : report.train);
      const std::string line = line_of(ordered_json(row));
      return (is_test ? test : train).write(line.data(), line.size());
    }));
  }
  TRY_STATUS(train.commit());
  TRY_STATUS(test.commit());
  return report;
}

}  // namespace loquat
