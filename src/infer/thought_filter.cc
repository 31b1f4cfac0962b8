#include "infer/thought_filter.h"

#include <algorithm>
#include <utility>

#include "infer/stop_filter.h"

namespace loquat {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";

void drop_line_breaks(std::string& text) {
  text.erase(0, std::min(text.find_first_not_of('\n'), text.size()));
}

}  // namespace

ThoughtFilter::ThoughtFilter(Begin begin)
    : place_(begin == Begin::kNever  ? Place::kText
             : begin == Begin::kOpen ? Place::kThoughts
                                     : Place::kStart) {}

ThoughtFilter::State ThoughtFilter::state() const {
  if (place_ == Place::kStart) return State::kUndecided;
  return place_ == Place::kThoughts ? State::kThoughts : State::kText;
}

ThoughtFilter::Piece ThoughtFilter::push(std::string_view text) {
  Piece out;
  held_ += text;
  if (place_ == Place::kStart) read_start();
  if (place_ == Place::kThoughts) read_thoughts(out);
  if (place_ == Place::kAfter) {
    drop_line_breaks(held_);
    if (!held_.empty()) place_ = Place::kText;
  }
  if (place_ == Place::kText) out.text = std::exchange(held_, {});
  return out;
}

void ThoughtFilter::read_start() {
  const size_t first = std::min(held_.find_first_not_of(" \t\r\n"), held_.size());
  const std::string_view rest = std::string_view(held_).substr(first);
  if (rest.starts_with(kOpen)) {
    held_.erase(0, first + kOpen.size());
    place_ = Place::kThoughts;
  } else if (!kOpen.starts_with(rest)) {
    place_ = Place::kText;
  }
}

void ThoughtFilter::read_thoughts(Piece& out) {
  if (!any_) drop_line_breaks(held_);
  const size_t close = held_.find(kClose);
  const size_t end = close != std::string::npos ? close : held_.size() - begun(held_, kClose);
  const size_t ready = std::string_view(held_).substr(0, end).find_last_not_of('\n') + 1;
  out.thoughts = held_.substr(0, ready);
  any_ = any_ || ready > 0;
  if (close == std::string::npos) {
    held_.erase(0, ready);
    return;
  }
  held_.erase(0, close + kClose.size());
  place_ = Place::kAfter;
}

ThoughtFilter::Piece ThoughtFilter::finish() {
  Piece out;
  if (place_ == Place::kThoughts) {
    out.thoughts = held_.substr(0, held_.find_last_not_of('\n') + 1);
  } else {
    out.text = held_;
  }
  held_.clear();
  return out;
}

}  // namespace loquat
