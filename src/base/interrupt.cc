#include "base/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace loquat {
namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not take a lock");

void on_signal(int signal) {
  if (flag.exchange(true)) ::_exit(128 + signal);
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;  // without SA_RESTART: a read from the terminal returns
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() {
  return flag.load(std::memory_order_relaxed);
}
void clear_interrupt() {
  flag = false;
}

}  // namespace loquat
