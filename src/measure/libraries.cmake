target_link_libraries(${target} PRIVATE nlohmann_json::nlohmann_json)
# The commit goes into the JSON, as it does into a run's report.
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE measured_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT measured_commit)
  set(measured_commit "unknown")
endif()
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/measure/report.cc PROPERTIES
                            COMPILE_DEFINITIONS "LOQUAT_COMMIT=\"${measured_commit}\"")
