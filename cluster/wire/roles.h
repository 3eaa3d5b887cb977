// Who may say what. Pure, thread safe.
#pragma once

#include <string_view>

#include "cluster/wire/messages.h"
#include "common/status.h"

namespace promptcache {

// "client", "worker", "store", "coordinator", "admin".
std::string_view RoleName(PeerRole role);
Result<PeerRole> ParseRole(std::string_view name);  // kInvalidArgument, naming all of them

// Whether a connecting peer of this role has a reason to send this message (schemas/WIRE.md,
// "Roles"). A message that is added later is nobody's until the table says whose.
bool MaySend(PeerRole role, const Message& message);

}  // namespace promptcache
