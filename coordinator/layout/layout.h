// A schema with tokens and positions: where everything is, and what its units are.
#pragma once

#include <memory>
#include <optional>
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
  Position local = 0;  // of its first token in its container's recipe
  std::vector<TokenId> ids;

  Position end() const { return start + static_cast<Position>(ids.size()); }
};

struct LayoutParam {
  std::string name;
  Position start = 0;
  uint32_t length = 0;
  std::vector<TokenId> scaffold;  // stands in the slot's first positions while text is encoded

  Position end() const { return start + static_cast<Position>(length); }
};

inline constexpr int32_t kNone = -1;

// What a container consists of, one after the other; the members of a union follow each other.
struct LayoutItem {
  enum class Kind : uint8_t { kRun, kParam, kModule };
  Kind kind = Kind::kRun;
  int32_t index = 0;  // in runs or params of its container, or in Layout::containers
};

// The schema (index 0, the root) or a module. Indices refer to Layout::containers.
struct LayoutContainer {
  std::string name;
  std::string path;  // "support/policies/refunds"; the schema's name for the root
  int32_t parent = kNone;
  int32_t union_index = kNone;  // of the union it is a member of; numbered through the schema
  Position start = 0;
  Position length = 0;  // with everything inside, imported or not
  bool cached = true;
  Lifetime lifetime;
  std::vector<LayoutItem> items;    // in document order
  std::vector<LayoutRun> runs;      // ascending
  std::vector<LayoutParam> params;  // ascending
  std::vector<int32_t> children;    // modules, union members included, by name
  int32_t unit = kNone;  // index in Layout::units; none without tokens or with cache="false"
  size_t offset = 0;     // of its element in the document
};

// A run of a container, as a set's rows refer to it.
struct RunRef {
  int32_t container = 0;
  int32_t run = 0;
  Position local = 0;  // of its first token in the set's recipe
};

struct ParamRef {
  int32_t container = 0;
  int32_t param = 0;
};

// A scaffold set: modules that are encoded together.
struct LayoutSet {
  std::vector<int32_t> members;  // containers, in document order
  int32_t enclosing = 0;         // the innermost container around all of them
  std::vector<RunRef> runs;      // what its unit's rows are, ascending by position
  std::vector<ParamRef> slots;   // with a scaffold text, among them
  int32_t unit = kNone;          // index in Layout::units; none without tokens
  size_t offset = 0;             // of its element in the document
};

// What is encoded, keyed and stored: the own text of one container, or of a set.
struct LayoutUnit {
  int32_t container = kNone;  // none for a set's unit
  int32_t set = kNone;        // index in Layout::sets; none for a container's unit
  std::string path;           // its container's; a set's is "support/{refunds returns/eu}"
  Position start = 0;         // of its first row
  uint32_t tokens = 0;        // rows
  uint32_t context_tokens = 0;
  RecipeDigest digest;
  Lifetime lifetime;
};

// Immutable once built; shared read-only between threads.
struct Layout {
  std::string schema;
  Whitespace whitespace = Whitespace::kReference;
  Positions positions = Positions::kSchema;
  EncodingMode encoding = EncodingMode::kAnchored;
  std::vector<LayoutContainer> containers;  // document order, the root first
  std::vector<int32_t> union_defaults;      // by union: the member its scaffold names, or kNone
  std::vector<LayoutSet> sets;              // document order
  std::vector<LayoutUnit> units;            // those of containers, then those of sets
  Position length = 0;                      // the first free position
  TokenId placeholder = 0;                  // stands in slots in `schema` encoding

  // The module `name` among a container's children; kNone when there is none.
  int32_t FindChild(int32_t container, std::string_view name) const;
  // From the root to the container, both included.
  std::vector<int32_t> PathTo(int32_t container) const;
  Recipe RecipeOf(const LayoutSet& set) const;  // REQUIRES: it has runs
  // The same containers with the units they would have in another encoding; without sets. Takes
  // time in the layout's tokens.
  Layout Reencoded(Positions other_positions, EncodingMode other_encoding) const;

  // What suffices to encode the unit. Its digest is the unit's. O(context + own tokens).
  Recipe RecipeOf(const LayoutUnit& unit) const;
};

struct LayoutOptions {
  uint32_t max_tokens = 0;      // of each text run: head and tail halves are kept; 0: no limit
  uint32_t context_length = 0;  // of the model; 0: unlimited
  uint64_t set_tokens = PmlLimits().set_tokens;
};

// nullopt when `diagnostics` (of the schema's source) got errors: the schema or a recipe does not
// fit the context, a text cannot be tokenized, a scaffold does not fit its slot. Takes time in the
// document and its sets, whatever its contexts. Pure but for the tokenizer's caches.
std::optional<Layout> BuildLayout(const SchemaDocument& schema, const TextEncoder& encoder,
                                  const LayoutOptions& options, Diagnostics& diagnostics);

}  // namespace promptcache
