// Tokens and where they stand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace promptcache {

using TokenId = int32_t;
using Position = int32_t;

// Tokens with their positions. INVARIANT: ids.size() == positions.size(), positions strictly
// ascend.
struct Tokens {
  std::vector<TokenId> ids;
  std::vector<Position> positions;

  size_t size() const { return ids.size(); }
  bool empty() const { return ids.empty(); }
  void Append(TokenId id, Position position) {
    ids.push_back(id);
    positions.push_back(position);
  }
  bool operator==(const Tokens&) const = default;
};

// kInvalidArgument, with `name`, unless the invariant holds and no id is negative.
Status ValidateTokens(const Tokens& tokens, std::string_view name);

}  // namespace promptcache
