// What holds for every schema.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/unit/layout/toy_compiler.h"
#include "tests/unit/pml/random_trees.h"

namespace promptcache::testing {
namespace {

constexpr Positions kPositions[] = {Positions::kSchema, Positions::kPacked};
constexpr EncodingMode kModes[] = {EncodingMode::kAnchored, EncodingMode::kIndependent,
                                   EncodingMode::kSchema};

std::optional<Layout> LayoutOf(const SchemaDocument& document, const ToyCompiler& compiler) {
  const PmlSource source("schema.xml", "");
  Diagnostics diagnostics(source);
  return BuildLayout(document, compiler.encoder(), {}, diagnostics);
}

// Digests come from one walk, recipes from each unit by itself.
RC_GTEST_PROP(LayoutProperties, EveryUnitsRecipeIsValidAndHasItsDigestAndItsRows, ()) {
  SchemaDocument document = AnySchema();
  const ToyCompiler compiler;
  for (const Positions positions : kPositions) {
    for (const EncodingMode mode : kModes) {
      document.positions = positions;
      document.encoding = mode;
      const auto layout = LayoutOf(document, compiler);
      if (!layout) continue;  // a scaffold that is too long for its slot
      for (const LayoutUnit& unit : layout->units) {
        const Recipe recipe = layout->RecipeOf(unit);
        RC_ASSERT(recipe.Validate().ok());
        RC_ASSERT(recipe.Digest() == unit.digest);
        RC_ASSERT(recipe.rows() == unit.tokens);
        RC_ASSERT(recipe.context.size() == unit.context_tokens);
      }
    }
  }
}

// The places that plans use for rows are those of the recipe.
RC_GTEST_PROP(LayoutProperties, RunsStandWhereTheRecipePutsThem, ()) {
  SchemaDocument document = AnySchema();
  const ToyCompiler compiler;
  document.positions = *rc::gen::elementOf(std::vector<Positions>{kPositions[0], kPositions[1]});
  const auto layout = LayoutOf(document, compiler);
  if (!layout) return;
  const auto check = [&](const LayoutRun& run, Position local, const std::vector<Position>& rows,
                         size_t& row) {
    for (size_t i = 0; i < run.ids.size(); ++i) {
      RC_ASSERT(rows.at(row++) == local + static_cast<Position>(i));
    }
  };
  for (const LayoutUnit& unit : layout->units) {
    const std::vector<Position> rows = layout->RecipeOf(unit).RowPositions();
    size_t row = 0;
    if (unit.set == kNone) {
      for (const LayoutRun& run : layout->containers[unit.container].runs) {
        check(run, run.local, rows, row);
      }
    } else {
      for (const RunRef& ref : layout->sets[unit.set].runs) {
        check(layout->containers[ref.container].runs[ref.run], ref.local, rows, row);
      }
    }
    RC_ASSERT(row == rows.size());
  }
}

}  // namespace
}  // namespace promptcache::testing
