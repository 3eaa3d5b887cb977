// The list of key ranges of one step, brought into the form that the kernels read: few pieces, in
// an order that depends on the list only, tiny ranges gathered.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "worker/attention/key_range.h"
#include "worker/device/rotary.h"

namespace promptcache {

// Rows that all queries from `first_query` on see, or (causal) see up to their own row.
struct Piece {
  at::Tensor kv;  // [layers, 2, kv_heads, tokens, head_dim]
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t shift = 0;  // index into Pieces::shifts
  int64_t first_query = 0;
  bool causal = false;  // query m sees rows [0, m]; first_query is 0
  bool live = false;    // holds rows of this step, which each layer writes before it reads them
  std::span<const Position>
      positions;         // local, of every row of `kv`; empty unless ALiBi reads them
  at::Tensor distances;  // [rows] fp32 cpu: see MeasureDistances
};

struct Pieces {
  std::vector<Piece> list;
  std::vector<Position> shifts;  // distinct; shifts[0] == 0
};

// Drops what no query of the `queries` sees, joins neighbouring rows of one unit with the same
// shift and visibility. Sorted by unit (in order of first appearance), shift, visibility, row.
Pieces JoinRanges(std::span<const KeyRange> ranges, int64_t queries);

// A sequence's own keys and values: `past` rows that all queries see, then the step's.
struct OwnRows {
  at::Tensor kv;  // [layers, 2, kv_heads, capacity, head_dim]
  int64_t past = 0;
  int64_t queries = 0;
  std::span<const Position> positions;  // [past + queries]
};
// Adds them, the step's rows as a causal piece.
void AddOwn(const OwnRows& own, Pieces& pieces);

// For ALiBi (arXiv 2108.12409): gives each piece the distances of its rows' target positions from
// `base`, which no row exceeds. What all keys of a query have in common does not change its
// softmax, so one base serves all queries of a step. Shifts play no part any more: all become 0.
void MeasureDistances(Position base, Pieces& pieces);

// Copies the rows of pieces shorter than `threshold` into one tensor for each first_query that has
// several of them, keys rotated to their target positions (fp32, one rounding) where positions turn
// keys at all. Live pieces stay, shifts that only gathered pieces had do not.
void GatherSmall(const RotaryParameters& rotary, int64_t threshold, Pieces& pieces);

}  // namespace promptcache
