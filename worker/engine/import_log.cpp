#include "worker/engine/import_log.h"

#include <algorithm>

namespace promptcache {

void AddImport(std::vector<Import>& imports, const Import& import) {
  if (import.reference.schema.empty()) return;
  const auto same = std::find_if(imports.begin(), imports.end(), [&](const Import& other) {
    return other.reference == import.reference;
  });
  if (same == imports.end()) {
    imports.push_back(import);
  } else {
    same->lifetime = import.lifetime;
  }
}

void ImportLog::Add(const UnitKey& key, const Import& import, SteadyTime now) {
  if (import.reference.schema.empty()) return;
  if (count_ == kMost) {
    ++left_out_;
    return;
  }
  if (count_ == 0) due_ = now + kTellEvery;
  std::vector<Import>& imports = units_[key];
  count_ -= imports.size();
  AddImport(imports, import);
  count_ += imports.size();
}

void ImportLog::Remove(const UnitKey& key) {
  const auto unit = units_.find(key);
  if (unit == units_.end()) return;
  count_ -= unit->second.size();
  units_.erase(unit);
  if (count_ == 0) due_ = SteadyTime::max();
}

std::vector<UnitImport> ImportLog::Take() {
  std::vector<UnitImport> all;
  for (auto& [key, imports] : std::exchange(units_, {})) {
    for (Import& import : imports) all.push_back({key, std::move(import)});
  }
  count_ = 0;
  due_ = SteadyTime::max();
  return all;
}

}  // namespace promptcache
