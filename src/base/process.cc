#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace loquat {
namespace {

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == 0) {
      read_end = ends[0];
      write_end = ends[1];
    }
  }
  ~Pipe() {
    close_end(read_end);
    close_end(write_end);
  }
  static void close_end(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
};

// Reads what there is into `to`; closes the end when the program has closed its own.
void drain(int& fd, std::string& to) {
  char chunk[16384];
  const ssize_t n = ::read(fd, chunk, sizeof(chunk));
  if (n > 0) to.append(chunk, static_cast<size_t>(n));
  if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) Pipe::close_end(fd);
}

void talk(Pipe& in, Pipe& out, Pipe& err, std::string_view input, ProcessResult& result) {
  ::fcntl(in.write_end, F_SETFL, O_NONBLOCK);
  if (input.empty()) Pipe::close_end(in.write_end);
  while (in.write_end >= 0 || out.read_end >= 0 || err.read_end >= 0) {
    pollfd polls[3] = {{in.write_end, POLLOUT, 0}, {out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
    if (::poll(polls, 3, -1) < 0 && errno != EINTR) return;
    if (polls[0].revents) {
      const ssize_t n = ::write(in.write_end, input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<size_t>(n));
      if (input.empty() || (n < 0 && errno != EINTR && errno != EAGAIN)) Pipe::close_end(in.write_end);
    }
    if (polls[1].revents) drain(out.read_end, result.output);
    if (polls[2].revents) drain(err.read_end, result.errors);
  }
}

}  // namespace

Result<ProcessResult> run_process(const std::vector<std::string>& argv, const std::string& input,
                                  const std::string& folder) {
  if (argv.empty()) return Err("no program to run");
  Pipe in, out, err;
  if (in.read_end < 0 || out.read_end < 0 || err.read_end < 0)
    return Err("{}: cannot run: {}", argv[0], std::strerror(errno));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.read_end, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write_end, 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.write_end, 2);
  if (!folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0].c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Err("{}: cannot run: {}", argv[0], std::strerror(error));
  Pipe::close_end(in.read_end);
  Pipe::close_end(out.write_end);
  Pipe::close_end(err.write_end);

  ProcessResult result;
  // A program that does not read all of its input must not kill this one: the write reports EPIPE instead.
  auto* const before = std::signal(SIGPIPE, SIG_IGN);
  talk(in, out, err, input, result);
  std::signal(SIGPIPE, before);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace loquat
