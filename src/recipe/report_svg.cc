#include "recipe/report_svg.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace loquat::recipe {
namespace {

constexpr double kWidth = 380, kHeight = 190, kLeft = 46, kRight = 10, kTop = 10, kBottom = 26;

std::vector<double> ticks(double low, double high, int count) {
  const double rough = std::max((high - low) / count, 1e-12);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double m : {5.0, 2.5, 2.0, 1.0}) {
    if (m * power >= rough) step = m * power;
  }
  std::vector<double> out;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) out.push_back(i * step);
  return out;
}

// The mean of an exponential mean from the left and one from the right: it does not lag behind. The span grows with the
// number of points.
Points smoothed(const Points& points) {
  const double keep = 1 - 1 / std::max(1.0, std::min(9.0, static_cast<double>(points.size()) / 16));
  Points out = points;
  for (auto& point : out) point.second = 0;
  const auto pass = [&](auto begin, auto end, auto to) {
    double sum = 0, weight = 0;
    for (; begin != end; ++begin, ++to) {
      sum = keep * sum + begin->second;
      weight = keep * weight + 1;
      to->second += 0.5 * sum / weight;
    }
  };
  pass(points.begin(), points.end(), out.begin());
  pass(points.rbegin(), points.rend(), out.rbegin());
  return out;
}

struct Frame {
  double x0 = 0, x1 = 1, y0 = 0, y1 = 1;
  double x(double value) const { return kLeft + (value - x0) / (x1 - x0) * (kWidth - kLeft - kRight); }
  double y(double value) const {
    return kTop + std::clamp((y1 - value) / (y1 - y0), -0.02, 1.02) * (kHeight - kTop - kBottom);
  }
};

// All points, but for outliers of the very start, which would flatten the rest.
Frame frame_of(const std::vector<Series>& series, bool smooth) {
  std::vector<double> xs, ys;
  for (const Series& one : series) {
    for (const auto& [x, y] : one.points) xs.push_back(x), ys.push_back(y);
  }
  std::sort(ys.begin(), ys.end());
  Frame frame;
  frame.x0 = *std::min_element(xs.begin(), xs.end());
  frame.x1 = *std::max_element(xs.begin(), xs.end());
  if (frame.x1 <= frame.x0) frame.x1 = frame.x0 + 1;
  const double skip = smooth ? 0.01 : 0;
  double low = ys[static_cast<size_t>(skip / 2 * static_cast<double>(ys.size()))];
  double high = ys[static_cast<size_t>(std::ceil((1 - skip) * static_cast<double>(ys.size()))) - 1];
  if (high - low < 1e-12) low -= std::max(0.05, std::abs(low) * 0.1), high += std::max(0.05, std::abs(high) * 0.1);
  const double pad = (high - low) * 0.06;
  frame.y0 = low >= 0 && low - pad < 0 ? 0 : low - pad;
  frame.y1 = high + pad;
  return frame;
}

std::string path_of(const Points& points, const Frame& frame) {
  std::string path;
  for (const auto& [x, y] : points)
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", frame.x(x), frame.y(y));
  return path;
}

std::string axes(const Frame& frame, const std::string& x_name) {
  std::string out;
  for (const double y : ticks(frame.y0, frame.y1, 4)) {
    const double at = frame.y(y);
    out += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", kLeft, kWidth - kRight,
                       at, at);
    out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kLeft - 6, at + 4, short_number(y));
  }
  for (const double x : ticks(frame.x0, frame.x1, 4)) {
    const double at = frame.x(x);
    const bool last = at > kWidth - 26;
    out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"{}\">{}</text>", last ? kWidth - kRight : at,
                       kHeight - 11, last ? "end" : "middle", short_number(x));
  }
  return out + fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                           (kLeft + kWidth - kRight) / 2, kHeight - 0.5, escape_html(x_name));
}

std::string line_of(const Series& series, const Frame& frame, bool smooth) {
  if (smooth && series.points.size() >= 24) {
    return fmt::format("<g class=\"{}\"><path class=\"raw\" d=\"{}\"/><path class=\"strong\" d=\"{}\"/></g>",
                       series.css_class, path_of(series.points, frame), path_of(smoothed(series.points), frame));
  }
  std::string out =
      fmt::format("<g class=\"{}\"><path class=\"strong\" d=\"{}\"/>", series.css_class, path_of(series.points, frame));
  if (series.points.size() <= 24) {
    for (const auto& [x, y] : series.points) {
      out += fmt::format(
          "<circle class=\"dot\" r=\"2.6\" cx=\"{:.1f}\" cy=\"{:.1f}\"><title>{}: {} at {}</title></circle>",
          frame.x(x), frame.y(y), escape_html(series.name), short_number(y), short_number(x));
    }
  }
  return out + "</g>";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' && i + 1 < text.size() && text[i + 1] == '%') {
      out += "\u00a0";  // "95 %" stays on one line
      continue;
    }
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string short_number(double x) {
  const double size = std::abs(x);
  const auto trimmed = [](std::string text) {
    if (text.find('.') == std::string::npos) return text;
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  };
  if (size >= 1e6) return trimmed(fmt::format("{:.1f}", x / 1e6)) + "M";
  if (size >= 1e4) return trimmed(fmt::format("{:.1f}", x / 1e3)) + "k";
  if (size >= 100) return fmt::format("{:.0f}", x);
  if (size >= 1) return trimmed(fmt::format("{:.2f}", x));
  if (size < 1e-9) return "0";
  return size >= 0.001 ? trimmed(fmt::format("{:.3f}", x)) : fmt::format("{:.0e}", x);
}

std::string line_chart(const ChartSpec& spec) {
  std::vector<Series> drawn;
  for (const Series& series : spec.series) {
    if (series.points.size() >= 2) drawn.push_back(series);
  }
  if (drawn.empty()) return "";
  const Frame frame = frame_of(drawn, spec.smooth);
  std::string legend, label = spec.title;
  for (const Series& series : drawn) {
    const double first = series.points.front().second, last = smoothed(series.points).back().second;
    if (drawn.size() > 1) {
      legend += fmt::format("<span class=\"key {}\">{}</span>", series.css_class, escape_html(series.name));
    } else {
      legend += fmt::format("<b>{}</b>", short_number(last));
    }
    label += fmt::format("; {} from {} to {}", series.name, short_number(first), short_number(last));
  }
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">", kWidth, kHeight, escape_html(label));
  svg += axes(frame, spec.x_name);
  for (const Series& series : drawn) svg += line_of(series, frame, spec.smooth);
  return fmt::format(
      "<figure class=\"chart\"><figcaption><span>{}</span><span class=\"keys\">{}</span></figcaption>{}</svg></figure>",
      escape_html(spec.title), legend, svg);
}

std::string range_bar(const RangeRow& row, std::optional<double> mark) {
  const auto x = [](double share) { return 4 + 192 * std::clamp(share, 0.0, 1.0); };
  std::string svg =
      fmt::format("<svg class=\"range {}\" viewBox=\"0 0 200 16\" role=\"img\" aria-label=\"{}\"><title>{}</title>",
                  row.css_class, escape_html(row.label), escape_html(row.label));
  svg += "<line class=\"track\" x1=\"4\" x2=\"196\" y1=\"8\" y2=\"8\"/>";
  if (mark) svg += fmt::format("<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"1\" y2=\"15\"/>", x(*mark));
  if (row.from) {
    svg +=
        fmt::format("<line class=\"move\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"8\" y2=\"8\"/>", x(*row.from), x(row.value));
    svg += fmt::format("<circle class=\"from\" cx=\"{:.1f}\" cy=\"8\" r=\"4\"/>", x(*row.from));
  } else if (row.low && row.high) {
    svg +=
        fmt::format("<line class=\"span\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"8\" y2=\"8\"/>", x(*row.low), x(*row.high));
  }
  return svg + fmt::format("<circle class=\"dot\" cx=\"{:.1f}\" cy=\"8\" r=\"4.5\"/></svg>", x(row.value));
}

}  // namespace loquat::recipe
