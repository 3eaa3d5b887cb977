// What the libraries of a process that computes read from the environment before main() begins.
#pragma once

#include "common/process.h"

namespace promptcache {

// For RestartWithEnvironment.
//
// OpenMP threads: between the regions of a step, tens of microseconds apart, a thread that sleeps
// costs more to wake than the region computes; one that never sleeps takes its core from whatever
// else runs there. So they spin for a fraction of a millisecond and then sleep. libgomp spins only
// while a process has no more OpenMP threads than cores, and keeps a team for each thread that ever
// computed: whatever computes beside the engine does so on a thread that ends.
//
// Memory: LibTorch asks for huge pages for tensors of 2 MiB and more. A decoding step reads every
// weight once and is as fast as the memory; with 4 KiB pages, page walks slow it down.
inline constexpr EnvironmentVariable kComputeEnvironment[] = {
    {"OMP_WAIT_POLICY", "passive"}, {"GOMP_SPINCOUNT", "10000"}, {"THP_MEM_ALLOC_ENABLE", "1"}};

}  // namespace promptcache
