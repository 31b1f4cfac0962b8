// loquat chat MODEL: a conversation in the terminal. Replies are written as they come; Ctrl-C stops the one being
// written. Without a terminal, every line of the input is a prompt and only replies go to stdout.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>

#include "cli/verbs.h"
#include "infer/chat_engine.h"

namespace loquat {
namespace {

namespace fs = std::filesystem;

std::atomic<bool> interrupted{false};
extern "C" void on_interrupt(int) {
  interrupted = true;
}

struct ChatArguments {
  std::string model;
  std::string system;
  ReplyParams params;
  int64_t seed = -1;
  bool fp32 = false;
};

// Lines of stdin, by read(2): Ctrl-C comes back as an empty answer instead of being waited through.
class LineReader {
 public:
  enum class Event { kLine, kInterrupt, kEnd };
  Event next(std::string* line) {
    while (true) {
      if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
        *line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return Event::kLine;
      }
      char bytes[4096];
      const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof(bytes));
      if (n > 0) {
        buffer_.append(bytes, static_cast<size_t>(n));
      } else if (n < 0 && errno == EINTR) {
        return Event::kInterrupt;
      } else {
        if (buffer_.empty()) return Event::kEnd;
        *line = std::exchange(buffer_, "");
        return Event::kLine;
      }
    }
  }

 private:
  std::string buffer_;
};

constexpr const char* kHelp =
    "  /model NAME    talk to another model: a folder, or one beside this one (sft, ppo ...)\n"
    "  /system TEXT   set the system message (empty: none) and begin anew\n"
    "  /reset         begin a new conversation\n"
    "  /help          this\n"
    "  /quit          end (Ctrl-D too); Ctrl-C stops a reply that is being written\n";

class Conversation {
 public:
  Conversation(const ChatArguments& arguments, const Kernels& kernels)
      : arguments_(arguments), kernels_(kernels), terminal_(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
    system_ = arguments.system;
    seed_ = arguments.seed >= 0 ? static_cast<uint64_t>(arguments.seed) : std::random_device{}();
  }

  Status open(const std::string& folder) {
    TRY(model_, ChatModel::load(folder, kernels_, arguments_.fp32 ? DType::kF32 : DType::kBF16));
    folder_ = folder;
    begin();
    return {};
  }

  int run() {
    if (terminal_) {
      std::fprintf(stderr, "%s, %lld parameters. /help lists commands.\n", folder_.c_str(),
                   static_cast<long long>(model_->config().param_count()));
    }
    LineReader reader;
    std::string line;
    int interrupts = 0;
    while (true) {
      interrupted = false;
      if (terminal_) std::fputs("\n> ", stdout);
      std::fflush(stdout);
      const auto event = reader.next(&line);
      if (event == LineReader::Event::kEnd) break;
      if (event == LineReader::Event::kInterrupt) {
        if (!terminal_ || ++interrupts == 2) break;
        std::fputs("\n(Ctrl-C again, or /quit, ends)", stdout);
        continue;
      }
      interrupts = 0;
      line.erase(0, line.find_first_not_of(" \t\r"));
      line.erase(line.find_last_not_of(" \t\r") + 1);
      if (line.empty()) continue;
      if (line[0] == '/') {
        if (!command(line)) break;
      } else {
        say(line);
      }
    }
    if (terminal_) std::fputs("\n", stdout);
    return status_;
  }

 private:
  void begin() {
    messages_.clear();
    if (!system_.empty()) messages_.push_back({"system", system_});
  }

  void note(const std::string& text) const { std::fprintf(stderr, "%s\n", text.c_str()); }

  // False: the conversation ends.
  bool command(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, space);
    const std::string rest = space < line.size() ? line.substr(line.find_first_not_of(' ', space)) : "";
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      std::fputs(kHelp, stderr);
    } else if (name == "/reset") {
      begin();
      note("(a new conversation)");
    } else if (name == "/system") {
      system_ = rest;
      begin();
      note(rest.empty() ? "(no system message; a new conversation)" : "(system message set; a new conversation)");
    } else if (name == "/model") {
      change_model(rest);
    } else {
      wrong(name + ": no such command; /help lists them");
    }
    return true;
  }

  void change_model(const std::string& name) {
    if (name.empty()) return note("(this is " + folder_ + ")");
    const std::string beside = (fs::absolute(folder_).lexically_normal() / ".." / name).lexically_normal().string();
    std::error_code error;
    const std::string folder = fs::is_directory(name, error) ? name : beside;
    if (const Status opened = open(folder); !opened.ok()) return wrong(opened.error());
    note("(now " + folder_ + "; a new conversation)");
  }

  // Without a terminal nobody sees the line go by: the exit status tells.
  void wrong(const std::string& message) {
    note(message);
    if (!terminal_) status_ = 2;
  }

  // The oldest turns are left out where the conversation outgrows the model's context.
  void make_room() {
    const auto room = static_cast<size_t>(model_->config().max_positions);
    const size_t keep = std::min<size_t>(model_->config().max_positions / 4, 64);  // for the reply
    const size_t first = system_.empty() ? 0 : 1;
    size_t dropped = 0;
    const auto too_long = [&] {
      const auto prompt = model_->chat_template().prompt(messages_);
      return prompt.ok() && prompt->size() + keep > room;  // what the template refuses, the reply tells
    };
    while (messages_.size() > first + 1 && too_long()) {
      const size_t pair = std::min<size_t>(2, messages_.size() - first - 1);
      messages_.erase(messages_.begin() + first, messages_.begin() + first + pair);
      dropped += pair;
    }
    if (dropped > 0 && terminal_) note("(the context is full: the oldest turns are left out)");
  }

  void say(const std::string& text) {
    messages_.push_back({"user", text});
    make_room();
    ReplyParams params = arguments_.params;
    params.seed = seed_++;
    const auto reply = model_->reply(messages_, params, [](std::string_view piece) {
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
      return !interrupted;
    });
    if (!reply.ok()) {
      messages_.pop_back();
      return wrong(reply.error());
    }
    std::fputs("\n", stdout);
    if (interrupted) note("(stopped)");
    messages_.push_back({"assistant", reply->text});
  }

  const ChatArguments& arguments_;
  const Kernels& kernels_;
  const bool terminal_;
  std::string folder_, system_;
  std::unique_ptr<ChatModel> model_;
  Messages messages_;
  uint64_t seed_ = 0;
  int status_ = 0;
};

int chat(const ChatArguments& arguments) {
  if (const Status there = check_model_path(arguments.model); !there.ok()) return bad_input(there.error());
  const auto kernels = best_kernels();
  if (!kernels.ok()) return bad_input(kernels.error());
  Conversation conversation(arguments, **kernels);
  if (const Status opened = conversation.open(arguments.model); !opened.ok()) return bad_input(opened.error());
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // no SA_RESTART: a read that waits for a line comes back
  sigaction(SIGINT, &action, nullptr);
  return conversation.run();
}

}  // namespace

void add_chat_verb(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ChatArguments>();
  arguments->params.temperature = 0.7f;
  CLI::App* verb = app.add_subcommand("chat", "Talk to a model in the terminal");
  verb->add_option("MODEL", arguments->model, "The model's folder")->required();
  verb->add_option("--system", arguments->system, "System message");
  verb->add_option("--temperature", arguments->params.temperature, "0: always the likeliest token")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 2.0));
  verb->add_option("--top-p", arguments->params.top_p, "Sample from the likeliest tokens of this share")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  verb->add_option("--max-tokens", arguments->params.max_tokens, "Longest reply")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  verb->add_option("--seed", arguments->seed, "Replies are the same for the same seed (not given: random)");
  verb->add_flag("--fp32", arguments->fp32, "Compute in float32");
  verb->callback([arguments, &exit_code] { exit_code = chat(*arguments); });
}

}  // namespace loquat
