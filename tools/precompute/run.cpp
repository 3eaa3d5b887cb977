#include "tools/precompute/run.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/clock.h"

namespace promptcache {
namespace {

constexpr size_t kKeysAtOnce = 4'096;
constexpr size_t kImportsAtOnce = 1'024;

// Nothing would change but the count of imports. A ttl begins anew with each.
bool Knows(const BlobUse& use, const Import& import) {
  return import.lifetime.ttl_ms == 0 &&
         std::any_of(use.references.begin(), use.references.end(), [&](const BlobReference& one) {
           return one.reference == import.reference && one.lifetime == import.lifetime;
         });
}

void Count(const WorkUnit& unit, PrecomputeProgress& progress) {
  ++progress.units;
  progress.tokens += unit.run_tokens();
  progress.bytes += unit.bytes;
}

// One call of ProduceUnits.
class Production {
 public:
  Production(BlobStore& store, UnitProducer& producer, const PrecomputeReporter& report)
      : store_(store), producer_(producer), report_(report) {}

  Result<PrecomputeOutcome> Run(std::span<const WorkUnit> units) {
    total_ = TotalOf(units);
    Report();
    std::vector<WorkUnit> open(units.begin(), units.end());
    while (!open.empty()) {
      PC_ASSIGN_OR_RETURN(std::vector<WorkUnit> busy, Pass(open));
      if (busy.size() == open.size()) {
        return Busy(std::to_string(busy.size()) +
                    " units are being stored by other processes or the store is busy; run the "
                    "same command again");
      }
      open = std::move(busy);
    }
    return outcome_;
  }

 private:
  // Each unit once; those that were busy.
  Result<std::vector<WorkUnit>> Pass(std::span<const WorkUnit> units) {
    std::vector<WorkUnit> busy;
    for (const WorkUnit& unit : units) {
      const Status status = Produce(unit);
      if (status.code() == Code::kBusy) {
        busy.push_back(unit);
        continue;
      }
      if (!status.ok()) return status.WithContext(unit.module());
      Count(unit, done_);
      Report();
    }
    return busy;
  }

  Status Produce(const WorkUnit& unit) {
    PC_ASSIGN_OR_RETURN(const std::vector<bool> stored, store_.Contains(std::span(&unit.key, 1)));
    if (stored.front()) {
      ++outcome_.by_others;
      return RecordUsers(store_, std::span(&unit, 1), stored);
    }
    PC_ASSIGN_OR_RETURN(const ProducedUnit produced, producer_.Produce(unit, store_));
    ++outcome_.encoded.units;
    outcome_.encoded.tokens += produced.tokens;
    outcome_.encoded.bytes += produced.bytes;
    return {};
  }

  void Report() const {
    if (report_) report_(done_, total_);
  }

  BlobStore& store_;
  UnitProducer& producer_;
  const PrecomputeReporter& report_;
  PrecomputeProgress done_, total_;
  PrecomputeOutcome outcome_;
};

}  // namespace

PrecomputeProgress TotalOf(std::span<const WorkUnit> units) {
  PrecomputeProgress total;
  for (const WorkUnit& unit : units) Count(unit, total);
  return total;
}

Result<std::vector<bool>> StoredUnits(BlobStore& store, std::span<const WorkUnit> units) {
  std::vector<bool> stored;
  std::vector<UnitKey> keys;
  for (size_t i = 0; i < units.size(); ++i) {
    keys.push_back(units[i].key);
    if (keys.size() < kKeysAtOnce && i + 1 < units.size()) continue;
    PC_ASSIGN_OR_RETURN(const std::vector<bool> some, store.Contains(keys));
    stored.insert(stored.end(), some.begin(), some.end());
    keys.clear();
  }
  return stored;
}

Status RecordUsers(BlobStore& store, std::span<const WorkUnit> units,
                   const std::vector<bool>& stored) {
  PC_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, ListAll(store));
  std::unordered_map<UnitKey, const BlobUse*> uses;
  for (const BlobInfo& blob : blobs) uses[blob.key] = &blob.use;
  std::vector<UnitImport> news;
  for (size_t i = 0; i < units.size(); ++i) {
    const auto use = stored[i] ? uses.find(units[i].key) : uses.end();
    if (use == uses.end()) continue;  // missing, or gone meanwhile: CheckKept tells
    for (const Import& import : units[i].imports) {
      if (!Knows(*use->second, import)) news.push_back({units[i].key, import});
    }
  }
  for (std::span<const UnitImport> open = news; !open.empty();) {
    const size_t some = std::min(open.size(), kImportsAtOnce);
    PC_RETURN_IF_ERROR(store.RecordImports(open.first(some)));
    open = open.subspan(some);
  }
  return {};
}

Status CheckKept(BlobStore& store, std::span<const WorkUnit> units) {
  PC_ASSIGN_OR_RETURN(const std::vector<bool> stored, StoredUnits(store, units));
  const auto gone = std::count(stored.begin(), stored.end(), false);
  if (gone == 0) return {};
  return ResourceExhausted("the store has dropped " + std::to_string(gone) + " of " +
                           std::to_string(units.size()) +
                           " units again to make room; give it a larger quota, or fewer schemas");
}

Result<PrecomputeOutcome> ProduceUnits(BlobStore& store, UnitProducer& producer,
                                       std::span<const WorkUnit> units,
                                       const PrecomputeReporter& report) {
  const SteadyTime start = SystemClock().Now();
  PC_ASSIGN_OR_RETURN(PrecomputeOutcome outcome, Production(store, producer, report).Run(units));
  outcome.seconds = MillisecondsBetween(start, SystemClock().Now()) / 1000;
  return outcome;
}

}  // namespace promptcache
