// report.html: a run's results on one page that needs no network and no script. Made from what the run folder holds
// (report.json, stages/*/metrics.jsonl, stages/ppo/gold.jsonl, eval/<model>/replies.jsonl); whatever is missing is left
// out, or shown as a dash.
#pragma once

#include <string>

#include "base/result.h"

namespace loquat::recipe {

// Writes FOLDER/report.html. An error where report.json is missing or is no JSON object, or the page cannot be written.
Status write_report(const std::string& run_folder);

}  // namespace loquat::recipe
