// Recipes that arrived, so that a unit is asked for once. Internal to worker/service.
#pragma once

#include <list>
#include <unordered_map>

#include "worker/engine/known_recipe.h"

namespace promptcache {

// Not thread safe. Drops the least recently used beyond `limit` tokens.
class RecipeCache {
 public:
  explicit RecipeCache(uint64_t limit_tokens) : limit_(limit_tokens) {}

  KnownRecipePtr Find(const RecipeDigest& digest) {
    const auto found = entries_.find(digest);
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return order_.front();
  }

  void Insert(KnownRecipePtr recipe) {
    if (entries_.contains(recipe->digest)) return;
    tokens_ += TokensOf(*recipe);
    order_.push_front(std::move(recipe));
    entries_.emplace(order_.front()->digest, order_.begin());
    while (tokens_ > limit_ && order_.size() > 1) {
      tokens_ -= TokensOf(*order_.back());
      entries_.erase(order_.back()->digest);
      order_.pop_back();
    }
  }

 private:
  static uint64_t TokensOf(const KnownRecipe& known) {
    return known.recipe.context.size() + known.recipe.own.size();
  }

  const uint64_t limit_;
  std::list<KnownRecipePtr> order_;
  std::unordered_map<RecipeDigest, std::list<KnownRecipePtr>::iterator> entries_;
  uint64_t tokens_ = 0;
};

}  // namespace promptcache
