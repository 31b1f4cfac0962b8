// [TOOL_CALLS][{"name": "NAME", "arguments": {...}}, ...], each perhaps with an "id". The ids are not read: a client is
// given a call's id before its arguments.
#include <algorithm>

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
        before_head_ = kMark;
        state_ = State::kList;
        return true;
      case State::kList:
        return read_list(last);
      case State::kHead:
        return read_head(last);
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

  bool read_head(bool last) {
    std::string name;
    size_t end = 0;
    const HeadFit fit = read_call_head(held_, {"\"arguments\""}, &name, &end);
    if (fit == HeadFit::kMore && !last) return false;
    if (fit != HeadFit::kYes) {
      put_text(std::move(before_head_));
      before_head_.clear();
      state_ = State::kText;
      return true;
    }
    before_head_.clear();
    put_call(std::move(name));
    held_.erase(0, end);
    state_ = State::kArguments;
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
  std::string before_head_;  // text, where no call follows it
};

}  // namespace

std::unique_ptr<ToolCallReader> make_mistral_reader() {
  return std::make_unique<MistralReader>();
}

}  // namespace loquat::serve::api
