#include "jobs/jobs.h"

#include <chrono>
#include <cstdlib>
#include <ctime>

#include "base/log.h"
#include "base/random_id.h"
#include "jobs/child.h"
#include "store/files.h"

namespace loquat::jobs {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kBetweenLooks(500);
constexpr std::chrono::milliseconds kGrace(10'000);  // a stage writes its checkpoint
constexpr int kStopAsked = -1, kEnding = -2;
constexpr size_t kLogEnd = 8192;  // bytes of a log that are looked at

Status migrate(database::Database& database) {
  static const std::vector<database::Migration> kMigrations = {
      {1,
       {"CREATE TABLE jobs (id TEXT PRIMARY KEY, plan TEXT NOT NULL, dataset TEXT NOT NULL, model TEXT NOT NULL,"
        " state TEXT NOT NULL, step TEXT NOT NULL, fraction DOUBLE PRECISION NOT NULL, message TEXT NOT NULL,"
        " figures TEXT NOT NULL, created BIGINT NOT NULL, ended BIGINT NOT NULL, place BIGINT NOT NULL,"
        " server TEXT NOT NULL)",
        "CREATE INDEX jobs_by_state ON jobs (state, place)"}}};
  return database.migrate("jobs", kMigrations);
}

json plan_json(const Plan& plan) {
  json steps = json::array();
  for (const Step& step : plan.steps) steps.push_back({{"name", step.name}, {"argv", step.argv}});
  return {{"name", plan.name},
          {"person", plan.person},
          {"dataset", plan.dataset},
          {"model", plan.model},
          {"compared_with", plan.compared_with},
          {"figures", plan.figures},
          {"steps", steps}};
}

Plan plan_of(const json& from) {
  Plan plan{from.at("name"),
            from.at("person"),
            from.at("dataset"),
            from.at("model"),
            from.at("compared_with"),
            from.at("figures"),
            {}};
  for (const json& step : from.at("steps"))
    plan.steps.push_back({step.at("name"), step.at("argv").get<std::vector<std::string>>()});
  return plan;
}

#define SELECT_JOBS "SELECT id, plan, state, step, fraction, message, figures, created, ended FROM jobs"

Job job_of(const database::Row& row) {
  Job job;
  job.id = row.text(0);
  job.plan = plan_of(json::parse(row.text(1)));
  job.state = row.text(2);
  job.step = row.text(3);
  job.fraction = row.real(4);
  job.message = row.text(5);
  job.figures = json::parse(row.text(6));
  job.created = row.integer(7);
  job.ended = row.integer(8);
  return job;
}

std::vector<Job> jobs_of(const database::Rows& rows) {
  std::vector<Job> jobs;
  for (const database::Row& row : rows.rows) jobs.push_back(job_of(row));
  return jobs;
}

int64_t now() {
  return static_cast<int64_t>(std::time(nullptr));
}

}  // namespace

Said last_said(const std::string& log_text) {
  Said said;
  size_t end = log_text.size();
  while (end > 0 && (!said.fraction || said.line.empty())) {
    size_t begin = log_text.find_last_of("\r\n", end - 1);
    begin = begin == std::string::npos ? 0 : begin + 1;
    const std::string line = log_text.substr(begin, end - begin);
    if (said.line.empty()) said.line = line;
    if (const size_t percent = line.find(" %"); !said.fraction && percent != std::string::npos) {
      const size_t digits = line.find_last_not_of("0123456789.", percent - 1);
      const size_t from = digits == std::string::npos ? 0 : digits + 1;
      if (from < percent) said.fraction = std::min(1.0, std::atof(line.c_str() + from) / 100);
    }
    end = begin > 0 ? begin - 1 : 0;
  }
  return said;
}

json to_json(const Job& job) {
  json out = {{"id", job.id},
              {"name", job.plan.name},
              {"state", job.state},
              {"step", job.step},
              {"fraction", job.fraction},
              {"message", job.message},
              {"model", job.plan.model},
              {"compared_with", job.plan.compared_with},
              {"dataset", job.plan.dataset},
              {"created", job.created},
              {"ended", job.ended},
              {"wins", nullptr}};
  if (job.figures.is_object()) out["wins"] = job.figures;
  return out;
}

Result<std::unique_ptr<Jobs>> Jobs::start(std::shared_ptr<database::Database> database, Options options) {
  TRY_STATUS(migrate(*database));
  TRY_STATUS(make_folders(options.folder));
  std::unique_ptr<Jobs> jobs(new Jobs(std::move(database), std::move(options)));
  // What an earlier server was at comes first: it has the least place.
  TRY_STATUS(jobs->database_->run("UPDATE jobs SET state = 'waiting' WHERE state = 'running' AND server = $1",
                                  {jobs->options_.server}));
  jobs->thread_ = std::thread([jobs = jobs.get()] { jobs->run(); });
  return jobs;
}

Jobs::~Jobs() {
  end();
}

void Jobs::end() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<Job> Jobs::add(Plan plan) {
  Job job;
  job.id = random_id();
  job.plan = std::move(plan);
  job.state = "waiting";
  job.created = now();
  TRY_STATUS(database_->run(
      "INSERT INTO jobs (id, plan, dataset, model, state, step, fraction, message, figures, created, ended, place,"
      " server) SELECT $1, $2, $3, $4, 'waiting', '', 0, '', 'null', $5, 0, COALESCE(MAX(place), 0) + 1, $6 FROM jobs",
      {job.id, plan_json(job.plan).dump(), job.plan.dataset, job.plan.model, job.created, options_.server}));
  changed_.notify_all();
  return job;
}

Result<std::vector<Job>> Jobs::list() {
  TRY(const auto rows, database_->run(SELECT_JOBS " ORDER BY place DESC LIMIT 200"));
  return jobs_of(rows);
}

Result<std::optional<Job>> Jobs::find(const std::string& id) {
  TRY(const auto rows, database_->run(SELECT_JOBS " WHERE id = $1", {id}));
  if (rows.rows.empty()) return std::optional<Job>();
  return std::optional<Job>(job_of(rows.rows[0]));
}

Result<bool> Jobs::stop(const std::string& id) {
  TRY(const auto waiting,
      database_->run("UPDATE jobs SET state = 'stopped', ended = $2 WHERE id = $1 AND state = 'waiting'", {id, now()}));
  if (waiting.changed > 0) return true;
  std::lock_guard lock(mutex_);
  if (running_ != id) return false;
  stop_asked_ = true;
  changed_.notify_all();
  return true;
}

Result<std::vector<std::string>> Jobs::models_of(const std::string& dataset) {
  TRY(const auto rows, database_->run("SELECT DISTINCT model FROM jobs WHERE dataset = $1 AND state = 'done'"
                                      " ORDER BY model",
                                      {dataset}));
  std::vector<std::string> models;
  for (const database::Row& row : rows.rows) models.push_back(row.text(0));
  return models;
}

void Jobs::save(const Job& job) {
  const auto saved = database_->run(
      "UPDATE jobs SET state = $2, step = $3, fraction = $4, message = $5, figures = $6, ended = $7 WHERE id = $1",
      {job.id, job.state, job.step, job.fraction, job.message, job.figures.dump(), job.ended});
  if (!saved.ok()) log_warning("job {}: {}", job.id, saved.error());
  if (options_.on_change) options_.on_change(job);
}

bool Jobs::wait_a_little() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kBetweenLooks, [&] { return ending_ || stop_asked_; });
  return ending_;
}

void Jobs::run() {
  while (!wait_a_little()) {
    const auto rows = database_->run(SELECT_JOBS " WHERE state = 'waiting' AND server = $1 ORDER BY place LIMIT 1",
                                     {options_.server});
    if (!rows.ok()) log_warning("jobs: {}", rows.error());
    if (rows.ok() && !rows->rows.empty()) carry_out(job_of(rows->rows[0]));
  }
}

void Jobs::carry_out(Job job) {
  {
    std::lock_guard lock(mutex_);
    running_ = job.id;
    stop_asked_ = false;
  }
  job.state = "running";
  int status = 0;
  // Steps before the one it was at are done: a stage that is done says so at once, so all may be begun again.
  for (size_t step = 0; step < job.plan.steps.size() && status == 0; ++step) {
    job.step = job.plan.steps[step].name;
    status = carry_out(job, step, log_of(job));
  }
  {
    std::lock_guard lock(mutex_);
    running_.clear();
    stop_asked_ = false;
  }
  if (status == kEnding) return;  // it is still "running" in the database, and goes on at the next start
  job.state = status == 0 ? "done" : status == kStopAsked ? "stopped" : "failed";
  job.ended = now();
  if (status == 0) job.fraction = 1;
  if (status == 0 && !job.plan.figures.empty()) {
    const auto text = read_file(job.plan.figures);
    json figures = text.ok() ? json::parse(*text, nullptr, false) : json();
    if (figures.is_object()) job.figures = std::move(figures);
  }
  save(job);
}

int Jobs::carry_out(Job& job, size_t step, const std::string& log) {
  std::vector<std::string> argv = {options_.program};
  const std::vector<std::string>& words = job.plan.steps[step].argv;
  argv.insert(argv.end(), words.begin(), words.end());
  // A log of its own for each step, so that the last line is this step's.
  auto child = Child::start(argv, log);
  if (!child.ok()) {
    job.message = child.error();
    return 1;
  }
  const auto share = [&](double done) {
    return (static_cast<double>(step) + done) / static_cast<double>(job.plan.steps.size());
  };
  job.fraction = share(0);
  save(job);
  while (true) {
    const bool ending = wait_a_little();
    bool stop_asked;
    {
      std::lock_guard lock(mutex_);
      stop_asked = stop_asked_;
    }
    if (ending || stop_asked) {
      child->stop(kGrace);
      return ending ? kEnding : kStopAsked;
    }
    const std::optional<int> status = child->ended();
    const auto text = read_file(log);
    const Said said = last_said(text.ok() ? text->substr(text->size() - std::min(text->size(), kLogEnd)) : "");
    const double fraction = share(status ? 1.0 : said.fraction.value_or(0));
    if (status || said.line != job.message || fraction != job.fraction) {
      job.message = said.line;
      job.fraction = fraction;
      save(job);
    }
    if (status) return *status;
  }
}

}  // namespace loquat::jobs
