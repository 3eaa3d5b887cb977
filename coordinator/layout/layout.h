// A schema with tokens and positions: where everything is, and what its units are.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/types.h"
#include "coordinator/layout/text_encoder.h"
#include "coordinator/pml/schema.h"

namespace promptcache {

// A text of a container: contiguous positions from `start`.
struct LayoutRun {
  Position start = 0;
  std::vector<TokenId> ids;

  Position end() const { return start + static_cast<Position>(ids.size()); }
};

struct LayoutParam {
  std::string name;
  Position start = 0;
  uint32_t length = 0;

  Position end() const { return start + static_cast<Position>(length); }
};

inline constexpr int32_t kNone = -1;

// The schema (index 0, the root) or a module. Indices refer to Layout::containers.
struct LayoutContainer {
  std::string name;
  std::string path;  // "support/policies/refunds"; the schema's name for the root
  int32_t parent = kNone;
  int32_t union_index = kNone;  // of the union it is a member of; numbered through the schema
  Position start = 0;
  Position length = 0;  // with everything inside, imported or not
  bool cached = true;
  std::vector<LayoutRun> runs;
  std::vector<LayoutParam> params;
  std::vector<int32_t> children;  // modules, union members included, by name
  int32_t unit = kNone;  // index in Layout::units; none without tokens or with cache="false"
};

struct LayoutUnit {
  int32_t container = 0;
  Position start = 0;  // target position of the first own token; the shift of its rows
  uint32_t tokens = 0;
  RecipeDigest digest;
};

// Immutable once built; shared read-only between threads.
struct Layout {
  std::string schema;
  Whitespace whitespace = Whitespace::kReference;
  EncodingMode encoding = EncodingMode::kAnchored;
  std::vector<LayoutContainer> containers;  // document order, the root first
  std::vector<LayoutUnit> units;
  Position length = 0;  // the first free position

  // The module `name` among a container's children; kNone when there is none.
  int32_t FindChild(int32_t container, std::string_view name) const;

  // What suffices to encode the unit: its own runs, behind its ancestors' earlier runs in anchored
  // encoding. O(context + own tokens).
  Recipe RecipeOf(const LayoutUnit& unit) const;
};

struct LayoutOptions {
  uint32_t max_tokens = 0;      // of each text run: head and tail halves are kept; 0: no limit
  uint32_t context_length = 0;  // of the model; 0: unlimited
};

// kInvalidArgument when the schema does not fit the context (both numbers named) or a text cannot
// be tokenized. Pure but for the tokenizer's caches.
Result<Layout> BuildLayout(const SchemaDocument& schema, const TextEncoder& encoder,
                           const LayoutOptions& options);

}  // namespace promptcache
