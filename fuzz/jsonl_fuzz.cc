// Any line either becomes an item that keeps the promises of data/dataset.h, and is written to the same item again, or
// is refused with a message.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "data/jsonl.h"

namespace {

using namespace loquat;  // NOLINT

void demonstration(std::string_view line) {
  const auto item = demonstration_from_json(line);
  if (!item.ok()) {
    CHECK(!item.error().empty());
    return;
  }
  CHECK(!item->messages.empty() && item->messages.back().role == "assistant");
  const auto again = demonstration_from_json(to_json(*item));
  CHECK(again.ok() && again->id == item->id && again->messages == item->messages);
}

void ranking(std::string_view line) {
  const auto item = ranking_from_json(line);
  if (!item.ok()) {
    CHECK(!item.error().empty());
    return;
  }
  if (!*item) return;
  CHECK((*item)->responses.size() >= 2 && (*item)->prompt.back().role == "user");
  const auto again = ranking_from_json(to_json(**item));
  CHECK(again.ok() && *again && to_json(**again) == to_json(**item));
}

void text_or_prompt(std::string_view line) {
  if (const auto text = text_from_json(line); text.ok()) CHECK(*text_from_json(text_to_json(*text)) == *text);
  if (const auto prompt = prompt_from_json(line); prompt.ok()) {
    CHECK(prompt->back().role == "user");
    CHECK(*prompt_from_json(prompt_to_json(*prompt)) == *prompt);
  }
  (void)text_to_json(line);  // any bytes
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  demonstration(line);
  ranking(line);
  text_or_prompt(line);
  (void)messages_from_transcript(line);
  return 0;
}
