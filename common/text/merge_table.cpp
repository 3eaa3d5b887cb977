#include "common/text/merge_table.h"

#include <queue>

namespace promptcache {
namespace {

uint64_t PairOf(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// A part of a word during merging: a doubly linked list, so that a merge is O(1).
struct Symbol {
  TokenId id = 0;
  int32_t previous = -1;
  int32_t next = -1;
  bool alive = true;
};

struct Candidate {
  uint32_t rank = 0;
  int32_t left = 0;
  uint64_t pair = 0;  // stale when the symbols have changed since
  TokenId merged = 0;
  // The smallest rank first; among equals the leftmost.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
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

void MergeTable::Add(TokenId left, TokenId right, TokenId merged) {
  const auto rank = static_cast<uint32_t>(merges_.size());
  merges_.emplace(PairOf(left, right), Merge{rank, merged});
}

void MergeTable::Apply(std::vector<TokenId>& ids) const {
  if (ids.size() < 2) return;
  std::vector<Symbol> symbols = Linked(ids);
  std::priority_queue<Candidate> queue;
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    const uint64_t pair = PairOf(symbols[left].id, symbols[symbols[left].next].id);
    const auto found = merges_.find(pair);
    if (found == merges_.end()) return;
    queue.push({found->second.rank, left, pair, found->second.merged});
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
    left.id = best.merged;
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
