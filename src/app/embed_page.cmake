# cmake -DPAGE=<folder> -DELSE=<folder> -DOUT=<file.cc> -P embed_page.cmake: every file of the folder and its subfolders, as it
# is and packed with gzip where that is smaller. ELSE is taken where PAGE holds no index.html (the page was not built).
if(NOT EXISTS ${PAGE}/index.html)
  set(PAGE ${ELSE})
endif()
set(packed ${OUT}.gz)

# The file's bytes as a C string literal in `out`, how many in `out`_size.
function(read_literal file out)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "(..)" "\\\\x\\1" text "${hex}")
  set(${out} "\"${text}\"" PARENT_SCOPE)
  set(${out}_size ${size} PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE files RELATIVE ${PAGE} ${PAGE}/*)
list(SORT files)
set(literals "")
set(table "")
set(count 0)
foreach(file ${files})
  get_filename_component(extension ${file} LAST_EXT)
  if(extension STREQUAL ".html")
    set(type "text/html; charset=utf-8")
  elseif(extension STREQUAL ".css")
    set(type "text/css; charset=utf-8")
  elseif(extension STREQUAL ".js")
    set(type "text/javascript; charset=utf-8")
  elseif(extension STREQUAL ".svg")
    set(type "image/svg+xml")
  elseif(extension STREQUAL ".woff2")
    set(type "font/woff2")
  else()
    continue()
  endif()
  read_literal(${PAGE}/${file} plain)
  file(SHA256 ${PAGE}/${file} hash)
  string(SUBSTRING ${hash} 0 20 tag)
  string(APPEND literals "const char kPlain${count}[] = ${plain};\n")
  set(gzip "{}")
  if(NOT extension STREQUAL ".woff2")
    file(ARCHIVE_CREATE OUTPUT ${packed} PATHS ${PAGE}/${file} FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
    read_literal(${packed} small)
    if(small_size LESS plain_size)
      string(APPEND literals "const char kGzip${count}[] = ${small};\n")
      set(gzip "{kGzip${count}, ${small_size}}")
    endif()
  endif()
  string(APPEND table "      {\"/${file}\", \"${type}\", {kPlain${count}, ${plain_size}}, ${gzip}, \"\\\"${tag}\\\"\"},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(REMOVE ${packed})
file(WRITE ${OUT}.new "// Made from the page's files by src/app/embed_page.cmake.
#include \"app/page_assets.h\"

namespace loquat::app {
namespace {
${literals}}  // namespace

std::span<const PageAsset> page_assets() {
  static const PageAsset kAssets[] = {
${table}  };
  return kAssets;
}

}  // namespace loquat::app
")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}.new ${OUT})
file(REMOVE ${OUT}.new)
