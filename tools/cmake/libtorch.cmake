# LibTorch from the pinned PyPI wheel (tools/bootstrap installs it under PROMPTCACHE_DEPS).
# CPU builds use two IMPORTED targets and never find_package(Torch).
set(PROMPTCACHE_TORCH_ROOT "${PROMPTCACHE_DEPS}/venv/lib/python3.11/site-packages/torch"
  CACHE PATH "The torch package directory of the wheel")
set(_site ${PROMPTCACHE_TORCH_ROOT}/..)
if(NOT EXISTS ${PROMPTCACHE_TORCH_ROOT}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch not found in ${PROMPTCACHE_TORCH_ROOT}. Run tools/bootstrap, "
    "or configure with -DPROMPTCACHE_WITH_TORCH=OFF.")
endif()
set(_torch_includes ${PROMPTCACHE_TORCH_ROOT}/include ${PROMPTCACHE_TORCH_ROOT}/include/torch/csrc/api/include)
add_library(promptcache_c10 SHARED IMPORTED)
set_target_properties(promptcache_c10 PROPERTIES IMPORTED_LOCATION ${PROMPTCACHE_TORCH_ROOT}/lib/libc10.so)
add_library(promptcache_torch SHARED IMPORTED)
set_target_properties(promptcache_torch PROPERTIES
  IMPORTED_LOCATION ${PROMPTCACHE_TORCH_ROOT}/lib/libtorch_cpu.so
  INTERFACE_INCLUDE_DIRECTORIES "${_torch_includes}"
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${_torch_includes}"
  INTERFACE_LINK_LIBRARIES promptcache_c10)
file(GLOB _cuda_wheel_libs ${_site}/nvidia/cu13/lib ${_site}/nvidia/cuda_runtime/lib ${_site}/nvidia/cuda_cupti/lib)
list(APPEND CMAKE_BUILD_RPATH ${PROMPTCACHE_TORCH_ROOT}/lib ${_cuda_wheel_libs})
target_link_options(promptcache_torch INTERFACE -Wl,--allow-shlib-undefined)
