target_link_libraries(${target} PUBLIC nlohmann_json::nlohmann_json)

# access/: keys are random numbers and hashes of libsodium's.
find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
target_link_libraries(${target} PUBLIC PkgConfig::SODIUM)

# The API: what it is, as a file that it serves, and its counts.
find_package(prometheus-cpp CONFIG REQUIRED)
target_link_libraries(${target} PRIVATE prometheus-cpp::core)
set(openapi_source ${CMAKE_BINARY_DIR}/generated/openapi_json.cc)
add_custom_command(
  OUTPUT ${openapi_source}
  COMMAND ${CMAKE_COMMAND} -DIN=${CMAKE_CURRENT_LIST_DIR}/api/openapi.json -DOUT=${openapi_source}
          -P ${CMAKE_CURRENT_LIST_DIR}/api/embed_openapi.cmake
  DEPENDS ${CMAKE_CURRENT_LIST_DIR}/api/openapi.json ${CMAKE_CURRENT_LIST_DIR}/api/embed_openapi.cmake
  COMMENT "Embedding openapi.json" VERBATIM)
target_sources(${target} PRIVATE ${openapi_source})
