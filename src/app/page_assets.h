// The page's files (web/page), put into the program at build time by embed_page.cmake.
#pragma once

#include <span>
#include <string_view>

namespace loquat::app {

struct PageAsset {
  std::string_view path;  // "/page.css"; "/index.html" is also "/"
  std::string_view content_type;
  std::string_view bytes;
};

std::span<const PageAsset> page_assets();

}  // namespace loquat::app
