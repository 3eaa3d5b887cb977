#include "worker/engine/import_log.h"

#include <algorithm>
#include <utility>

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

bool ImportLog::Add(const UnitKey& key, const Import& import, SteadyTime now) {
  if (import.reference.schema.empty()) return true;
  if (count_ == kMost) return false;
  if (count_ == 0) due_ = now + kTellEvery;
  std::vector<Import>& imports = units_[key];
  count_ -= imports.size();
  AddImport(imports, import);
  count_ += imports.size();
  return true;
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
