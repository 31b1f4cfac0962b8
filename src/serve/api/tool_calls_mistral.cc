// [TOOL_CALLS][{"name": "NAME", "arguments": {...}}, ...], each perhaps with an "id"; or, since v11 of Mistral's
// tokenizers, [TOOL_CALLS]NAME[ARGS]{...}, perhaps with [CALL_ID]ID before [ARGS]. The ids are not read: a client is
// given a call's id before its arguments.
#include "serve/api/tool_calls.h"

namespace loquat::serve::api {
namespace {

constexpr std::string_view kMark = "[TOOL_CALLS]";

using Fit = CallScanner::Fit;

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
        const Head head = named_ ? read_named_head(last) : read_head({"\"arguments\""}, last);
        if (head == Head::kMore) return false;
        state_ = head == Head::kCall ? State::kArguments : State::kText;
        return true;
      }
      case State::kArguments:
        if (!read_arguments()) return false;
        state_ = State::kTail;
        return true;
      case State::kTail:
        if (!named_ && !read_rest_of_object()) return false;
        state_ = named_ ? State::kText : State::kBetween;
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
    const char c = at == std::string::npos ? '[' : held_[at];
    if (at != std::string::npos && c == '[') {
      before_head_ += held_.substr(0, at + 1);
      held_.erase(0, at + 1);
    }
    named_ = c != '[' && c != '{';
    state_ = State::kHead;
    return true;
  }

  Head read_named_head(bool last) {
    CallScanner scanner(held_);
    std::string name;
    const Fit fit = named_head(scanner, &name);
    return begin_call(fit, std::move(name), scanner.at(), last);
  }

  static Fit named_head(CallScanner& scanner, std::string* name) {
    if (const Fit fit = scanner.name(name); fit != Fit::kYes) return fit;
    Fit fit = scanner.literal("[CALL_ID]");
    if (fit == Fit::kMore) return fit;
    std::string id;
    if (fit == Fit::kYes && (fit = scanner.name(&id)) != Fit::kYes) return fit;
    if (fit = scanner.literal("[ARGS]"); fit != Fit::kYes) return fit;
    scanner.skip_space();
    if (scanner.rest().empty()) return Fit::kMore;
    return scanner.rest()[0] == '{' ? Fit::kYes : Fit::kNo;
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
  bool named_ = false;  // this call is NAME[ARGS]{...}
};

}  // namespace

std::unique_ptr<ToolCallReader> make_mistral_reader() {
  return std::make_unique<MistralReader>();
}

}  // namespace loquat::serve::api
