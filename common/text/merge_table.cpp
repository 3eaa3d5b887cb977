#include "common/text/merge_table.h"

#include <algorithm>
#include <array>
#include <queue>
#include <utility>

namespace promptcache {
namespace {

constexpr size_t kShort = 32;  // ids up to which looking at all pairs is faster than a queue
constexpr size_t kFirstSlots = 64;

uint64_t PairOf(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

size_t HashOf(uint64_t pair) {
  pair ^= pair >> 32;
  pair *= 0x9E3779B97F4A7C15;
  return pair ^ pair >> 29;
}

// A part of a word during merging: a doubly linked list, so that a merge is O(1).
struct Symbol {
  TokenId id = 0;
  int32_t previous = -1;
  int32_t next = -1;
  bool alive = true;
};

std::vector<Symbol> Linked(const std::vector<TokenId>& ids) {
  std::vector<Symbol> symbols;
  symbols.reserve(ids.size());
  for (const TokenId id : ids) {
    const auto at = static_cast<int32_t>(symbols.size());
    symbols.push_back({.id = id, .previous = at - 1, .next = at + 1});
  }
  symbols.back().next = -1;
  return symbols;
}

}  // namespace

struct MergeTable::Candidate {
  Merge merge;
  int32_t left = 0;
  uint64_t pair = 0;  // stale when the symbols have changed since
  // The smallest rank first; among equals the leftmost.
  bool operator<(const Candidate& other) const {
    return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : left > other.left;
  }
};

void MergeTable::Add(uint32_t rank, TokenId left, TokenId right, TokenId merged) {
  if (2 * (used_ + 1) > slots_.size()) Grow();
  const uint64_t pair = PairOf(left, right);
  Slot& slot = SlotOf(pair);
  if (slot.merge.rank != kNoRank) return;
  slot = {pair, {rank, merged}};
  ++used_;
}

MergeTable::Merge MergeTable::Find(TokenId left, TokenId right) const {
  if (slots_.empty()) return {};
  const uint64_t pair = PairOf(left, right);
  for (size_t at = HashOf(pair);; ++at) {
    const Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.pair == pair || slot.merge.rank == kNoRank) return slot.merge;
  }
}

// Where `pair` is or would be put.
MergeTable::Slot& MergeTable::SlotOf(uint64_t pair) {
  for (size_t at = HashOf(pair);; ++at) {
    Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.pair == pair || slot.merge.rank == kNoRank) return slot;
  }
}

void MergeTable::Grow() {
  const auto old =
      std::exchange(slots_, std::vector<Slot>(std::max(kFirstSlots, 2 * slots_.size())));
  for (const Slot& slot : old) {
    if (slot.merge.rank != kNoRank) SlotOf(slot.pair) = slot;
  }
}

void MergeTable::Apply(std::vector<TokenId>& ids) const {
  if (ids.size() < 2) return;
  ids.size() <= kShort ? ApplyShort(ids) : ApplyLong(ids);
}

void MergeTable::ApplyShort(std::vector<TokenId>& ids) const {
  std::array<Merge, kShort> merges;  // of ids[i] and ids[i + 1]
  for (size_t i = 0; i + 1 < ids.size(); ++i) merges[i] = Find(ids[i], ids[i + 1]);
  while (ids.size() > 1) {
    const auto end = merges.begin() + static_cast<ptrdiff_t>(ids.size()) - 1;
    const auto best = std::min_element(
        merges.begin(), end, [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
    if (best->rank == kNoRank) return;
    const auto at = static_cast<size_t>(best - merges.begin());
    ids[at] = best->merged;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
    std::copy(best + 1, end, best);
    if (at > 0) merges[at - 1] = Find(ids[at - 1], ids[at]);
    if (at + 1 < ids.size()) merges[at] = Find(ids[at], ids[at + 1]);
  }
}

void MergeTable::ApplyLong(std::vector<TokenId>& ids) const {
  std::vector<Symbol> symbols = Linked(ids);
  std::priority_queue<Candidate> queue;
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    const TokenId a = symbols[left].id;
    const TokenId b = symbols[symbols[left].next].id;
    const Merge merge = Find(a, b);
    if (merge.rank != kNoRank) queue.push({merge, left, PairOf(a, b)});
  };
  const auto count = static_cast<int32_t>(symbols.size());
  for (int32_t i = 0; i + 1 < count; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.left];
    if (!left.alive || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    if (PairOf(left.id, right.id) != best.pair) continue;
    left.id = best.merge.merged;
    right.alive = false;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  ids.clear();
  for (int32_t i = 0; i >= 0; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace promptcache
