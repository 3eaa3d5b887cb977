// Recipes that were checked where they came in.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/recipe.h"

namespace promptcache {

// A recipe with its name and what every request asks of it. Immutable; made by MakeKnownRecipe
// only.
struct KnownRecipe {
  Recipe recipe;
  RecipeDigest digest;               // recipe.Digest()
  TokenId largest_id = 0;            // of its context and own tokens
  std::vector<uint32_t> own_of_row;  // index into recipe.own; empty when no own token is hidden

  // The own token that is row `row`, as an index into recipe.own.
  size_t OwnIndex(uint32_t row) const { return own_of_row.empty() ? row : own_of_row[row]; }
};
using KnownRecipePtr = std::shared_ptr<const KnownRecipe>;

// The errors of Recipe::Validate.
Result<KnownRecipePtr> MakeKnownRecipe(Recipe recipe);

}  // namespace promptcache
