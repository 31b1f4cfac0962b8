// The folder of one run of a recipe: where everything lies, and what makes it this run (recipe, scale, seeds). Another
// recipe or seed in the same folder is refused.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat::recipe {

struct RunIdentity {
  std::string recipe;  // its name
  std::string scale;
  uint64_t seed = 0;
  uint64_t world_seed = 0;
  std::string recipe_hash;  // of every resolved setting
};

// What a finished stage left: read again when the run goes on.
struct StageRecord {
  std::string name;
  double seconds = 0;
  int64_t tokens = 0;
  std::map<std::string, double> figures;
  std::vector<std::string> guards;  // a line each
};

class RunFolder {
 public:
  // Makes the folder, or opens it if it is of the same identity; else an error that names the difference.
  static Result<RunFolder> open(const std::string& path, const RunIdentity& identity);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string data(const std::string& name) const { return path_ + "/data/" + name; }
  std::string model(const std::string& name) const { return path_ + "/models/" + name; }
  std::string stage(const std::string& name) const { return path_ + "/stages/" + name; }
  std::string eval(const std::string& model) const { return path_ + "/eval/" + model; }

  // nullopt-like: name is empty where the stage has not ended.
  Result<StageRecord> record(const std::string& stage) const;
  bool finished(const std::string& stage) const;
  Status finish(const StageRecord& record) const;

 private:
  std::string path_;
};

}  // namespace loquat::recipe
