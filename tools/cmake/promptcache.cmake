# Compiler settings and the functions every folder uses to declare a library, an executable and a
# test.
include(GNUInstallDirs)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT DEFINED PROMPTCACHE_DEPS)
  if(DEFINED ENV{PROMPTCACHE_DEPS})
    set(_deps "$ENV{PROMPTCACHE_DEPS}")
  else()
    set(_deps "$ENV{HOME}/.cache/promptcache")
  endif()
  set(PROMPTCACHE_DEPS "${_deps}" CACHE PATH "Where tools/bootstrap keeps LibTorch and the model")
endif()
set(PROMPTCACHE_TEST_DATA "${CMAKE_SOURCE_DIR}/../shared" CACHE PATH "Public test data; tests that need it skip without it")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_library(promptcache_options INTERFACE)
target_include_directories(promptcache_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(promptcache_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-missing-field-initializers;-Wshadow;-Wnon-virtual-dtor;-Wunused-result;-Werror;-fno-omit-frame-pointer>"
  "$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Wall,-Wextra,-Werror>")
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # With -O3 GCC 12 sees overlaps in std::string that cannot be (its bug 105651), and deletes and
  # reads of what std::variant and std::optional do not hold.
  target_compile_options(promptcache_options INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict;-Wno-free-nonheap-object;-Wno-maybe-uninitialized>")
endif()
target_link_libraries(promptcache_options INTERFACE Threads::Threads)

set(PROMPTCACHE_TEST_TIMEOUT 300)
set(PROMPTCACHE_TEST_ENVIRONMENT
  "PROMPTCACHE_TEST_DATA=${PROMPTCACHE_TEST_DATA}" "PROMPTCACHE_DEPS=${PROMPTCACHE_DEPS}"
  "PROMPTCACHE_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
if(PROMPTCACHE_SANITIZE)
  set(PROMPTCACHE_TEST_TIMEOUT 900)
  list(APPEND PROMPTCACHE_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/leaks.supp:print_suppressions=0"
    # The system's libraries are not instrumented; what only they do would be guesswork.
    "TSAN_OPTIONS=ignore_noninstrumented_modules=1")
  target_compile_options(promptcache_options INTERFACE
    -fsanitize=${PROMPTCACHE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(promptcache_options INTERFACE -fsanitize=${PROMPTCACHE_SANITIZE})
endif()

# promptcache_library(NAME SOURCES a.cpp ... [LINKS public libs] [PRIVATE_LINKS libs])
function(promptcache_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name}
    PUBLIC $<BUILD_INTERFACE:promptcache_options> ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()

# promptcache_program(NAME SOURCES main.cpp ... [LINKS libs] [OUTPUT name] [JEMALLOC])
# A program in ${build}/bin, called OUTPUT (NAME where it is left out; OUTPUT frees the target name
# for a library). JEMALLOC links jemalloc as the allocator, except under sanitizers, which bring
# their own.
function(promptcache_program name)
  cmake_parse_arguments(ARG "JEMALLOC" "OUTPUT" "SOURCES;LINKS" ${ARGN})
  if(NOT ARG_OUTPUT)
    set(ARG_OUTPUT ${name})
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE promptcache_options ${ARG_LINKS})
  if(ARG_JEMALLOC AND NOT PROMPTCACHE_SANITIZE)
    pkg_check_modules(JEMALLOC REQUIRED QUIET IMPORTED_TARGET GLOBAL jemalloc)
    target_link_libraries(${name} PRIVATE PkgConfig::JEMALLOC)
  endif()
  set_target_properties(${name} PROPERTIES OUTPUT_NAME ${ARG_OUTPUT})
endfunction()

# The same, installed.
function(promptcache_executable name)
  promptcache_program(${name} ${ARGN})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# promptcache_test(NAME SOURCES a_test.cpp ... [LINKS libs])
# One test binary, one ctest entry; its gtest results also land as XML in ${build}/test-results,
# which tools/test counts. Tests find data and the programs under test through the environment.
function(promptcache_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE promptcache_options ${ARG_LINKS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name}
    COMMAND ${name} --gtest_output=xml:${CMAKE_BINARY_DIR}/test-results/${name}.xml)
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${PROMPTCACHE_TEST_TIMEOUT} ENVIRONMENT "${PROMPTCACHE_TEST_ENVIRONMENT}")
endfunction()
