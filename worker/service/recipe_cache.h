// Recipes that arrived, so that a unit is asked for once. Internal to worker/service.
#pragma once

#include <list>
#include <map>
#include <utility>

#include "worker/engine/known_recipe.h"

namespace promptcache {

// Not thread safe. Each domain has its own: who has not asked for a recipe asks, and one that was
// used by others stays no longer, or the time that takes would tell of them. Drops the least
// recently used beyond `limit` tokens.
class RecipeCache {
 public:
  explicit RecipeCache(uint64_t limit_tokens) : limit_(limit_tokens) {}

  // Null when it is not there.
  KnownRecipePtr Find(uint64_t domain, const RecipeDigest& digest) {
    const auto found = entries_.find({domain, digest});
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return order_.front().recipe;
  }

  void Insert(uint64_t domain, KnownRecipePtr recipe) {
    const Key key{domain, recipe->digest};
    if (entries_.contains(key)) return;
    tokens_ += TokensOf(*recipe);
    order_.push_front({key, std::move(recipe)});
    entries_.emplace(key, order_.begin());
    while (tokens_ > limit_ && order_.size() > 1) {
      tokens_ -= TokensOf(*order_.back().recipe);
      entries_.erase(order_.back().key);
      order_.pop_back();
    }
  }

 private:
  using Key = std::pair<uint64_t, RecipeDigest>;
  struct Entry {
    Key key;
    KnownRecipePtr recipe;
  };

  static uint64_t TokensOf(const KnownRecipe& known) {
    return known.recipe.context.size() + known.recipe.own.size();
  }

  const uint64_t limit_;
  std::list<Entry> order_;
  std::map<Key, std::list<Entry>::iterator> entries_;
  uint64_t tokens_ = 0;
};

}  // namespace promptcache
