#include "worker/engine/known_recipe.h"

#include <algorithm>
#include <utility>

namespace promptcache {
namespace {

std::vector<uint32_t> OwnOfRow(const Recipe& recipe) {
  std::vector<uint32_t> indices;
  if (recipe.hidden.empty()) return indices;
  indices.reserve(recipe.rows());
  uint32_t own = 0;
  const auto add_up_to = [&](size_t end) {
    while (own < end) indices.push_back(own++);
  };
  for (const RowRange& range : recipe.hidden) {
    add_up_to(range.first);
    own = range.end();
  }
  add_up_to(recipe.own.size());
  return indices;
}

}  // namespace

Result<KnownRecipePtr> MakeKnownRecipe(Recipe recipe) {
  PC_RETURN_IF_ERROR(recipe.Validate());
  auto known = std::make_shared<KnownRecipe>();
  known->recipe = std::move(recipe);
  known->digest = known->recipe.Digest();
  for (const auto* ids : {&known->recipe.context.ids, &known->recipe.own.ids}) {
    for (const TokenId id : *ids) known->largest_id = std::max(known->largest_id, id);
  }
  known->own_of_row = OwnOfRow(known->recipe);
  return KnownRecipePtr(std::move(known));
}

}  // namespace promptcache
