# The page, embedded: the program needs no files beside it.
set(page_folder ${CMAKE_SOURCE_DIR}/web/page)
set(page_source ${CMAKE_BINARY_DIR}/generated/page_assets.cc)
file(GLOB page_files CONFIGURE_DEPENDS ${page_folder}/*)
add_custom_command(
  OUTPUT ${page_source}
  COMMAND ${CMAKE_COMMAND} -DPAGE=${page_folder} -DOUT=${page_source} -P ${CMAKE_CURRENT_LIST_DIR}/embed_page.cmake
  DEPENDS ${page_files} ${CMAKE_CURRENT_LIST_DIR}/embed_page.cmake
  COMMENT "Embedding web/page" VERBATIM)
target_sources(${target} PRIVATE ${page_source})

# remote_talk.cc: models of other servers.
find_package(PkgConfig REQUIRED)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
target_link_libraries(${target} PRIVATE PkgConfig::CURL)
