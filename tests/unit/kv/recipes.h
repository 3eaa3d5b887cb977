// Recipes and units for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "common/types.h"
#include "worker/kv/unit_encoder.h"

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

struct Encoded {
  UnitPtr unit;
  uint32_t computed = 0;
};

inline Encoded Encode(Model& model, ContextCache& contexts, std::shared_ptr<const Recipe> recipe) {
  UnitEncoder encoder(model, contexts, recipe->Digest(), recipe);
  for (;;) {
    const Result<bool> complete = encoder.Step();
    EXPECT_TRUE(complete.ok()) << complete.status().ToString();
    if (!complete.ok()) return {};
    if (*complete) return {encoder.Take(), encoder.computed_tokens()};
  }
}

}  // namespace promptcache::testing
