// Work that a page asks for and that takes minutes: `loquat` programs, one after another, watched and told of. One job
// runs at a time, the others wait; a job that was running when the server ended goes on when it starts again (every
// stage resumes from its last checkpoint).
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "database/database.h"

namespace loquat::jobs {

struct Step {
  std::string name;               // "dpo"
  std::vector<std::string> argv;  // without the program
};

struct Plan {
  std::string name;           // as people named it
  std::string person;         // who asked
  std::string dataset;        // the data set's hash
  std::string model;          // what comes of it
  std::string compared_with;  // the model it is laid beside
  std::string figures;        // a JSON file that the last step writes ("": none): kept with the job
  std::vector<Step> steps;
};

struct Job {
  std::string id;
  Plan plan;
  std::string state;       // "waiting", "running", "done", "failed", "stopped"
  std::string step;        // that runs or ran last
  double fraction = 0;     // of the whole
  std::string message;     // the last line that the program wrote
  nlohmann::json figures;  // null until they are there
  int64_t created = 0, ended = 0;
};
nlohmann::json to_json(const Job& job);  // docs/page-api.md's Job

class Jobs {
 public:
  struct Options {
    std::string program;                             // `loquat`
    std::string folder;                              // of the jobs' logs
    std::string server;                              // whose jobs these are, where several share a database
    std::function<void(const Job&)> on_change = {};  // from the jobs' thread
  };
  static Result<std::unique_ptr<Jobs>> start(std::shared_ptr<database::Database> database, Options options);
  ~Jobs();  // end()
  // Ends the program that runs; its job goes on at the next start. Whoever asks afterwards still gets answers.
  void end();

  Result<Job> add(Plan plan);
  Result<std::vector<Job>> list();  // the newest first
  Result<std::optional<Job>> find(const std::string& id);
  // False: there is none of that id that waits or runs.
  Result<bool> stop(const std::string& id);
  // Models that were made of a data set.
  Result<std::vector<std::string>> models_of(const std::string& dataset);

 private:
  Jobs(std::shared_ptr<database::Database> database, Options options)
      : database_(std::move(database)), options_(std::move(options)) {}
  void run();
  void carry_out(Job job);
  // Its exit status; -1: it was asked to stop; -2: this program ends.
  int carry_out(Job& job, size_t step, const std::string& log);
  std::string log_of(const Job& job) const { return options_.folder + "/" + job.id + ".log"; }
  void save(const Job& job);
  bool wait_a_little();  // true: this program ends

  const std::shared_ptr<database::Database> database_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;      // under mutex_
  std::string running_;      // under mutex_: the id of the job that runs
  bool stop_asked_ = false;  // under mutex_: for it
  std::thread thread_;
};

// The share in a program's last line of progress ("dpo  42 %  ..."), and that line; nullopt: there is none yet.
struct Said {
  std::optional<double> fraction;
  std::string line;
};
Said last_said(const std::string& log_text);

}  // namespace loquat::jobs
