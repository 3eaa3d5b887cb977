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
Piece Gather(const RotaryParameters& rotary, const std::vector<Position>& shifts,
             const std::vector<Piece>& small) {
  std::vector<at::Tensor> parts, distances;
  std::vector<Position> angles;
  for (const Piece& piece : small) {
    parts.push_back(piece.kv.narrow(3, piece.first_row, piece.rows));
    angles.insert(angles.end(), piece.rows, shifts[piece.shift]);
    if (piece.distances.defined()) distances.push_back(piece.distances);
  }
  const at::Tensor packed = at::cat(parts, 3);
  Piece gathered{.kv = packed, .rows = packed.size(3), .first_query = small[0].first_query};
  if (!distances.empty()) gathered.distances = at::cat(distances);
  if (rotary.frequencies.empty()) return gathered;
  const Position none[] = {0};
  // What is stored has the magnitude already.
  const RotaryTable table({.frequencies = rotary.frequencies}, angles, none, packed.options());
  for (int64_t layer = 0; layer < packed.size(0); ++layer) {
    const at::Tensor keys = packed.select(0, layer).select(0, 0).transpose(0, 1);
    Rotate(keys, {.table = &table}, keys);
  }
  return gathered;
}

// Forgets the shifts that no piece has.
void KeepUsedShifts(Pieces& pieces) {
  constexpr int64_t kUnused = -1;
  std::vector<Position> used = {0};
  std::vector<int64_t> index(pieces.shifts.size(), kUnused);
  index[0] = 0;
  for (Piece& piece : pieces.list) {
    int64_t& known = index[piece.shift];
    if (known == kUnused) {
      known = static_cast<int64_t>(used.size());
      used.push_back(pieces.shifts[piece.shift]);
    }
    piece.shift = known;
  }
  pieces.shifts = std::move(used);
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
                        .first_query = std::max<int64_t>(0, range.first_query),
                        .positions = range.positions}});
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

void AddOwn(const OwnRows& own, Pieces& pieces) {
  const Piece all{
      .kv = own.kv, .rows = own.past + own.queries, .live = true, .positions = own.positions};
  if (own.queries == 1) {  // a single query sees its own row: one piece
    pieces.list.push_back(all);
    return;
  }
  Piece past = all, fresh = all;
  past.rows = own.past, past.live = false;
  fresh.first_row = own.past, fresh.rows = own.queries, fresh.causal = true;
  if (own.past > 0) pieces.list.push_back(past);
  pieces.list.push_back(fresh);
}

void MeasureDistances(Position base, Pieces& pieces) {
  for (Piece& piece : pieces.list) {
    TORCH_CHECK(static_cast<int64_t>(piece.positions.size()) >= piece.first_row + piece.rows,
                "attention: positions of ", piece.positions.size(), " rows, not of ",
                piece.first_row + piece.rows);
    const int64_t shift = int64_t{pieces.shifts[piece.shift]} - base;
    piece.distances = at::empty({piece.rows}, at::kFloat);
    float* distance = piece.distances.mutable_data_ptr<float>();
    for (int64_t r = 0; r < piece.rows; ++r) {
      distance[r] = static_cast<float>(shift + piece.positions[piece.first_row + r]);
    }
    piece.shift = 0;
  }
  pieces.shifts = {0};
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
    kept.push_back(Gather(rotary, pieces.shifts, group));
  }
  pieces.list = std::move(kept);
  KeepUsedShifts(pieces);
}

}  // namespace promptcache
