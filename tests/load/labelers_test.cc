// Many people at work in the studio at once, on SQLite and on PostgreSQL, through a server's process that is killed
// again and again: no task is lost or counted twice, no acknowledged label is gone, and the agreement is what one
// counts from the labels. LOQUAT_LONG_TESTS=1: 200 people.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <set>
#include <thread>

#include "base/rng.h"
#include "database/postgres_for_tests.h"
#include "feedback/judgments.h"
#include "feedback/queue.h"
#include "store/test_folder.h"

namespace loquat::feedback {
namespace {

using nlohmann::json;

struct Size {
  int people, items, overlap, killings;
};

Size size_of_test() {
  const char* given = std::getenv("LOQUAT_LONG_TESTS");
  return given != nullptr && std::string(given) == "1" ? Size{200, 1000, 5, 12} : Size{16, 30, 3, 3};
}

// What this person thinks of this item's answers, the same whenever they are asked; now and then a tie.
json opinion(const std::string& person, const json& task) {
  json ranks = json::object();
  for (const json& answer : task.at("answers")) {
    const auto text = answer.at("content").get<std::string>();
    Rng rng(hash64(text), person);
    const double merit = text.back() - 'a' + 2 * rng.normal();
    ranks[answer.at("id").get<std::string>()] = std::clamp(static_cast<int>(std::llround(merit)) + 2, 1, 4);
  }
  return {{"ranks", ranks}, {"seconds", 1}};
}

// The server's process: all people work at once. Each acknowledged label goes into the pipe as a line.
[[noreturn]] void serve(const std::string& address, const std::string& project, const Size& size, int pipe) {
  auto database = database::Database::open(address);
  if (!database.ok()) ::_exit(3);
  Queue queue(*database, system_clock);
  std::atomic<bool> failed{false};
  std::vector<std::thread> people;
  for (int p = 0; p < size.people; ++p) {
    people.emplace_back([&, person = "person" + std::to_string(p)] {
      while (!failed) {
        auto next = queue.next(project, person);
        if (!next.ok()) failed = true;
        if (!next.ok() || !next->task) return;
        const auto sent = queue.submit((*next->task)["id"], person, opinion(person, *next->task));
        if (!sent.ok()) failed = true;
        if (!sent.ok()) return;
        const std::string line = sent->label + "\n";
        if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) failed = true;
      }
    });
  }
  for (auto& person : people) person.join();
  ::_exit(failed ? 4 : 0);
}

// Lines until there are `most` of them in all, or the other end is closed.
void read_acknowledged(int pipe, size_t most, std::string& rest, std::set<std::string>& acknowledged) {
  char buffer[4096];
  while (acknowledged.size() < most) {
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    if (got <= 0) return;
    rest.append(buffer, static_cast<size_t>(got));
    for (size_t end; (end = rest.find('\n')) != rest.npos; rest.erase(0, end + 1))
      acknowledged.insert(rest.substr(0, end));
  }
}

class LabelersTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    address_ = folder_ / "test.db";
    if (std::string(GetParam()) == "sqlite") return;
    auto& server = database::PostgresForTests::instance();
    if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
    address_ = server.fresh();
  }

  std::string make_project(const Size& size) {
    auto database = *database::Database::open(address_);
    EXPECT_TRUE(migrate(*database).ok());
    Projects projects(database, system_clock);
    const auto made = projects.create({{"name", "Load"}, {"kind", "ranking"}, {"overlap", size.overlap}});
    json prompts = json::array();
    for (int i = 0; i < size.items; ++i) {
      const std::string n = std::to_string(i);
      prompts.push_back({{"messages", {{{"role", "user"}, {"content", "question " + n}}}},
                         {"answers", {n + "a", n + "b", n + "c", n + "d"}}});
    }
    EXPECT_EQ(projects.add_prompts(made->id, {{"prompts", prompts}})->added, size.items);
    return made->id;
  }

  // Runs a server; kills it when `most` labels are acknowledged. False: it came to its end before.
  bool run_and_kill(const std::string& project, const Size& size, size_t most, std::set<std::string>& acknowledged) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      serve(address_, project, size, ends[1]);
    }
    ::close(ends[1]);
    std::string rest;
    read_acknowledged(ends[0], most, rest, acknowledged);
    const bool killed = acknowledged.size() >= most;
    if (killed) ::kill(child, SIGKILL);
    read_acknowledged(ends[0], SIZE_MAX, rest, acknowledged);  // what it said before it died
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(killed || status == 0) << "the server's process failed";
    return killed;
  }

  TestFolder folder_;
  std::string address_;
};
INSTANTIATE_TEST_SUITE_P(Engines, LabelersTest, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(LabelersTest, NothingIsLostOrCountedTwice) {
  const Size size = size_of_test();
  const std::string project = make_project(size);
  const size_t total = static_cast<size_t>(size.items) * static_cast<size_t>(size.overlap);
  std::set<std::string> acknowledged;
  for (int i = 1; i <= size.killings; ++i) {
    const size_t most = total * static_cast<size_t>(i) / static_cast<size_t>(size.killings + 1);
    run_and_kill(project, size, std::max(most, acknowledged.size() + 1), acknowledged);
  }
  run_and_kill(project, size, SIZE_MAX, acknowledged);

  const auto database = *database::Database::open(address_);
  const auto rows = *database->run(
      "SELECT l.id, l.item, l.person, l.label, i.answers, i.holders FROM feedback_labels l JOIN feedback_items i ON "
      "i.id "
      "= l.item");
  EXPECT_EQ(rows.rows.size(), total);
  std::set<std::string> stored_labels;
  std::map<std::string, std::map<std::string, std::map<char, int>>> ranks;  // item -> person -> answer -> rank
  for (const auto& row : rows.rows) {
    stored_labels.insert(row.text(0));
    EXPECT_EQ(row.integer(5), size.overlap);
    auto& of_person = ranks[row.text(1)][row.text(2)];
    EXPECT_TRUE(of_person.empty()) << "twice by one person";
    const json label = from_stored(row.text(3)), answers = from_stored(row.text(4));
    for (const json& answer : answers)
      of_person[answer["content"].get<std::string>().back()] = label["ranks"][answer["id"].get<std::string>()];
  }
  for (const std::string& label : acknowledged) EXPECT_TRUE(stored_labels.contains(label)) << label << " is lost";
  EXPECT_EQ(database->run("SELECT COUNT(*) FROM feedback_tasks WHERE state <> 'done'")->rows[0].integer(0), 0);

  int64_t pairs = 0, agreed = 0;
  for (const auto& [item, people] : ranks) {
    EXPECT_EQ(people.size(), static_cast<size_t>(size.overlap));
    for (auto a = people.begin(); a != people.end(); ++a) {
      for (auto b = std::next(a); b != people.end(); ++b) {
        for (const char* pair : {"ab", "ac", "ad", "bc", "bd", "cd"}) {
          const int one = a->second.at(pair[0]) - a->second.at(pair[1]);
          const int two = b->second.at(pair[0]) - b->second.at(pair[1]);
          if (one == 0 || two == 0) continue;
          ++pairs;
          agreed += (one < 0) == (two < 0);
        }
      }
    }
  }
  const json report = agreement_report(*read_judgments(*database, project));
  EXPECT_EQ(report["pairs"]["pairs"], pairs);
  EXPECT_NEAR(report["pairs"]["percent"].get<double>(),
              100.0 * static_cast<double>(agreed) / static_cast<double>(pairs), 1e-9);
  EXPECT_GT(report["pairs"]["percent"], 55);
}

}  // namespace
}  // namespace loquat::feedback
