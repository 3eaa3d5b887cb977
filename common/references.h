// Who uses encoded units, and for how long they are kept.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "common/types.h"

namespace promptcache {

// Who uses a unit: one module of one version of a schema, for one tenant.
struct Reference {
  std::string tenant;   // empty: everybody
  std::string schema;   // its name
  std::string version;  // of the schema, 16 hex digits
  std::string module;   // "support/policies/refunds"; the schema's name for the root unit
  auto operator<=>(const Reference&) const = default;
};

// One use of a unit.
struct Import {
  Reference reference;
  Lifetime lifetime;
  bool operator==(const Import&) const = default;
};
struct UnitImport {
  UnitKey key;
  Import import;
  bool operator==(const UnitImport&) const = default;
};

// A reference that a stored blob has.
struct BlobReference {
  Reference reference;
  Lifetime lifetime;              // of the last import; pinned only where the pin quota had room
  uint64_t imported_unix_ms = 0;  // the last import, from which the lifetime counts
  bool operator==(const BlobReference&) const = default;
};

// What changes of a blob while it is stored. A blob lives as long as it is pinned, or one of its
// references is pinned or has time left, or it has none at all and there is room for it.
struct BlobUse {
  uint64_t used_unix_ms = 0;  // the last import, else the commit
  uint64_t imports = 0;
  double weight = 0;    // 1 for the commit and 1 an import, halved with every half-life until then
  bool pinned = false;  // by an operator; a pinned blob neither expires nor makes room
  std::vector<BlobReference> references;  // ascending
  bool operator==(const BlobUse&) const = default;
};

}  // namespace promptcache
