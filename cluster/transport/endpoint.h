// Which endpoints this build speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/curve_key.h"
#include "common/status.h"

namespace promptcache {

enum class EndpointUse : uint8_t { kListen, kConnect };
enum class EndpointKind : uint8_t { kTcp, kIpc, kInproc };
// How far a tcp endpoint may lead: plain links stay on the machine.
enum class Reach : uint8_t { kLoopback, kNetwork };

struct Endpoint {
  EndpointKind kind = EndpointKind::kTcp;
  std::string address;                       // without the key
  std::optional<CurvePublicKey> server_key;  // the listener's, where #KEY is written behind
};

// kInvalidArgument, saying what is accepted, unless the endpoint is tcp://HOST:PORT (port 1 to
// 65535, or * to listen on any free one), ipc://PATH (shorter than a socket path may be, without #)
// or inproc://NAME, the first two with or without #KEY: 40 characters of Z85. HOST is 127.x.y.z;
// with kNetwork also another IPv4 address or, to connect, a name. Pure.
Result<Endpoint> ParseEndpoint(const std::string& endpoint, EndpointUse use, Reach reach);

}  // namespace promptcache
