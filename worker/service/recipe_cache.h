// Recipes that arrived, so that a unit is asked for once. Internal to worker/service.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>

#include "common/types.h"

namespace promptcache {

// Not thread safe. Drops the least recently used beyond `limit` tokens.
class RecipeCache {
 public:
  explicit RecipeCache(uint64_t limit_tokens) : limit_(limit_tokens) {}

  std::shared_ptr<const Recipe> Find(const RecipeDigest& digest) {
    const auto found = entries_.find(digest);
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return order_.front().recipe;
  }

  void Insert(const RecipeDigest& digest, std::shared_ptr<const Recipe> recipe) {
    if (entries_.contains(digest)) return;
    tokens_ += TokensOf(*recipe);
    order_.push_front({digest, std::move(recipe)});
    entries_.emplace(digest, order_.begin());
    while (tokens_ > limit_ && order_.size() > 1) {
      tokens_ -= TokensOf(*order_.back().recipe);
      entries_.erase(order_.back().digest);
      order_.pop_back();
    }
  }

 private:
  struct Entry {
    RecipeDigest digest;
    std::shared_ptr<const Recipe> recipe;
  };
  static uint64_t TokensOf(const Recipe& recipe) {
    return recipe.context.size() + recipe.own.size();
  }

  const uint64_t limit_;
  std::list<Entry> order_;
  std::unordered_map<RecipeDigest, std::list<Entry>::iterator> entries_;
  uint64_t tokens_ = 0;
};

}  // namespace promptcache
