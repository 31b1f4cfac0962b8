# loquat_module(NAME DEPS ...): src/NAME/**/*.cc becomes the static library loquat_NAME, its *_test.cc the test program
# NAME_test. A file whose name ends in _avx2, _avx512, _avx512bf16 or _amx is compiled for that instruction set, and no other file is.
# Extra libraries of one module go into src/NAME/libraries.cmake, which runs with ${target} set.

include(LoquatOptional)
add_library(loquat_options INTERFACE)
target_include_directories(loquat_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(loquat_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-missing-field-initializers -ffp-contract=off>)
# g++ collects its garbage while it compiles unless it may keep more: a tenth of a file's time for 50 MB.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(loquat_options INTERFACE
      "$<$<COMPILE_LANGUAGE:CXX>:SHELL:--param ggc-min-heapsize=1000000 --param ggc-min-expand=400>")
endif()
target_compile_definitions(loquat_options INTERFACE FMT_HEADER_ONLY=0)
target_link_libraries(loquat_options INTERFACE fmt::fmt Threads::Threads)
if(LOQUAT_SANITIZE)
  target_compile_options(loquat_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${LOQUAT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all>)
  target_link_options(loquat_options INTERFACE -fsanitize=${LOQUAT_SANITIZE})
endif()

# The libraries share one precompiled header: a third of a clean build was reading these. Not the kernels, whose files
# have flags of their own, nor what they include.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/library_headers.cc CONTENT "")
foreach(headers library glue)
  add_library(loquat_${headers}_headers OBJECT ${CMAKE_BINARY_DIR}/library_headers.cc)
  target_link_libraries(loquat_${headers}_headers PRIVATE loquat_options nlohmann_json::nlohmann_json)
  target_precompile_headers(loquat_${headers}_headers PRIVATE <algorithm> <cmath> <functional> <map> <memory> <mutex>
                            <optional> <span> <string> <utility> <variant> <vector> <fmt/core.h> <nlohmann/json.hpp>)
endforeach()
# Only where numbers and text are worked through is all optimised; what else there is waits for these, for people, disks
# and databases, and a quarter of its building is saved.
set(LOQUAT_HOT base kernels ranks model infer tokenizer)
target_compile_options(loquat_glue_headers PRIVATE $<$<CONFIG:Release>:-O1>)

# Tests share one precompiled header, are optimised less and carry no line numbers: half of a clean build was theirs.
if(LOQUAT_TESTS)
  add_library(loquat_test_options INTERFACE)
  target_link_libraries(loquat_test_options INTERFACE loquat_options GTest::gtest GTest::gmock GTest::gtest_main
                        nlohmann_json::nlohmann_json)
  target_compile_options(loquat_test_options INTERFACE $<$<CONFIG:Release>:-O1> $<$<CONFIG:Release>:-g0>)
  target_compile_definitions(loquat_test_options INTERFACE LOQUAT_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                             LOQUAT_BINARY_DIR="${CMAKE_BINARY_DIR}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cc CONTENT "")  # written once: else all is built anew
  add_library(loquat_test_headers OBJECT ${CMAKE_BINARY_DIR}/test_headers.cc)
  target_link_libraries(loquat_test_headers PRIVATE loquat_test_options)
  target_precompile_headers(loquat_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp> <fmt/core.h>
                            <filesystem> <fstream> <map> <string> <vector>)
endif()

set(LOQUAT_ISA_avx2 -mavx2 -mfma -mf16c -ffp-contract=fast)
set(LOQUAT_ISA_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c -ffp-contract=fast)
set(LOQUAT_ISA_avx512bf16 ${LOQUAT_ISA_avx512} -mavx512bf16 -mavx512vnni)
set(LOQUAT_ISA_amx ${LOQUAT_ISA_avx512bf16} -mamx-tile -mamx-bf16 -mamx-int8)

function(loquat_module name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  set(tests ${files})
  list(FILTER files EXCLUDE REGEX "_test\\.cc$")
  list(FILTER files EXCLUDE REGEX "/main\\.cc$")
  list(FILTER files EXCLUDE REGEX "src/kernels/cuda/")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  foreach(isa avx2 avx512 avx512bf16 amx)
    foreach(file ${files})
      if(file MATCHES "_${isa}\\.cc$")
        set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${LOQUAT_ISA_${isa}}")
      endif()
    endforeach()
  endforeach()
  set(target loquat_${name})
  if(files)
    add_library(${target} STATIC ${files})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(${target} ${scope} loquat_options)
  if(files AND NOT name IN_LIST LOQUAT_HOT)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
    target_precompile_headers(${target} REUSE_FROM loquat_glue_headers)
  elseif(files AND NOT name MATCHES "^(base|kernels|ranks)$")
    target_precompile_headers(${target} REUSE_FROM loquat_library_headers)
  endif()
  foreach(dep ${arg_DEPS})
    target_link_libraries(${target} ${scope} loquat_${dep})
  endforeach()
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/${name}/libraries.cmake)
    include(${CMAKE_SOURCE_DIR}/src/${name}/libraries.cmake)
  endif()
  if(LOQUAT_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${target} loquat_test_options)
    target_precompile_headers(${name}_test REUSE_FROM loquat_test_headers)
    add_test(NAME ${name} COMMAND ${name}_test)
    # Where there is a graphics card, tests read its memory.
    set_tests_properties(${name} PROPERTIES TIMEOUT 900 ENVIRONMENT LOQUAT_CUDA_MEMORY=managed)
  endif()
endfunction()

function(loquat_engine_program)
  add_executable(loquat-engine ${CMAKE_SOURCE_DIR}/src/engine/main.cc)
  target_link_libraries(loquat-engine PRIVATE loquat_engine)
endfunction()

function(loquat_program)
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/cli/main.cc)
    add_executable(loquat ${CMAKE_SOURCE_DIR}/src/cli/main.cc)
    target_link_libraries(loquat PRIVATE loquat_cli)
  endif()
  if(LOQUAT_TESTS AND EXISTS ${CMAKE_SOURCE_DIR}/tests/CMakeLists.txt)
    add_subdirectory(tests)
  endif()
  if(LOQUAT_BENCH AND EXISTS ${CMAKE_SOURCE_DIR}/bench/CMakeLists.txt)
    add_subdirectory(bench)
  endif()
  if((LOQUAT_FUZZ OR LOQUAT_TESTS) AND EXISTS ${CMAKE_SOURCE_DIR}/fuzz/CMakeLists.txt)
    add_subdirectory(fuzz)
  endif()
endfunction()
