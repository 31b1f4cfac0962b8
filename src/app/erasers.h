// Erasing a person: whatever keeps something of people adds a function here that removes it and says what had been made
// of it (App::erasers).
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace loquat::app {

struct Erased {
  int64_t conversations = 0, labels = 0;
  // What was made earlier and still holds something of the person: {hash, name}, and models' ids.
  std::vector<std::pair<std::string, std::string>> datasets;
  std::vector<std::string> models;
};

class Erasers {
 public:
  // Called again after an error anywhere, so that it must also do where a part is gone already.
  using Erase = std::function<Result<Erased>(const std::string& person)>;
  void add(Erase erase) { erases_.push_back(std::move(erase)); }  // before the server answers

  Result<Erased> run(const std::string& person) const {
    Erased all;
    for (const Erase& erase : erases_) {
      TRY(const Erased one, erase(person));
      all.conversations += one.conversations;
      all.labels += one.labels;
      all.datasets.insert(all.datasets.end(), one.datasets.begin(), one.datasets.end());
      all.models.insert(all.models.end(), one.models.begin(), one.models.end());
    }
    return all;
  }

 private:
  std::vector<Erase> erases_;
};

}  // namespace loquat::app
