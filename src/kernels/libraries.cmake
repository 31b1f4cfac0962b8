# The inner loops write out the fused multiply-adds that they mean; the compiler must not choose others, which could differ
# between two places that must round alike.
file(GLOB inner_files ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*_avx2.cc ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*_avx512.cc
     ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*_avx512bf16.cc ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*_amx.cc)
set_property(SOURCE ${inner_files} APPEND PROPERTY COMPILE_OPTIONS -ffp-contract=off)
