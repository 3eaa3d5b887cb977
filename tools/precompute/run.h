// The loop that encodes what is missing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "cachestore/store.h"
#include "tools/precompute/work_list.h"

namespace promptcache {

struct ProducedUnit {
  uint64_t tokens = 0;  // that were run for it
  uint64_t bytes = 0;   // of its blob, as it was stored
};

// Encodes one unit and commits it to the store.
class UnitProducer {
 public:
  virtual ~UnitProducer() = default;
  // OK: the store holds the unit durably, whoever wrote it.
  // kBusy: another process is storing it right now, or the store has no time for it.
  virtual Result<ProducedUnit> Produce(const WorkUnit& unit, BlobStore& store) = 0;
};

struct PrecomputeProgress {
  uint64_t units = 0;
  uint64_t tokens = 0;  // to run, contexts included
  uint64_t bytes = 0;
};

struct PrecomputeOutcome {
  PrecomputeProgress encoded;  // tokens that were run, bytes as they were stored
  uint64_t by_others = 0;      // units that another process stored meanwhile
  double seconds = 0;
};

// What of it has been done, in all; both count what was missing when the work began.
using PrecomputeReporter =
    std::function<void(const PrecomputeProgress& done, const PrecomputeProgress& total)>;

PrecomputeProgress TotalOf(std::span<const WorkUnit> units);

// Whether each unit is stored. The errors of BlobStore::Contains.
Result<std::vector<bool>> StoredUnits(BlobStore& store, std::span<const WorkUnit> units);
// Has the store note who uses those that are stored, so that they are found and kept as if each
// schema had stored them. What it knows already is not told again, so that a run which finds all
// stored counts no import. The errors of ListAll and BlobStore::RecordImports.
Status RecordUsers(BlobStore& store, std::span<const WorkUnit> units,
                   const std::vector<bool>& stored);
// OK when all are stored; else kResourceExhausted: a store whose quota is smaller than what it is
// given makes room by dropping what it was given before.
Status CheckKept(BlobStore& store, std::span<const WorkUnit> units);

// Produces the units in their order, each one committed before the next is begun; what another
// process has stored meanwhile is left out, and what is busy is taken up again after the others.
// Ends at the first error: what was done before stays, and the same call takes up the rest. kBusy
// when only busy units are left. `report` may be empty.
Result<PrecomputeOutcome> ProduceUnits(BlobStore& store, UnitProducer& producer,
                                       std::span<const WorkUnit> units,
                                       const PrecomputeReporter& report);

}  // namespace promptcache
