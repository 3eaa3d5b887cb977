#include "coordinator/layout/recipe_writer.h"

namespace promptcache {
namespace {

void AppendPart(const Tokens& from, size_t begin, size_t end, Position origin, Tokens& to) {
  for (size_t i = begin; i < end; ++i) to.Append(from.ids[i], from.positions[i] - origin);
}

}  // namespace

size_t RecipeWriter::Add(std::span<const TokenId> ids, Position start, TokenRole role) {
  const size_t first = all_.size();
  if (positions_ == Positions::kPacked) start = static_cast<Position>(first);
  for (const TokenId id : ids) all_.Append(id, start++);
  if (role == TokenRole::kSeen || ids.empty()) return first;
  if (rows_end_ == 0) {
    first_row_ = first;
  } else if (rows_end_ < first) {
    seen_.push_back(
        {static_cast<uint32_t>(rows_end_ - first_row_), static_cast<uint32_t>(first - rows_end_)});
  }
  rows_end_ = all_.size();
  return first;
}

Recipe RecipeWriter::Finish(EncodingMode mode) const {
  Recipe recipe{.mode = mode, .hidden = seen_};
  const Position origin = all_.positions[first_row_];
  AppendPart(all_, 0, first_row_, origin, recipe.context);
  AppendPart(all_, first_row_, rows_end_, origin, recipe.own);
  return recipe;
}

}  // namespace promptcache
