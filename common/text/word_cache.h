// The ids of words that were tokenized before.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "common/types.h"

namespace promptcache {

// One MiB whatever is put into it: a word takes the place of another. For one user at a time.
class WordCache {
 public:
  WordCache() : slots_(kSlots) {}

  // Appends the word's ids; false when it is not here.
  bool Find(std::string_view word, std::vector<TokenId>& ids) const;
  // Keeps a short word.
  void Put(std::string_view word, const std::vector<TokenId>& ids);

 private:
  static constexpr size_t kSlots = 1 << 14;
  struct alignas(64) Slot {
    std::array<char, 32> word{};  // the last byte is its length; the rest after it is zero
    std::array<TokenId, 7> ids{};
    uint32_t count = 0;  // of ids; 0: nothing is here
  };
  static std::array<char, 32> KeyOf(std::string_view word);
  static size_t SlotOf(const std::array<char, 32>& key);

  std::vector<Slot> slots_;
};

// Caches that are lent to one user at a time; as many as there have been users at once. Safe for
// concurrent use.
class WordCaches {
 public:
  std::unique_ptr<WordCache> Take();
  void Return(std::unique_ptr<WordCache> cache);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<WordCache>> idle_;  // guarded by mutex_
};

}  // namespace promptcache
