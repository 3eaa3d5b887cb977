#include "common/recipe.h"

#include <algorithm>
#include <array>
#include <string>

namespace promptcache {
namespace {

constexpr size_t kPairs = 128;  // that are hashed at once

void PutLittleEndian(uint32_t value, uint8_t* out) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
}

Status ValidateHidden(const Recipe& recipe) {
  uint64_t next = 1;  // neither the first own token nor one that touches the range before
  for (const RowRange& range : recipe.hidden) {
    if (range.rows == 0 || range.first < next ||
        uint64_t{range.first} + range.rows >= recipe.own.size()) {
      return InvalidArgument("recipe: hidden tokens " + std::to_string(range.first) + " to " +
                             std::to_string(uint64_t{range.first} + range.rows) +
                             " do not lie between its rows");
    }
    next = uint64_t{range.end()} + 1;
  }
  return {};
}

// Adds maximal stretches of contiguous positions.
void AddAll(const Tokens& tokens, RecipeHasher& hasher) {
  for (size_t begin = 0; begin < tokens.size();) {
    size_t end = begin + 1;
    while (end < tokens.size() && tokens.positions[end] == tokens.positions[end - 1] + 1) ++end;
    hasher.Add(std::span(tokens.ids).subspan(begin, end - begin), tokens.positions[begin]);
    begin = end;
  }
}

}  // namespace

std::string_view EncodingModeName(EncodingMode mode) {
  switch (mode) {
    case EncodingMode::kAnchored:
      return "anchored";
    case EncodingMode::kIndependent:
      return "independent";
    case EncodingMode::kSchema:
      return "schema";
    case EncodingMode::kScaffoldSet:
      return "scaffold set";
  }
  return "unknown";
}

uint32_t Recipe::rows() const {
  auto rows = static_cast<uint32_t>(own.size());
  for (const RowRange& range : hidden) rows -= range.rows;
  return rows;
}

std::vector<Position> Recipe::RowPositions() const {
  std::vector<Position> positions;
  positions.reserve(own.size());
  auto from = own.positions.begin();
  for (const RowRange& range : hidden) {
    positions.insert(positions.end(), from, own.positions.begin() + range.first);
    from = own.positions.begin() + range.end();
  }
  positions.insert(positions.end(), from, own.positions.end());
  return positions;
}

RecipeDigest Recipe::Digest() const {
  RecipeHasher hasher;
  AddAll(context, hasher);
  AddAll(own, hasher);
  return hasher.Finish(mode, context.size(), hidden);
}

Status Recipe::Validate() const {
  PC_RETURN_IF_ERROR(ValidateTokens(context, "recipe context"));
  PC_RETURN_IF_ERROR(ValidateTokens(own, "recipe own tokens"));
  if (own.empty()) return InvalidArgument("recipe: no own tokens");
  if (own.positions.front() != 0) {
    return InvalidArgument("recipe: the first own token is at " +
                           std::to_string(own.positions.front()) + ", not 0");
  }
  if (!context.empty() && context.positions.back() >= 0) {
    return InvalidArgument("recipe: a context token is not before the own tokens");
  }
  if (mode < EncodingMode::kAnchored || mode > EncodingMode::kScaffoldSet) {
    return InvalidArgument("recipe: unknown encoding mode " +
                           std::to_string(static_cast<int>(mode)));
  }
  return ValidateHidden(*this);
}

void RecipeHasher::Add(std::span<const TokenId> ids, Position start) {
  if (ids.empty()) return;
  if (tokens_ == 0) {
    stream_.AddString("promptcache recipe 2");
    origin_ = start;
  }
  std::array<uint8_t, kPairs * 8> bytes;
  // Unsigned, because hostile positions may be further apart than a Position is wide.
  uint32_t position = static_cast<uint32_t>(start) - static_cast<uint32_t>(origin_);
  for (size_t done = 0; done < ids.size();) {
    const size_t count = std::min(kPairs, ids.size() - done);
    for (size_t i = 0; i < count; ++i) {
      PutLittleEndian(static_cast<uint32_t>(ids[done + i]), &bytes[8 * i]);
      PutLittleEndian(position++, &bytes[8 * i + 4]);
    }
    stream_.AddBytes({bytes.data(), 8 * count});
    done += count;
  }
  tokens_ += ids.size();
}

// What follows the tokens is read from its end: two numbers, then as many ranges as the last says.
RecipeDigest RecipeHasher::Finish(EncodingMode mode, uint64_t context,
                                  std::span<const RowRange> hidden) const {
  Blake2b hash = stream_;
  for (const RowRange& range : hidden) hash.AddU32(range.first).AddU32(range.rows);
  return hash.AddU64(tokens_)
      .AddU64(context)
      .AddU32(static_cast<uint32_t>(mode))
      .AddU32(static_cast<uint32_t>(hidden.size()))
      .Finish();
}

}  // namespace promptcache
