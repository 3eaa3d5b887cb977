// What every store refuses in the same words.
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

namespace promptcache {

inline constexpr uint64_t kMaxMetaKeyBytes = 1024;
inline constexpr uint64_t kMaxMetaValueBytes = 64 << 20;
inline constexpr uint64_t kMetaEntryOverhead = 256;  // what an entry of a list counts besides
// References of one blob. One more takes the place of the one that was imported longest ago and is
// not pinned, so that a load never fails for it; where all are pinned, a load is counted as a use
// only.
inline constexpr uint64_t kMaxBlobReferences = 1024;

inline constexpr uint64_t kMaxReferenceBytes = 32 << 10;  // its texts together

// kInvalidArgument naming the limit unless each reference fits.
template <typename Imports>
Status CheckReferences(const Imports& imports) {
  for (const auto& import : imports) {
    const auto& [tenant, schema, version, module] = import.reference;
    const uint64_t bytes = tenant.size() + schema.size() + version.size() + module.size();
    if (bytes <= kMaxReferenceBytes) continue;
    return InvalidArgument("a reference of " + std::to_string(bytes) + " bytes, limit " +
                           std::to_string(kMaxReferenceBytes));
  }
  return {};
}

// kInvalidArgument for 0 bytes, kResourceExhausted over the limit.
inline Status CheckBlobBytes(uint64_t bytes, uint64_t limit) {
  if (bytes == 0) return InvalidArgument("a blob of 0 bytes");
  if (bytes <= limit) return {};
  return ResourceExhausted("a blob of " + std::to_string(bytes) +
                           " bytes is over store.max_blob_bytes = " + std::to_string(limit));
}

// kInvalidArgument naming the limit unless the key and value fit.
inline Status CheckMetaEntry(const std::string& key, uint64_t value_bytes) {
  if (key.empty() || key.size() > kMaxMetaKeyBytes) {
    return InvalidArgument("a meta key of " + std::to_string(key.size()) + " bytes, allowed 1 to " +
                           std::to_string(kMaxMetaKeyBytes));
  }
  if (value_bytes <= kMaxMetaValueBytes) return {};
  return InvalidArgument("a meta value of " + std::to_string(value_bytes) + " bytes, limit " +
                         std::to_string(kMaxMetaValueBytes));
}

// What a compare-and-set that lost answers.
inline Status WrongRevision(const std::string& key, uint64_t expected, uint64_t actual) {
  return FailedPrecondition("meta key '" + key + "' is at revision " + std::to_string(actual) +
                            ", expected " + std::to_string(expected));
}

}  // namespace promptcache
