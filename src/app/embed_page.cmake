# cmake -DPAGE=<folder> -DOUT=<file.cc> -P embed_page.cmake: every file of the folder as a byte array.
file(GLOB files RELATIVE ${PAGE} ${PAGE}/*)
list(SORT files)
set(arrays "")
set(table "")
set(count 0)
foreach(file ${files})
  if(file MATCHES "\\.html$")
    set(type "text/html; charset=utf-8")
  elseif(file MATCHES "\\.css$")
    set(type "text/css; charset=utf-8")
  elseif(file MATCHES "\\.js$")
    set(type "text/javascript; charset=utf-8")
  elseif(file MATCHES "\\.svg$")
    set(type "image/svg+xml")
  else()
    continue()
  endif()
  file(READ ${PAGE}/${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "const unsigned char kFile${count}[] = {${bytes}0};\n")
  string(APPEND table "      {\"/${file}\", \"${type}\", {reinterpret_cast<const char*>(kFile${count}), ${size}}},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE ${OUT}.new "// Made from web/page by src/app/embed_page.cmake.
#include \"app/page_assets.h\"

namespace loquat::app {
namespace {
${arrays}}  // namespace

std::span<const PageAsset> page_assets() {
  static const PageAsset kAssets[] = {
${table}  };
  return kAssets;
}

}  // namespace loquat::app
")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}.new ${OUT})
file(REMOVE ${OUT}.new)
