#include "common/text/word_cache.h"

#include <algorithm>
#include <cstring>

namespace promptcache {
namespace {

constexpr size_t kMaxWordBytes = 31;

}  // namespace

std::array<char, 32> WordCache::KeyOf(std::string_view word) {
  std::array<char, 32> key{};
  std::copy(word.begin(), word.end(), key.begin());
  key.back() = static_cast<char>(word.size());
  return key;
}

size_t WordCache::SlotOf(const std::array<char, 32>& key) {
  std::array<uint64_t, 4> parts{};
  std::memcpy(parts.data(), key.data(), key.size());
  uint64_t hash = 0;
  for (const uint64_t part : parts) {
    hash = (hash ^ part) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
  }
  return hash % kSlots;
}

bool WordCache::Find(std::string_view word, std::vector<TokenId>& ids) const {
  if (word.size() > kMaxWordBytes) return false;
  const auto key = KeyOf(word);
  const Slot& slot = slots_[SlotOf(key)];
  if (slot.count == 0 || slot.word != key) return false;
  ids.insert(ids.end(), slot.ids.begin(), slot.ids.begin() + slot.count);
  return true;
}

void WordCache::Put(std::string_view word, const std::vector<TokenId>& ids) {
  Slot slot;
  if (word.size() > kMaxWordBytes || ids.size() > slot.ids.size()) return;
  slot.word = KeyOf(word);
  slot.count = static_cast<uint32_t>(ids.size());
  std::copy(ids.begin(), ids.end(), slot.ids.begin());
  slots_[SlotOf(slot.word)] = slot;
}

std::unique_ptr<WordCache> WordCaches::Take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<WordCache>();
  auto cache = std::move(idle_.back());
  idle_.pop_back();
  return cache;
}

void WordCaches::Return(std::unique_ptr<WordCache> cache) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(cache));
}

}  // namespace promptcache
