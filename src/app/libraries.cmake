# The page, embedded: the program needs no files beside it. tools/build_web.sh makes build/web before CMake builds.
set(page_folder ${CMAKE_SOURCE_DIR}/build/web)
set(page_source ${CMAKE_BINARY_DIR}/generated/page_assets.cc)
file(GLOB_RECURSE page_files CONFIGURE_DEPENDS ${page_folder}/* ${CMAKE_CURRENT_LIST_DIR}/no_page/*)
add_custom_command(
  OUTPUT ${page_source}
  COMMAND ${CMAKE_COMMAND} -DPAGE=${page_folder} -DELSE=${CMAKE_CURRENT_LIST_DIR}/no_page -DOUT=${page_source}
          -P ${CMAKE_CURRENT_LIST_DIR}/embed_page.cmake
  DEPENDS ${page_files} ${CMAKE_CURRENT_LIST_DIR}/embed_page.cmake
  COMMENT "Embedding the page" VERBATIM)
target_sources(${target} PRIVATE ${page_source})

# remote_talk.cc: models of other servers.
find_package(PkgConfig REQUIRED)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
target_link_libraries(${target} PRIVATE PkgConfig::CURL)
