// What the libraries of a process that computes read from the environment before main() begins.
#pragma once

#include "common/process.h"

namespace promptcache {

// For RestartWithEnvironment.
//
// OpenMP threads that spin while they wait for work slow down whatever else runs on their cores,
// and the step itself when a core is taken; our own loops run on a ThreadTeam.
//
// LibTorch asks for huge pages for tensors of 2 MiB and more: a decoding step reads every weight
// once and is as fast as the memory, and with 4 KiB pages page walks slow it down.
inline constexpr EnvironmentVariable kComputeEnvironment[] = {{"OMP_WAIT_POLICY", "passive"},
                                                              {"THP_MEM_ALLOC_ENABLE", "1"}};

}  // namespace promptcache
