// {"name": "NAME", "parameters": {...}} where a reply begins, or after <|python_tag|>; further calls after ";".
#include <algorithm>

#include "serve/api/tool_calls.h"

namespace loquat::serve::api {
namespace {

constexpr std::string_view kTag = "<|python_tag|>";

class Llama3Reader : public ToolCallReader {
 protected:
  bool step(bool last) override {
    switch (state_) {
      case State::kText:
        if (!read_text_to(kTag, last)) return false;
        state_ = State::kHead;
        return true;
      case State::kHead:
        return read_beginning(last);
      case State::kArguments:
        if (!read_arguments()) return false;
        state_ = State::kTail;
        return true;
      case State::kTail:
        if (!read_rest_of_object()) return false;
        state_ = State::kBetween;
        return true;
      case State::kBetween:
        return read_between(last);
    }
    return false;
  }

 private:
  enum class State { kText, kHead, kArguments, kTail, kBetween };

  bool read_beginning(bool last) {
    const size_t space = std::min(held_.find_first_not_of(kCallSpace), held_.size());
    const std::string_view rest = std::string_view(held_).substr(space);
    // A tag where the reply begins.
    if (before_head_.empty() && kTag.substr(0, rest.size()) == rest.substr(0, kTag.size())) {
      if (rest.size() < kTag.size() && !last) return false;
      if (rest.size() >= kTag.size()) {
        before_head_ = held_.substr(0, space + kTag.size());
        held_.erase(0, before_head_.size());
        return true;
      }
    }
    const Head head = read_head({"\"parameters\"", "\"arguments\""}, last);
    if (head == Head::kMore) return false;
    state_ = head == Head::kCall ? State::kArguments : State::kText;
    return true;
  }

  bool read_between(bool last) {
    const size_t at = held_.find_first_not_of(kCallSpace);
    if (at == std::string::npos) {
      if (last) held_.clear();
      return false;
    }
    if (held_[at] == ';') {
      before_head_ = ";";
      held_.erase(0, at + 1);
      state_ = State::kHead;
    } else {
      state_ = State::kText;
    }
    return true;
  }

  State state_ = State::kHead;
};

}  // namespace

std::unique_ptr<ToolCallReader> make_llama3_reader() {
  return std::make_unique<Llama3Reader>();
}

}  // namespace loquat::serve::api
