// Recipes for tests. Without LibTorch.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "common/recipe.h"

namespace promptcache::testing {

inline Tokens TokensAt(const std::vector<TokenId>& ids, Position first) {
  Tokens tokens;
  for (const TokenId id : ids) tokens.Append(id, first++);
  return tokens;
}

// Own tokens at 0, 1, ...; the context right before them, `gap` positions away.
inline std::shared_ptr<const Recipe> MakeRecipe(const std::vector<TokenId>& context,
                                                const std::vector<TokenId>& own, Position gap = 0) {
  Recipe recipe;
  recipe.context = TokensAt(context, -gap - static_cast<Position>(context.size()));
  recipe.own = TokensAt(own, 0);
  EXPECT_TRUE(recipe.Validate().ok());
  return std::make_shared<const Recipe>(std::move(recipe));
}

inline std::shared_ptr<const Recipe> WithHidden(const std::shared_ptr<const Recipe>& recipe,
                                                std::vector<RowRange> hidden) {
  Recipe changed = *recipe;
  changed.hidden = std::move(hidden);
  EXPECT_TRUE(changed.Validate().ok());
  return std::make_shared<const Recipe>(std::move(changed));
}

}  // namespace promptcache::testing
