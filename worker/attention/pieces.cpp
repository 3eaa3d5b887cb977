#include "worker/attention/pieces.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

namespace promptcache {
namespace {

int64_t ShiftIndex(Position shift, std::unordered_map<Position, int64_t>& seen, Pieces& pieces) {
  const auto [entry, is_new] = seen.try_emplace(shift, pieces.shifts.size());
  if (is_new) pieces.shifts.push_back(shift);
  return entry->second;
}

struct Ordered {
  size_t unit = 0;  // order of first appearance, so that no address decides
  Piece piece;
};

bool Continues(const Ordered& a, const Ordered& b) {
  return a.unit == b.unit && a.piece.shift == b.piece.shift &&
         a.piece.first_query == b.piece.first_query &&
         a.piece.first_row + a.piece.rows == b.piece.first_row;
}

// The pieces' rows one after the other, keys rotated by the shift of their piece.
at::Tensor Gather(const RotaryParameters& rotary, const std::vector<Position>& shifts,
                  const std::vector<Piece>& small) {
  std::vector<at::Tensor> parts;
  std::vector<Position> angles;
  for (const Piece& piece : small) {
    parts.push_back(piece.kv.narrow(3, piece.first_row, piece.rows));
    angles.insert(angles.end(), piece.rows, shifts[piece.shift]);
  }
  at::Tensor packed = at::cat(parts, 3);
  const Position none[] = {0};
  const RotaryTable table(rotary, angles, none, packed.options());
  for (int64_t layer = 0; layer < packed.size(0); ++layer) {
    const at::Tensor keys = packed.select(0, layer).select(0, 0).transpose(0, 1);
    Rotate(keys, {.table = &table}, keys);
  }
  return packed;
}

}  // namespace

Pieces JoinRanges(std::span<const KeyRange> ranges, int64_t queries) {
  Pieces pieces;
  pieces.shifts.push_back(0);
  std::unordered_map<Position, int64_t> shifts{{0, 0}};
  std::unordered_map<const void*, size_t> units;
  std::vector<Ordered> ordered;
  for (const KeyRange& range : ranges) {
    if (range.rows == 0 || range.first_query >= queries) continue;
    const size_t unit = units.try_emplace(range.kv->const_data_ptr(), units.size()).first->second;
    ordered.push_back({unit,
                       {.kv = *range.kv,
                        .first_row = range.first_row,
                        .rows = range.rows,
                        .shift = ShiftIndex(range.shift, shifts, pieces),
                        .first_query = std::max<int64_t>(0, range.first_query)}});
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const Ordered& a, const Ordered& b) {
    const auto key = [](const Ordered& o) {
      return std::tuple(o.unit, o.piece.shift, o.piece.first_query, o.piece.first_row);
    };
    return key(a) < key(b);
  });
  const Ordered* last = nullptr;
  for (const Ordered& next : ordered) {
    if (last != nullptr && Continues(*last, next)) {
      pieces.list.back().rows += next.piece.rows;
    } else {
      pieces.list.push_back(next.piece);
    }
    last = &next;
  }
  return pieces;
}

void AddOwn(const at::Tensor& own, int64_t past, int64_t queries, Pieces& pieces) {
  if (queries == 1) {  // a single query sees its own row: one piece
    pieces.list.push_back({.kv = own, .rows = past + 1, .live = true});
    return;
  }
  if (past > 0) pieces.list.push_back({.kv = own, .rows = past});
  pieces.list.push_back(
      {.kv = own, .first_row = past, .rows = queries, .causal = true, .live = true});
}

void GatherSmall(const RotaryParameters& rotary, int64_t threshold, Pieces& pieces) {
  std::map<int64_t, std::vector<Piece>> small;
  std::vector<Piece> kept;
  for (const Piece& piece : pieces.list) {
    if (piece.live || piece.rows >= threshold) {
      kept.push_back(piece);
    } else {
      small[piece.first_query].push_back(piece);
    }
  }
  for (auto& [first_query, group] : small) {
    if (group.size() == 1) {
      kept.push_back(group[0]);
      continue;
    }
    const at::Tensor packed = Gather(rotary, pieces.shifts, group);
    kept.push_back({.kv = packed, .rows = packed.size(3), .first_query = first_query});
  }
  pieces.list = std::move(kept);
}

}  // namespace promptcache
