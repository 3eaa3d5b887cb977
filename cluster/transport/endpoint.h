// What an endpoint may be.
#pragma once

#include <string>

#include "common/status.h"

namespace promptcache {

// OK for tcp://127.x.y.z:PORT (also *), ipc://PATH of at most 100 bytes and inproc://NAME;
// otherwise kInvalidArgument that says what is accepted. Traffic is neither encrypted nor
// authenticated, so nothing beyond this machine may reach it.
Status CheckLocalEndpoint(const std::string& endpoint);

}  // namespace promptcache
