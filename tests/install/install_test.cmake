# Installs BUILD into WORK, builds CONSUMER against it and runs what came out.
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "'${ARGN}' ended with ${status}:\n${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
foreach(wanted
    bin/promptcache bin/promptcache-coordinator bin/promptcache-cachestore
    share/promptcache/examples/support-desk.xml share/doc/promptcache/LICENSE)
  if(NOT EXISTS ${WORK}/prefix/${wanted})
    message(FATAL_ERROR "not installed: ${wanted}")
  endif()
endforeach()
run(${WORK}/prefix/bin/promptcache --version)
run(${CMAKE_COMMAND} -S ${CONSUMER} -B ${WORK}/build -G Ninja
  -DCMAKE_PREFIX_PATH=${WORK}/prefix -DCMAKE_CXX_COMPILER=${COMPILER}
  -DEXAMPLES=${WORK}/prefix/share/promptcache/client)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
# The example reaches the client's library, which names the endpoint that can never work.
execute_process(COMMAND ${WORK}/build/ask "<prompt/>" nowhere RESULT_VARIABLE status ERROR_VARIABLE said)
if(NOT status EQUAL 1 OR NOT said MATCHES "'nowhere'")
  message(FATAL_ERROR "the example ended with ${status} and said: ${said}")
endif()
