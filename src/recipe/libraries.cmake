# The commit goes into report.json. Known when CMake configures: a report of uncommitted code says "-dirty".
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE loquat_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT loquat_commit)
  set(loquat_commit "unknown")
endif()
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/recipe/steps_measure.cc PROPERTIES
                            COMPILE_DEFINITIONS "LOQUAT_COMMIT=\"${loquat_commit}\"")
