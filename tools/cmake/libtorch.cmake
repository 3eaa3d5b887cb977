# LibTorch from the pinned PyPI wheel (tools/bootstrap installs it under PROMPTCACHE_DEPS), as the
# one target promptcache_torch. CPU builds take two libraries of the wheel as IMPORTED targets and
# never find_package(Torch), which insists on a CUDA toolkit; CUDA builds do use it.
if(NOT PROMPTCACHE_TORCH_ROOT)
  set(PROMPTCACHE_TORCH_ROOT ${PROMPTCACHE_DEPS}/venv/lib/python3.11/site-packages/torch)
endif()
set(_torch_lib ${PROMPTCACHE_TORCH_ROOT}/lib)
if(NOT EXISTS ${_torch_lib}/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch not found in ${PROMPTCACHE_TORCH_ROOT}. Run tools/bootstrap, "
    "or configure with -DPROMPTCACHE_WITH_TORCH=OFF.")
endif()

if(PROMPTCACHE_WITH_CUDA)
  include(CheckLanguage)
  find_program(NVCC nvcc HINTS ${CMAKE_CUDA_COMPILER} $ENV{CUDACXX} PATHS /usr/local/cuda/bin)
  if(NOT NVCC)
    message(FATAL_ERROR "The CUDA build needs nvcc (CUDA toolkit 13.0) and none is on the PATH. "
      "Put it there, set CUDACXX, or use the release preset.")
  endif()
  set(CMAKE_CUDA_COMPILER ${NVCC} CACHE FILEPATH "")
  # find_package(Torch) turns TORCH_CUDA_ARCH_LIST into compiler flags; CMake must not add its own.
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  if(NOT TORCH_CUDA_ARCH_LIST)
    set(TORCH_CUDA_ARCH_LIST "8.0;9.0")
  endif()
  if(CCACHE)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
  endif()
  enable_language(CUDA)
  unset(CMAKE_CUDA_ARCHITECTURES)
  find_package(Torch REQUIRED PATHS ${PROMPTCACHE_TORCH_ROOT}/share/cmake/Torch NO_DEFAULT_PATH)
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  # CMake 3.25 does not know nvcc's flag for C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  add_library(promptcache_torch INTERFACE)
  target_link_libraries(promptcache_torch INTERFACE ${TORCH_LIBRARIES})
else()
  set(_torch_includes
    ${PROMPTCACHE_TORCH_ROOT}/include ${PROMPTCACHE_TORCH_ROOT}/include/torch/csrc/api/include)
  add_library(promptcache_c10 SHARED IMPORTED)
  set_target_properties(promptcache_c10 PROPERTIES IMPORTED_LOCATION ${_torch_lib}/libc10.so)
  add_library(promptcache_torch SHARED IMPORTED)
  set_target_properties(promptcache_torch PROPERTIES
    IMPORTED_LOCATION ${_torch_lib}/libtorch_cpu.so
    INTERFACE_INCLUDE_DIRECTORIES "${_torch_includes}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${_torch_includes}"
    INTERFACE_LINK_LIBRARIES promptcache_c10)
endif()
# The wheel's libraries name CUDA libraries that are not needed to link.
target_link_options(promptcache_torch INTERFACE -Wl,--allow-shlib-undefined)

# Where programs look at run time, in the build tree and installed: LibTorch, the CUDA wheels beside
# it, then the toolkit. LibTorch first, so that everything shares its OpenMP library.
set(_run_time_path ${_torch_lib})
file(GLOB _cuda_wheels ${PROMPTCACHE_TORCH_ROOT}/../nvidia/*/lib)
foreach(_folder IN LISTS _cuda_wheels)
  get_filename_component(_folder ${_folder} ABSOLUTE)
  list(APPEND _run_time_path ${_folder})
endforeach()
if(PROMPTCACHE_WITH_CUDA AND CUDAToolkit_LIBRARY_DIR)
  list(APPEND _run_time_path ${CUDAToolkit_LIBRARY_DIR})
endif()
list(APPEND CMAKE_BUILD_RPATH ${_run_time_path})
list(APPEND CMAKE_INSTALL_RPATH ${_run_time_path})
