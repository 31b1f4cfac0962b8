// For tests: a PostgreSQL server of their own, in a folder of /tmp and at a Unix socket alone, which goes with the test
// program. As root it runs as nobody, because PostgreSQL refuses root. Absent where the machine has no initdb.
#pragma once

#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace loquat::database {

class PostgresForTests {
 public:
  // One for the whole program, started when it is first asked for.
  static PostgresForTests& instance() {
    static PostgresForTests server;
    return server;
  }

  PostgresForTests() {
    programs_ = find_programs();
    if (programs_.empty()) {
      why_not_ = "this machine has no PostgreSQL server (Debian: postgresql)";
      return;
    }
    char pattern[] = "/tmp/loquat-pg-XXXXXX";
    if (::mkdtemp(pattern) == nullptr) {
      why_not_ = "no folder in /tmp";
      return;
    }
    folder_ = pattern;
    const std::string password_file = folder_ + "/password";
    std::ofstream(password_file) << kPassword << "\n";
    if (::geteuid() == 0) {
      const passwd* nobody = ::getpwnam("nobody");
      if (nobody == nullptr || ::chown(folder_.c_str(), nobody->pw_uid, nobody->pw_gid) != 0)
        why_not_ = "no user nobody";
      uid_ = nobody == nullptr ? 0 : nobody->pw_uid;
      gid_ = nobody == nullptr ? 0 : nobody->pw_gid;
    }
    const int status =
        wait_for(launch({programs_ + "/initdb", "-D", folder_ + "/data", "-U", "tester", "-A", "scram-sha-256",
                         "--pwfile", password_file, "--no-sync", "-E", "UTF8", "--locale", "C"}));
    if (status != 0) why_not_ = "initdb failed";
    if (why_not_.empty()) start();
  }

  ~PostgresForTests() {
    stop();
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  // "": it runs.
  const std::string& why_not() const { return why_not_; }

  std::string address(const std::string& database = "postgres", const std::string& password = kPassword) const {
    return "postgres://tester:" + password + "@/" + database + "?host=" + folder_;
  }

  // An empty database.
  std::string fresh() {
    const std::string name = "test" + std::to_string(++databases_);
    PGconn* connection = PQconnectdb(address().c_str());
    PQclear(PQexec(connection, ("CREATE DATABASE " + name).c_str()));
    PQfinish(connection);
    return address(name);
  }

  void start() {
    server_ = launch({programs_ + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-c", "listen_addresses=", "-c",
                      "fsync=off", "-c", "shared_buffers=16MB"});
    for (int tries = 0; tries < 3000; ++tries) {
      if (PQping(address().c_str()) == PQPING_OK) return;
      if (::waitpid(server_, nullptr, WNOHANG) == server_) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    why_not_ = "postgres did not start";
  }

  // At once: every connection is cut.
  void stop() {
    if (server_ <= 0) return;
    ::kill(server_, SIGQUIT);
    wait_for(server_);
    server_ = 0;
  }

 private:
  static constexpr const char* kPassword = "Sesame-91";

  static std::string find_programs() {
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
      const std::string folder = version.path().string() + "/bin";
      if (std::filesystem::exists(folder + "/initdb", ignored)) found.push_back(folder);
    }
    std::sort(found.begin(), found.end());
    return found.empty() ? "" : found.back();
  }

  pid_t launch(const std::vector<std::string>& command) const {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const pid_t child = ::fork();
    if (child != 0) return child;
    if (uid_ != 0 && (::setgroups(0, nullptr) != 0 || ::setgid(gid_) != 0 || ::setuid(uid_) != 0)) ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (::chdir("/") != 0 || std::freopen("/dev/null", "w", stdout) == nullptr ||
        std::freopen("/dev/null", "w", stderr) == nullptr) {
      ::_exit(126);
    }
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }

  static int wait_for(pid_t child) {
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
  }

  std::string programs_, folder_, why_not_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  pid_t server_ = 0;
  int databases_ = 0;
};

}  // namespace loquat::database
