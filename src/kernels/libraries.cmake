# The graphics card: src/kernels/cuda where CMake finds CUDA, else cuda_absent.cc.
if(LOQUAT_CUDA)
  file(GLOB cuda_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/cuda/*.cu)
  target_sources(${target} PRIVATE ${cuda_files})
  set_source_files_properties(${CMAKE_SOURCE_DIR}/src/kernels/cuda_absent.cc PROPERTIES HEADER_FILE_ONLY ON)
  # fmt turns its constexpr off for nvcc, which its own checks at compile time then miss.
  set_source_files_properties(${cuda_files} PROPERTIES COMPILE_DEFINITIONS "FMT_USE_CONSTEXPR=1")
  find_package(CUDAToolkit REQUIRED)
  target_link_libraries(${target} PRIVATE CUDA::cudart_static CUDA::cublasLt)
endif()
# The inner loops write out the fused multiply-adds that they mean; the compiler must not choose others, which could differ
# between two places that must round alike.
file(GLOB inner_files ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*_avx2.cc ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*_avx512.cc
     ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*_avx512bf16.cc ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*_amx.cc)
set_property(SOURCE ${inner_files} APPEND PROPERTY COMPILE_OPTIONS -ffp-contract=off)
