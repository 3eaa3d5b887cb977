// A unit read from a store in one go.
#pragma once

#include <utility>

#include "worker/kv/unit_io.h"

namespace promptcache::testing {

// The errors of UnitLoad.
inline Result<UnitPtr> LoadUnit(BlobStore& store, UnitExpectation expected) {
  UnitLoad load(store, std::move(expected));
  PC_ASSIGN_OR_RETURN(const UnitPtr unit, load.Start());
  for (;;) {
    PC_ASSIGN_OR_RETURN(const bool complete, load.ReadLayer());
    if (complete) return unit;
  }
}

}  // namespace promptcache::testing
