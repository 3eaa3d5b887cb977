// Blobs without bytes, for what only looks at names and numbers.
#pragma once

#include <string>
#include <vector>

#include "cachestore/store.h"

namespace promptcache::testing {

inline Reference ReferenceTo(const std::string& module, const std::string& tenant = "") {
  return {.tenant = tenant,
          .schema = module.substr(0, module.find('/')),
          .version = "0123456789abcdef",
          .module = module};
}

// `first`: the first byte of its key.
inline BlobInfo NamedBlob(uint8_t first, const std::vector<Reference>& references) {
  BlobInfo blob{.key = {{first}}, .bytes = 100, .tokens = 10, .encode_seconds = 2};
  blob.identity.weights = "11aa";
  for (const Reference& one : references) blob.use.references.push_back({.reference = one});
  return blob;
}

inline std::vector<UnitKey> KeysOf(const std::vector<BlobInfo>& blobs) {
  std::vector<UnitKey> keys;
  for (const BlobInfo& blob : blobs) keys.push_back(blob.key);
  return keys;
}

}  // namespace promptcache::testing
