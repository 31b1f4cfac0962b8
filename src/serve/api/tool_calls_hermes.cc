// <tool_call>
// {"name": "NAME", "arguments": {...}}
// </tool_call>
#include "infer/stop_filter.h"
#include "serve/api/tool_calls.h"

namespace loquat::serve::api {
namespace {

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";

class HermesReader : public ToolCallReader {
 protected:
  bool step(bool last) override {
    switch (state_) {
      case State::kText:
        if (!read_text_to(kOpen, last)) return false;
        state_ = State::kHead;
        return true;
      case State::kHead: {
        const Head head = read_head({"\"arguments\""}, last);
        if (head == Head::kMore) return false;
        state_ = head == Head::kCall ? State::kArguments : State::kText;
        return true;
      }
      case State::kArguments:
        if (!read_arguments()) return false;
        state_ = State::kTail;
        return true;
      case State::kTail:
        return read_tail(last);
    }
    return false;
  }

 private:
  enum class State { kText, kHead, kArguments, kTail };

  bool read_tail(bool last) {
    const size_t close = held_.find(kClose);
    if (close != std::string::npos) {
      held_.erase(0, close + kClose.size());
      state_ = State::kText;
      return true;
    }
    held_.erase(0, held_.size() - (last ? 0 : begun(held_, kClose)));
    return false;
  }

  State state_ = State::kText;
};

}  // namespace

std::unique_ptr<ToolCallReader> make_hermes_reader() {
  return std::make_unique<HermesReader>();
}

}  // namespace loquat::serve::api
