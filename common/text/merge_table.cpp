#include "common/text/merge_table.h"

#include <algorithm>
#include <array>
#include <functional>
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
  TokenId id = 0;  // kMerged: its left neighbour has it
  int32_t previous = -1;
  int32_t next = -1;
};
constexpr TokenId kMerged = -1;

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

// A place to merge at: the smallest rank first, among equals the leftmost.
uint64_t CandidateAt(int32_t left, uint32_t rank) {
  return uint64_t{rank} << 32 | static_cast<uint32_t>(left);
}

}  // namespace

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
  const auto merge_at = [&](int32_t left) {
    const bool pair = left >= 0 && symbols[left].id != kMerged && symbols[left].next >= 0;
    return pair ? Find(symbols[left].id, symbols[symbols[left].next].id) : Merge{};
  };
  std::vector<uint64_t> candidates;
  for (int32_t left = 0; left + 1 < static_cast<int32_t>(symbols.size()); ++left) {
    const uint32_t rank = merge_at(left).rank;
    if (rank != kNoRank) candidates.push_back(CandidateAt(left, rank));
  }
  std::priority_queue queue(std::greater<uint64_t>(), std::move(candidates));
  while (!queue.empty()) {
    const uint64_t best = queue.top();
    queue.pop();
    const auto at = static_cast<int32_t>(best & INT32_MAX);
    const Merge merge = merge_at(at);
    if (CandidateAt(at, merge.rank) != best) continue;  // its neighbours have changed since
    Symbol& left = symbols[at];
    left.id = merge.merged;
    symbols[left.next].id = kMerged;
    left.next = symbols[left.next].next;
    if (left.next >= 0) symbols[left.next].previous = at;
    for (const int32_t changed : {left.previous, at}) {
      const uint32_t rank = merge_at(changed).rank;
      if (rank != kNoRank) queue.push(CandidateAt(changed, rank));
    }
  }
  ids.clear();
  for (int32_t i = 0; i >= 0; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace promptcache
