// Any bytes as a template, a line with only "---", and JSON variables: refused with a message, or rendered within small
// limits; ranges are as promised, a second rendering gives the same, and what the template had no variables for is its
// own.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json_depth.h"
#include "jinja/template.h"

namespace {

using namespace loquat;  // NOLINT

void check_ranges(const std::vector<jinja::Range>& ranges, size_t size) {
  size_t end = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    CHECK(ranges[i].begin < ranges[i].end && ranges[i].end <= size && (i == 0 || ranges[i].begin > end));
    end = ranges[i].end;
  }
}

std::tm fixed_time() {
  std::tm now{};
  now.tm_year = 124;
  now.tm_mday = 1;
  return now;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find("\n---\n");
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  if (cut != std::string_view::npos && !json_nests_deeper(input.substr(cut + 5))) {
    variables = nlohmann::ordered_json::parse(input.substr(cut + 5), nullptr, false);
  }
  const jinja::Limits limits{
      .source_bytes = 1 << 16, .output_bytes = 1 << 16, .steps = 200000, .depth = 200, .nesting = 50};
  const auto parsed = jinja::Template::parse(std::string(input.substr(0, cut)), limits);
  if (!parsed.ok()) {
    CHECK(!parsed.error().empty());
    return 0;
  }
  const auto rendered = parsed->render(variables, fixed_time);
  const auto again = parsed->render(variables, fixed_time);
  CHECK(rendered.ok() == again.ok());
  if (!rendered.ok()) {
    CHECK(!rendered.error().empty() && rendered.error() == again.error());
    return 0;
  }
  CHECK(rendered->text == again->text && rendered->data == again->data);
  CHECK(rendered->text.size() <= limits.output_bytes);
  check_ranges(rendered->data, rendered->text.size());
  check_ranges(rendered->generation, rendered->text.size());
  CHECK(!variables.empty() || rendered->data.empty());
  CHECK(parsed->has_generation() || rendered->generation.empty());
  return 0;
}
