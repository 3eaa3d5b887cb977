// Which endpoints this build speaks.
#pragma once

#include <string>

#include "common/status.h"

namespace promptcache {

enum class EndpointUse : uint8_t { kListen, kConnect };
enum class EndpointKind : uint8_t { kTcp, kIpc, kInproc };

// kInvalidArgument, saying what is accepted, unless the endpoint is tcp://127.x.y.z:PORT (port 1 to
// 65535, or * to listen on any free one), ipc://PATH (shorter than a socket path may be) or
// inproc://NAME. Pure.
Result<EndpointKind> CheckEndpoint(const std::string& endpoint, EndpointUse use);

}  // namespace promptcache
