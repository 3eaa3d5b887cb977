// The units that schemas consist of, each once, in the order in which they are best encoded.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cachestore/format/blob.h"
#include "common/references.h"
#include "common/types.h"
#include "tools/precompute/compile.h"

namespace promptcache {

// What a model decides of its units.
struct UnitFormat {
  Identity identity;
  BlobEncoding encoding = BlobEncoding::kPlain;
  BlobDtype dtype = BlobDtype::kFloat32;
  uint32_t layers = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
};

struct WorkUnit {
  UnitKey key;
  std::shared_ptr<const Layout> layout;
  size_t index = 0;               // in layout->units
  uint32_t rows = 0;              // tokens that are stored
  uint32_t own_tokens = 0;        // tokens to run for it: rows and what stands between them
  uint32_t new_context = 0;       // tokens of its context that no unit before it has run
  uint64_t bytes = 0;             // of its blob, before zstd makes it smaller
  std::vector<uint32_t> schemas;  // indices of all that have it, in their order
  std::vector<Import> imports;    // what they call it; one for all variants of a document

  Recipe MakeRecipe() const;
  const std::string& module() const { return imports.front().reference.module; }
  uint64_t run_tokens() const { return uint64_t{own_tokens} + new_context; }
};

// Which part of the work is to be done here: 1 <= part <= parts.
struct Shard {
  uint32_t part = 1;
  uint32_t parts = 1;
};

// All units of the schemas; a recipe that several have is one unit. The longest schema comes first
// and within it the longest modules, with all that is inside them (in `schema` encoding the modules
// of a container keep their order): units behind one context are neighbours, so that the context is
// run once. A function of the schemas and the format only.
// kInvalidArgument when a unit is larger than a blob can be.
Result<std::vector<WorkUnit>> ListUnits(std::span<const CompiledSchema> schemas,
                                        const UnitFormat& format);

// The part of the list, in its order: neighbours, as many tokens to run as each other part has, but
// for one unit. Every unit is in exactly one part; the same for everyone who has the same list.
std::vector<WorkUnit> TakeShard(std::vector<WorkUnit> units, const Shard& shard);

// Those that are not `stored`, in their order, with their contexts forecast.
std::vector<WorkUnit> MissingUnits(std::span<const WorkUnit> units,
                                   const std::vector<bool>& stored);

// Sets new_context of each for the case that exactly these are encoded, in this order.
void ForecastContexts(std::span<WorkUnit> units);

}  // namespace promptcache
