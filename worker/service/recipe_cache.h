// Recipes that arrived, so that a unit is asked for once. Internal to worker/service.
#pragma once

#include <list>
#include <set>
#include <unordered_map>

#include "worker/engine/known_recipe.h"

namespace promptcache {

// Not thread safe. Drops the least recently used beyond `limit` tokens.
class RecipeCache {
 public:
  explicit RecipeCache(uint64_t limit_tokens) : limit_(limit_tokens) {}

  // Whether units of this domain were made by it: who has not asked for a recipe asks, or the time
  // that takes would tell of others.
  bool IsFor(uint64_t domain, const RecipeDigest& digest) const {
    const auto found = entries_.find(digest);
    return found != entries_.end() && found->second->domains.contains(domain);
  }

  // From now on it is for this domain too.
  KnownRecipePtr Find(uint64_t domain, const RecipeDigest& digest) {
    const auto found = entries_.find(digest);
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    order_.front().domains.insert(domain);
    return order_.front().recipe;
  }

  void Insert(KnownRecipePtr recipe) {
    if (entries_.contains(recipe->digest)) return;
    tokens_ += TokensOf(*recipe);
    order_.push_front({std::move(recipe), {}});
    entries_.emplace(order_.front().recipe->digest, order_.begin());
    while (tokens_ > limit_ && order_.size() > 1) {
      tokens_ -= TokensOf(*order_.back().recipe);
      entries_.erase(order_.back().recipe->digest);
      order_.pop_back();
    }
  }

 private:
  struct Entry {
    KnownRecipePtr recipe;
    std::set<uint64_t> domains;
  };

  static uint64_t TokensOf(const KnownRecipe& known) {
    return known.recipe.context.size() + known.recipe.own.size();
  }

  const uint64_t limit_;
  std::list<Entry> order_;
  std::unordered_map<RecipeDigest, std::list<Entry>::iterator> entries_;
  uint64_t tokens_ = 0;
};

}  // namespace promptcache
