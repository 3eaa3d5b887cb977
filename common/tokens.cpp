#include "common/tokens.h"

#include <algorithm>
#include <functional>
#include <string>

namespace promptcache {

Status ValidateTokens(const Tokens& tokens, std::string_view name) {
  const std::string prefix(name);
  if (tokens.ids.size() != tokens.positions.size()) {
    return InvalidArgument(prefix + ": " + std::to_string(tokens.ids.size()) + " ids but " +
                           std::to_string(tokens.positions.size()) + " positions");
  }
  for (TokenId id : tokens.ids) {
    if (id < 0) return InvalidArgument(prefix + ": negative token id " + std::to_string(id));
  }
  const auto& p = tokens.positions;
  if (std::adjacent_find(p.begin(), p.end(), std::greater_equal<>()) != p.end()) {
    return InvalidArgument(prefix + ": positions do not strictly ascend");
  }
  return {};
}

}  // namespace promptcache
