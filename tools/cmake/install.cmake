# What `cmake --install` adds to the programs: the client as a CMake package (static libraries and
# headers; find_package(promptcache), then link promptcache::client) with an example program, the
# example schemas, the protocol and the licence.
include(CMakePackageConfigHelpers)

set(_package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/promptcache)
set(_client_libraries
  promptcache_client promptcache_transport promptcache_wire promptcache_common)
foreach(_library IN LISTS _client_libraries)
  string(REPLACE promptcache_ "" _export_name ${_library})
  set_target_properties(${_library} PROPERTIES EXPORT_NAME ${_export_name})
  target_compile_features(${_library} PUBLIC cxx_std_20)
endforeach()
install(TARGETS ${_client_libraries} EXPORT promptcache-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/promptcache)
install(EXPORT promptcache-targets NAMESPACE promptcache:: DESTINATION ${_package_directory})

# The client's header and what it includes, in the folders of the source tree.
foreach(_header
    cluster/client/client.h cluster/wire/client_messages.h cluster/wire/messages.h
    cluster/wire/operator_messages.h cluster/wire/peer_messages.h cluster/wire/store_messages.h
    cluster/wire/worker_messages.h common/hash.h common/ids.h common/recipe.h
    common/references.h common/request_report.h common/source_file.h common/status.h common/store_reports.h
    common/tokens.h common/types.h)
  get_filename_component(_folder ${_header} DIRECTORY)
  install(FILES ${CMAKE_SOURCE_DIR}/${_header}
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/promptcache/${_folder})
endforeach()

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/promptcache-config.cmake.in ${CMAKE_BINARY_DIR}/promptcache-config.cmake
  INSTALL_DESTINATION ${_package_directory})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/promptcache-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_BINARY_DIR}/promptcache-config.cmake ${CMAKE_BINARY_DIR}/promptcache-config-version.cmake
  DESTINATION ${_package_directory})

install(FILES ${CMAKE_SOURCE_DIR}/cluster/client/examples/ask.cpp
  DESTINATION ${CMAKE_INSTALL_DATADIR}/promptcache/client)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/schemas/pml/examples
  DESTINATION ${CMAKE_INSTALL_DATADIR}/promptcache)
install(FILES ${CMAKE_SOURCE_DIR}/schemas/pml/pml.xsd
  DESTINATION ${CMAKE_INSTALL_DATADIR}/promptcache)
install(FILES ${CMAKE_SOURCE_DIR}/schemas/pml/PML.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/README.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR})
