// `promptcache precompute` without its model: units whose blobs are there already.
#include "tests/unit/cachestore/crash/crash_blob.h"
#include "tests/unit/cachestore/crash/crash_script.h"
#include "tools/precompute/run.h"

namespace promptcache::testing {
namespace {

constexpr uint32_t kFirst = 3;  // is stored, for another schema
constexpr uint32_t kSecond = 10;
constexpr uint32_t kUnits = 4;

uint32_t SeedOf(size_t index) {
  return index == 0 ? kFirst : kSecond + static_cast<uint32_t>(index) - 1;
}

class BlobProducer : public UnitProducer {
 public:
  Result<ProducedUnit> Produce(const WorkUnit& unit, BlobStore& store) override {
    PC_RETURN_IF_ERROR(Put(store, SeedOf(unit.index), unit.imports));
    return ProducedUnit{.tokens = unit.run_tokens(), .bytes = unit.bytes};
  }
};

}  // namespace

Status RunPrecompute(DiskStore& store, FakeClock& /*clock*/, uint64_t /*seed*/) {
  std::vector<WorkUnit> units(kUnits);
  for (size_t i = 0; i < units.size(); ++i) {
    units[i].index = i;
    units[i].key = CrashBlob(SeedOf(i)).key;
    units[i].own_tokens = 1;
    units[i].imports = {ImportOf("precompute")};
  }
  BlobProducer producer;
  PC_ASSIGN_OR_RETURN(const PrecomputeOutcome outcome,
                      ProduceUnits(store.blobs(), producer, units, nullptr));
  PC_RETURN_IF_ERROR(CheckKept(store.blobs(), units));
  return outcome.encoded.units == kUnits - 1 && outcome.by_others == 1 ? Status()
                                                                       : Internal("wrong outcome");
}

}  // namespace promptcache::testing
