// What the families' readers have in common.
#include "serve/api/tool_calls.h"

#include <algorithm>
#include <utility>

#include "infer/stop_filter.h"
#include "serve/api/exchange.h"
#include "serve/api/tools.h"

namespace loquat::serve::api {
namespace {

enum class HeadFit { kYes, kNo, kMore };  // it is there; it is none; the text ends before one can know

// A call's beginning, {"name": "NAME", "arguments": up to the arguments' first byte.
class HeadText {
 public:
  explicit HeadText(std::string_view text) : text_(text) {}

  // `keys`: what the arguments may be called. `end`: where they begin.
  HeadFit read(const std::vector<std::string_view>& keys, std::string* name, size_t* end) {
    if (const HeadFit fit = literal("{"); fit != HeadFit::kYes) return fit;
    // Some write {"type": "function", "name": ...
    HeadFit fit = literal("\"type\"");
    if (fit == HeadFit::kMore) return fit;
    if (fit == HeadFit::kYes) {
      for (const std::string_view mark : {":", "\"function\"", ","}) {
        if (fit = literal(mark); fit != HeadFit::kYes) return fit;
      }
    }
    for (const std::string_view mark : {"\"name\"", ":"}) {
      if (fit = literal(mark); fit != HeadFit::kYes) return fit;
    }
    if (fit = string(name); fit != HeadFit::kYes) return fit;
    if (fit = literal(","); fit != HeadFit::kYes) return fit;
    fit = HeadFit::kNo;
    for (size_t i = 0; i < keys.size() && fit == HeadFit::kNo; ++i) fit = literal(keys[i]);
    if (fit != HeadFit::kYes) return fit;
    if (fit = literal(":"); fit != HeadFit::kYes) return fit;
    skip_space();
    if (at_ == text_.size()) return HeadFit::kMore;
    *end = at_;
    return text_[at_] == '{' ? HeadFit::kYes : HeadFit::kNo;
  }

 private:
  void skip_space() { at_ = std::min(text_.find_first_not_of(kCallSpace, at_), text_.size()); }

  HeadFit literal(std::string_view mark) {
    skip_space();
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(mark)) {
      at_ += mark.size();
      return HeadFit::kYes;
    }
    return mark.starts_with(rest) ? HeadFit::kMore : HeadFit::kNo;
  }

  HeadFit string(std::string* value) {
    if (const HeadFit fit = literal("\""); fit != HeadFit::kYes) return fit;
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (!is_tool_name(text_.substr(at_, 1))) return HeadFit::kNo;
      ++at_;
    }
    if (at_ == text_.size()) return HeadFit::kMore;
    *value = text_.substr(begin, at_++ - begin);
    return is_tool_name(*value) ? HeadFit::kYes : HeadFit::kNo;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::string new_call_id(ToolFamily family) {
  return family == ToolFamily::kMistral ? random_id("", 9) : random_id("call_", 24);
}

std::unique_ptr<ToolCallReader> ToolCallReader::make(ToolFamily family) {
  switch (family) {
    case ToolFamily::kLlama3:
      return make_llama3_reader();
    case ToolFamily::kMistral:
      return make_mistral_reader();
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
  if (size > 0) out_.push_back({ToolPiece::Kind::kArguments, held_.substr(0, size), calls_ - 1});
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
  std::string name;
  size_t end = 0;
  const HeadFit fit = HeadText(held_).read(keys, &name, &end);
  if (fit == HeadFit::kMore && !last) return Head::kMore;
  const bool call = fit == HeadFit::kYes;
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
