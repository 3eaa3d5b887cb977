// What a unit is encoded from, and the name that follows from it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/hash.h"
#include "common/status.h"
#include "common/tokens.h"

namespace promptcache {

// What a unit may see while it is encoded (architecture.md, "Encoding"). On disk and wire: never
// renumber.
enum class EncodingMode : uint8_t {
  kAnchored = 1,
  kIndependent = 2,
  kSchema = 3,
  kScaffoldSet = 4
};
std::string_view EncodingModeName(EncodingMode mode);  // "anchored", "independent", ...

using RecipeDigest = Digest256;

struct RowRange {
  uint32_t first = 0;
  uint32_t rows = 0;

  uint32_t end() const { return first + rows; }
  bool operator==(const RowRange&) const = default;
};

// What suffices to encode a unit. Positions are relative: the first own token is at 0, context
// tokens at negative positions. Everything is encoded in one causal pass; what a unit stores are
// its rows: the own tokens that are not hidden.
struct Recipe {
  EncodingMode mode = EncodingMode::kAnchored;
  Tokens context;
  Tokens own;  // from the first row to the last
  // Own tokens that stand between rows while these are encoded and are no rows themselves: text in
  // a parameter's slot, text of other modules in `schema` encoding. Indices into `own`; ascending,
  // apart from each other, neither first nor last.
  std::vector<RowRange> hidden;

  uint32_t rows() const;
  // Of each row, relative to the first.
  std::vector<Position> RowPositions() const;
  RecipeDigest Digest() const;
  // kInvalidArgument naming the field unless the invariants above hold.
  Status Validate() const;
  bool operator==(const Recipe&) const = default;
};

// A recipe's digest while its tokens are being collected. Copies share what was added before, so
// that units behind one context hash it once. Not thread safe.
class RecipeHasher {
 public:
  // Tokens at contiguous positions from `start` on. Only distances from the first token of all
  // enter the digest. REQUIRES: `start` is behind everything added before.
  void Add(std::span<const TokenId> ids, Position start);
  uint64_t tokens() const { return tokens_; }
  // Of the recipe whose context are the first `context` tokens and whose own tokens are the rest;
  // `hidden` as in Recipe.
  RecipeDigest Finish(EncodingMode mode, uint64_t context, std::span<const RowRange> hidden) const;

 private:
  Blake2b stream_;
  uint64_t tokens_ = 0;
  Position origin_ = 0;
};

}  // namespace promptcache
