#include "tools/precompute/work_list.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "coordinator/layout/layout.h"
#include "worker/kv/context_forecast.h"

namespace promptcache {
namespace {

// The units of one layout: a container's own, those of the sets around its modules, then its
// modules with all that is in them, longest first where their contexts allow it.
class LongestModulesFirst {
 public:
  explicit LongestModulesFirst(const Layout& layout)
      : layout_(layout), tokens_(layout.containers.size()), sets_(layout.containers.size()) {
    for (size_t i = layout.containers.size(); i-- > 0;) {
      const LayoutContainer& container = layout.containers[i];
      if (container.unit != kNone) tokens_[i] += layout.units[container.unit].tokens;
      if (container.parent != kNone) tokens_[container.parent] += tokens_[i];
    }
    for (const LayoutSet& set : layout.sets) {
      if (set.unit != kNone) sets_[set.enclosing].push_back(set.unit);
    }
  }

  std::vector<size_t> Units() && {
    Visit(0);
    return std::move(units_);
  }

 private:
  // As deep as modules are nested, which has a limit.
  void Visit(int32_t index) {
    const LayoutContainer& container = layout_.containers[index];
    if (container.unit != kNone) units_.push_back(container.unit);
    units_.insert(units_.end(), sets_[index].begin(), sets_[index].end());
    std::vector<int32_t> modules = container.children;
    // In `schema` encoding a module's context continues that of the module before it.
    const bool in_order = layout_.encoding == EncodingMode::kSchema;
    std::stable_sort(modules.begin(), modules.end(), [&](int32_t a, int32_t b) {
      return in_order ? a < b : tokens_[a] > tokens_[b];
    });
    for (const int32_t module : modules) Visit(module);
  }

  const Layout& layout_;
  std::vector<uint64_t> tokens_;           // by container: of the units in it
  std::vector<std::vector<size_t>> sets_;  // by container: units
  std::vector<size_t> units_;
};

uint64_t TokensOf(const CompiledSchema& schema) {
  const auto& units = schema.layout->units;
  return std::accumulate(units.begin(), units.end(), uint64_t{0},
                         [](uint64_t sum, const LayoutUnit& unit) { return sum + unit.tokens; });
}

// Exact: the header with this recipe in it is made.
Result<uint64_t> BlobBytes(const UnitFormat& format, const Recipe& recipe, uint32_t rows) {
  BlobHeader header{.identity = format.identity,
                    .recipe = recipe,
                    .dtype = format.dtype,
                    .shape = {.layers = format.layers,
                              .kv_heads = format.kv_heads,
                              .tokens = rows,
                              .head_dim = format.head_dim},
                    .segments = std::vector<BlobSegment>(format.layers)};
  PC_RETURN_IF_ERROR(EncodeBlobHeader(header).status());
  return header.total_bytes;
}

Result<WorkUnit> MakeUnit(const CompiledSchema& schema, size_t index, const UnitFormat& format) {
  const LayoutUnit& unit = schema.layout->units[index];
  const Recipe recipe = schema.layout->RecipeOf(unit);
  auto bytes = BlobBytes(format, recipe, unit.tokens);
  if (!bytes.ok()) return bytes.status().WithContext(schema.name + ": " + unit.path);
  return WorkUnit{.layout = schema.layout,
                  .index = index,
                  .rows = unit.tokens,
                  .own_tokens = static_cast<uint32_t>(recipe.own.size()),
                  .bytes = *bytes};
}

// Variants of a document are one user, whose references carry the document's version.
void AddUse(std::span<const CompiledSchema> schemas, uint32_t schema, const LayoutUnit& layout_unit,
            WorkUnit& unit) {
  unit.schemas.push_back(schema);
  const Import import{{.schema = schemas[schema].name,
                       .version = schemas[schema].version,
                       .module = layout_unit.path},
                      layout_unit.lifetime};
  const auto same = std::find(unit.imports.begin(), unit.imports.end(), import);
  if (same == unit.imports.end()) unit.imports.push_back(import);
}

}  // namespace

Recipe WorkUnit::MakeRecipe() const { return layout->RecipeOf(layout->units[index]); }

Result<std::vector<WorkUnit>> ListUnits(std::span<const CompiledSchema> schemas,
                                        const UnitFormat& format) {
  std::vector<uint32_t> order(schemas.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return TokensOf(schemas[a]) > TokensOf(schemas[b]);
  });
  const IdentityDigest identity = format.identity.Digest();
  std::vector<WorkUnit> units;
  std::unordered_map<UnitKey, size_t> known;
  for (const uint32_t schema : order) {
    for (const size_t index : LongestModulesFirst(*schemas[schema].layout).Units()) {
      const LayoutUnit& unit = schemas[schema].layout->units[index];
      const UnitKey key = MakeUnitKey(identity, 0, unit.digest);
      const auto [found, is_new] = known.try_emplace(key, units.size());
      if (is_new) {
        PC_ASSIGN_OR_RETURN(WorkUnit made, MakeUnit(schemas[schema], index, format));
        made.key = key;
        units.push_back(std::move(made));
      }
      AddUse(schemas, schema, unit, units[found->second]);
    }
  }
  ForecastContexts(units);
  return units;
}

std::vector<WorkUnit> TakeShard(std::vector<WorkUnit> units, const Shard& shard) {
  const uint64_t total =
      std::accumulate(units.begin(), units.end(), uint64_t{0},
                      [](uint64_t sum, const WorkUnit& unit) { return sum + unit.run_tokens(); });
  // A unit belongs to the part that its middle is in.
  uint64_t twice_before = 0;
  std::vector<WorkUnit> mine;
  for (WorkUnit& unit : units) {
    const uint64_t twice_middle = twice_before + unit.run_tokens();
    twice_before += 2 * unit.run_tokens();
    if (twice_middle * shard.parts / (2 * total) == shard.part - 1) mine.push_back(std::move(unit));
  }
  return mine;
}

std::vector<WorkUnit> MissingUnits(std::span<const WorkUnit> units,
                                   const std::vector<bool>& stored) {
  std::vector<WorkUnit> missing;
  for (size_t i = 0; i < units.size(); ++i) {
    if (!stored[i]) missing.push_back(units[i]);
  }
  ForecastContexts(missing);
  return missing;
}

void ForecastContexts(std::span<WorkUnit> units) {
  ContextForecast contexts;
  for (WorkUnit& unit : units) {
    unit.new_context = contexts.Add(unit.MakeRecipe().context);
  }
}

}  // namespace promptcache
