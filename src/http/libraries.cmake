find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL REQUIRED)
target_link_libraries(${target} PRIVATE Boost::headers OpenSSL::SSL nlohmann_json::nlohmann_json)
# Asio's fences, which the thread sanitizer does not know: hundreds of warnings that say nothing.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/http/server.cc PROPERTIES COMPILE_OPTIONS
  $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
