// The report's style sheet: the page's colours (web/page/page.css), and rules for paper.
#pragma once

namespace loquat::recipe {
extern const char* const kReportStyle;
}
