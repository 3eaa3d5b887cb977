// A failure as a message. Internal to coordinator/.
#pragma once

#include "cluster/wire/messages.h"

namespace promptcache {

inline Reply ReplyOf(const Status& status) { return {status.code(), status.message()}; }

}  // namespace promptcache
