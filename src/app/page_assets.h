// The page's files (web/, built into build/web), put into the program at build time by embed_page.cmake.
#pragma once

#include <span>
#include <string_view>

namespace loquat::app {

struct PageAsset {
  std::string_view path;  // "/assets/index-1a2b3c.js"; "/index.html" is the page at each of its router's paths
  std::string_view content_type;
  std::string_view bytes;
  std::string_view gzip;  // the same packed; "" where that is no smaller
  std::string_view etag;  // with its quotes
};

std::span<const PageAsset> page_assets();

}  // namespace loquat::app
