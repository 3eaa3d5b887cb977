#include "worker/metrics/import_counters.h"

namespace promptcache {

void ImportCounters::Add(const Usage& usage) {
  for (const UnitUsage& unit : usage.units) {
    OfSource& count = counts_.at(static_cast<size_t>(unit.source));
    ++count.units;
    count.bytes += unit.bytes;
    count.wait_s += unit.milliseconds / 1000;
  }
}

}  // namespace promptcache
