// What the crash tests' process does to a store, by name.
#pragma once

#include <string>
#include <vector>

#include "cachestore/disk/open.h"
#include "tests/fakes/fake_clock.h"

namespace promptcache::testing {

// Says to whoever watches what is about to happen to a blob, or has happened for good.
void Say(const char* what, uint32_t seed);
inline void WillAdd(uint32_t seed) { Say("will+", seed); }
inline void DidAdd(uint32_t seed) { Say("did+", seed); }
inline void WillDrop(uint32_t seed) { Say("will-", seed); }
inline void DidDrop(uint32_t seed) { Say("did-", seed); }

struct CrashScript {
  std::string name;
  uint64_t quota_bytes = 0;  // of the store it runs on
  Status (*run)(DiskStore& store, FakeClock& clock, uint64_t seed) = nullptr;
};

const std::vector<CrashScript>& CrashScripts();

// What some scripts are made of.
Import ImportOf(const std::string& schema, Lifetime lifetime = {});
Status Put(BlobStore& store, uint32_t seed, const std::vector<Import>& imports = {});

#ifdef PROMPTCACHE_WITH_PRECOMPUTE
Status RunPrecompute(DiskStore& store, FakeClock& clock, uint64_t seed);
#endif

// The store that every script finds.
Status PrepareCrashStore(DiskStore& store);

}  // namespace promptcache::testing
