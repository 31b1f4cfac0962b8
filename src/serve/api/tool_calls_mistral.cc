// [TOOL_CALLS][{"name": "NAME", "arguments": {...}}, ...], each perhaps with an "id". The ids are not read: a client is
// given a call's id before its arguments.
#include "serve/api/tool_calls.h"

namespace loquat::serve::api {
namespace {

constexpr std::string_view kMark = "[TOOL_CALLS]";

class MistralReader : public ToolCallReader {
 protected:
  bool step(bool last) override {
    switch (state_) {
      case State::kText:
        if (!read_text_to(kMark, last)) return false;
        state_ = State::kList;
        return true;
      case State::kList:
        return read_list(last);
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
        if (!read_rest_of_object()) return false;
        state_ = State::kBetween;
        return true;
      case State::kBetween:
        return read_between();
    }
    return false;
  }

 private:
  enum class State { kText, kList, kHead, kArguments, kTail, kBetween };

  bool read_list(bool last) {
    const size_t at = held_.find_first_not_of(kCallSpace);
    if (at == std::string::npos && !last) return false;
    if (at != std::string::npos && held_[at] == '[') {
      before_head_ += held_.substr(0, at + 1);
      held_.erase(0, at + 1);
    }
    state_ = State::kHead;
    return true;
  }

  bool read_between() {
    const size_t at = held_.find_first_not_of(kCallSpace);
    if (at == std::string::npos) {
      held_.clear();
      return false;
    }
    const char c = held_[at];
    if (c == ',') before_head_ = ",";
    if (c == ',' || c == ']') held_.erase(0, at + 1);
    state_ = c == ',' ? State::kHead : State::kText;
    return true;
  }

  State state_ = State::kText;
};

}  // namespace

std::unique_ptr<ToolCallReader> make_mistral_reader() {
  return std::make_unique<MistralReader>();
}

}  // namespace loquat::serve::api
