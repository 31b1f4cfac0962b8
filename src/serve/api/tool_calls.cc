// What the families' readers have in common.
#include "serve/api/tool_calls.h"

#include <algorithm>
#include <utility>

#include "infer/stop_filter.h"
#include "serve/api/exchange.h"
#include "serve/api/tools.h"

namespace loquat::serve::api {
namespace {

using Fit = CallScanner::Fit;

bool is_name_byte(char c) {
  return is_tool_name(std::string_view(&c, 1));
}

// A call's beginning, {"name": "NAME", "arguments": up to the arguments' first byte. `keys`: what the arguments may be
// called.
Fit json_head(CallScanner& scanner, const std::vector<std::string_view>& keys, std::string* name) {
  if (const Fit fit = scanner.literal("{"); fit != Fit::kYes) return fit;
  // Some write {"type": "function", "name": ...
  Fit fit = scanner.literal("\"type\"");
  if (fit == Fit::kMore) return fit;
  if (fit == Fit::kYes) {
    for (const std::string_view mark : {":", "\"function\"", ","}) {
      if (fit = scanner.literal(mark); fit != Fit::kYes) return fit;
    }
  }
  for (const std::string_view mark : {"\"name\"", ":", "\""}) {
    if (fit = scanner.literal(mark); fit != Fit::kYes) return fit;
  }
  if (fit = scanner.name(name); fit != Fit::kYes) return fit;
  for (const std::string_view mark : {"\"", ","}) {
    if (fit = scanner.literal(mark); fit != Fit::kYes) return fit;
  }
  fit = Fit::kNo;
  for (size_t i = 0; i < keys.size() && fit == Fit::kNo; ++i) fit = scanner.literal(keys[i]);
  if (fit != Fit::kYes) return fit;
  if (fit = scanner.literal(":"); fit != Fit::kYes) return fit;
  scanner.skip_space();
  if (scanner.rest().empty()) return Fit::kMore;
  return scanner.rest()[0] == '{' ? Fit::kYes : Fit::kNo;
}

}  // namespace

void CallScanner::skip_space() {
  at_ = std::min(text_.find_first_not_of(kCallSpace, at_), text_.size());
}

Fit CallScanner::literal(std::string_view mark) {
  skip_space();
  if (rest().starts_with(mark)) {
    at_ += mark.size();
    return Fit::kYes;
  }
  return mark.starts_with(rest()) ? Fit::kMore : Fit::kNo;
}

Fit CallScanner::name(std::string* value) {
  skip_space();
  const std::string_view text = rest();
  const size_t size = std::find_if_not(text.begin(), text.end(), is_name_byte) - text.begin();
  *value = text.substr(0, size);
  if (size > 0 && !is_tool_name(*value)) return Fit::kNo;
  if (size == text.size()) return Fit::kMore;
  if (size == 0) return Fit::kNo;
  at_ += size;
  return Fit::kYes;
}

std::string new_call_id(ToolFamily family) {
  const bool mistral = family == ToolFamily::kMistral || family == ToolFamily::kMistralArgs;
  return mistral ? random_id("", 9) : random_id("call_", 24);
}

std::unique_ptr<ToolCallReader> ToolCallReader::make(ToolFamily family, std::span<const Tool> tools) {
  switch (family) {
    case ToolFamily::kLlama3:
      return make_llama3_reader();
    case ToolFamily::kMistral:
    case ToolFamily::kMistralArgs:
      return make_mistral_reader();
    case ToolFamily::kQwenCoder:
      return make_qwen_coder_reader(tools);
    case ToolFamily::kHermes:
      break;
  }
  return make_hermes_reader();
}

std::vector<ToolPiece> ToolCallReader::push(std::string_view text, bool last) {
  held_ += text;
  while (step(last)) {
  }
  return std::exchange(out_, {});
}

void ToolCallReader::put_text(std::string text) {
  if (text.empty()) return;
  if (!out_.empty() && out_.back().kind == ToolPiece::Kind::kText) {
    out_.back().text += text;
  } else {
    out_.push_back({ToolPiece::Kind::kText, std::move(text)});
  }
}

void ToolCallReader::put_call(std::string name) {
  out_.push_back({ToolPiece::Kind::kCall, std::move(name), calls_++});
  depth_ = 0;
  in_string_ = escaped_ = false;
}

void ToolCallReader::put_arguments(std::string text) {
  if (text.empty()) return;
  if (!out_.empty() && out_.back().kind == ToolPiece::Kind::kArguments && out_.back().call == calls_ - 1) {
    out_.back().text += text;
  } else {
    out_.push_back({ToolPiece::Kind::kArguments, std::move(text), calls_ - 1});
  }
}

// The bytes of held_ up to the end of the object, or all of them.
bool ToolCallReader::read_object(size_t* size) {
  size_t at = 0;
  bool closed = false;
  for (; at < held_.size() && !closed; ++at) {
    const char c = held_[at];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      closed = --depth_ == 0;
    }
  }
  *size = at;
  return closed;
}

bool ToolCallReader::read_arguments() {
  size_t size = 0;
  const bool closed = read_object(&size);
  put_arguments(held_.substr(0, size));
  held_.erase(0, size);
  if (closed) depth_ = 1;
  return closed;
}

bool ToolCallReader::read_rest_of_object() {
  size_t size = 0;
  const bool closed = read_object(&size);
  held_.erase(0, size);
  return closed;
}

bool TaggedCallReader::step(bool last) {
  static constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";
  switch (state_) {
    case State::kText:
      if (!read_text_to(kOpen, last)) return false;
      state_ = State::kHead;
      return true;
    case State::kHead: {
      const Head head = read_beginning(last);
      if (head == Head::kMore) return false;
      state_ = head == Head::kCall ? State::kInside : State::kText;
      return true;
    }
    case State::kInside:
      if (!read_inside(last)) return false;
      state_ = State::kTail;
      return true;
    case State::kTail:
      break;
  }
  const size_t close = held_.find(kClose);
  if (close == std::string::npos) {
    held_.erase(0, held_.size() - (last ? 0 : begun(held_, kClose)));
    return false;
  }
  held_.erase(0, close + kClose.size());
  state_ = State::kText;
  return true;
}

bool ToolCallReader::read_text_to(std::string_view mark, bool last) {
  const size_t found = held_.find(mark);
  const std::string_view before = std::string_view(held_).substr(0, found);
  // Space is kept back until one knows what follows it.
  const size_t part = found == std::string::npos && !last ? begun(before, mark) : 0;
  const size_t words = before.substr(0, before.size() - part).find_last_not_of(kCallSpace) + 1;
  if (found == std::string::npos) {
    const size_t ready = !last ? words : words == 0 && calls_ > 0 ? 0 : held_.size();
    put_text(held_.substr(0, ready));
    held_.erase(0, ready);
    if (last) held_.clear();
    return false;
  }
  put_text(held_.substr(0, words));
  held_.erase(0, found + mark.size());
  before_head_ = mark;
  return true;
}

ToolCallReader::Head ToolCallReader::read_head(const std::vector<std::string_view>& keys, bool last) {
  CallScanner scanner(held_);
  std::string name;
  const Fit fit = json_head(scanner, keys, &name);
  return begin_call(fit, std::move(name), scanner.at(), last);
}

ToolCallReader::Head ToolCallReader::begin_call(Fit fit, std::string name, size_t end, bool last) {
  if (fit == Fit::kMore && !last) return Head::kMore;
  const bool call = fit == Fit::kYes;
  if (call) {
    put_call(std::move(name));
    held_.erase(0, end);
  } else {
    put_text(std::move(before_head_));
  }
  before_head_.clear();
  return call ? Head::kCall : Head::kText;
}

}  // namespace loquat::serve::api
