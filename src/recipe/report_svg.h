// Charts of the report as SVG text, coloured by the page's style classes ("tint-ppo"): readable in light and dark.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::recipe {

using Points = std::vector<std::pair<double, double>>;

struct Series {
  std::string name;
  std::string css_class;  // "tint-ppo", or "alt" for a second line
  Points points;          // by rising x
};

struct ChartSpec {
  std::string title;
  std::string x_name;
  std::vector<Series> series;
  bool smooth = true;  // a faint line as measured and a strong smoothed one; else the points themselves, joined
};

// A <figure>; "" where no series has two points.
std::string line_chart(const ChartSpec& spec);

// A row of a range from 0 to 1: the interval as a bar, the value as a dot. With `from`, an arrow's tail: what it was
// before.
struct RangeRow {
  double value = 0;
  std::optional<double> low, high, from;
  std::string css_class;
  std::string label;  // for those who hear the page
};
// A small <svg>; `mark` draws a line across at that share.
std::string range_bar(const RangeRow& row, std::optional<double> mark = {});

std::string escape_html(std::string_view text);
std::string short_number(double x);  // 0.0123, 3.42, 128, 12.4k, 1.3M

}  // namespace loquat::recipe
