// What stands in parameters' slots while text is encoded. Internal to coordinator/layout.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "coordinator/layout/layout.h"

namespace promptcache {

// Calls `add(ids, start)` for the tokens of a slot: its scaffold; in `schema` encoding placeholders
// behind it up to the slot's end (S31, S32 of the reference).
template <typename Add>
void ForSlotTokens(const Layout& layout, EncodingMode mode, const LayoutParam& param,
                   const Add& add) {
  if (!param.scaffold.empty()) add(std::span<const TokenId>(param.scaffold), param.start);
  if (mode != EncodingMode::kSchema) return;
  std::array<TokenId, 1024> placeholders;
  placeholders.fill(layout.placeholder);
  for (auto at = static_cast<uint32_t>(param.scaffold.size()); at < param.length;) {
    const uint32_t count = std::min<uint32_t>(param.length - at, placeholders.size());
    add(std::span<const TokenId>(placeholders).first(count),
        param.start + static_cast<Position>(at));
    at += count;
  }
}

}  // namespace promptcache
