#include "jobs/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <utility>

namespace loquat::jobs {
namespace {

constexpr int kNotStarted = 127;

// Between fork and exec: async-signal-safe calls alone.
[[noreturn]] void become(char* const* argv, int log) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() == 1) ::_exit(kNotStarted);  // the parent ended before the line above
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpriority(PRIO_PROCESS, 0, 10);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, 0);
  ::dup2(log, 1);
  ::dup2(log, 2);
  ::execv(argv[0], argv);
  ::_exit(kNotStarted);
}

}  // namespace

Result<Child> Child::start(const std::vector<std::string>& argv, const std::string& log) {
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return Err("{}: {}", log, ::strerror(errno));
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) become(words.data(), file);
  const int error = errno;
  ::close(file);
  if (pid < 0) return Err("{}: cannot be started: {}", argv[0], ::strerror(error));
  ::setpgid(pid, pid);  // here too: whichever of the two comes first
  return Child(pid);
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)), status_(other.status_) {}

Child::~Child() {
  stop(std::chrono::milliseconds(0));
}

std::optional<int> Child::ended() {
  if (pid_ == 0) return status_;
  int status = 0;
  pid_t got;
  do got = ::waitpid(pid_, &status, WNOHANG);
  while (got < 0 && errno == EINTR);
  if (got == 0) return std::nullopt;
  pid_ = 0;
  status_ = got < 0 ? kNotStarted : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

int Child::stop(std::chrono::milliseconds grace) {
  constexpr std::chrono::milliseconds kStep(20);
  if (pid_ != 0 && grace.count() > 0) ::kill(-pid_, SIGTERM);
  for (auto waited = std::chrono::milliseconds(0); waited < grace && !ended(); waited += kStep)
    std::this_thread::sleep_for(kStep);
  if (pid_ != 0 && !ended()) {
    ::kill(-pid_, SIGKILL);
    while (!ended()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return status_;
}

}  // namespace loquat::jobs
