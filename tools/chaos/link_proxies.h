// Links that can be partitioned, cut and slowed down: everything that goes over one passes through
// this process.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache::chaos {

struct TcpAddress {
  std::string host;  // IPv4
  uint16_t port = 0;

  std::string endpoint() const { return "tcp://" + host + ":" + std::to_string(port); }
};

struct ProxiedLink {
  std::string name;
  TcpAddress listens;  // whoever connects here
  TcpAddress target;   // talks to this
};

enum class LinkMode : uint8_t {
  kWhole,
  kPartitioned,  // nothing is read or written; connections stay as they are, new ones get no answer
  kCut,          // connections are closed, new ones at once
  kSlow,         // each way takes 100 ms longer and carries 512 KiB/s
};

// Thread safe. One thread carries all bytes; what waits on the way is at most 256 KiB a direction.
class LinkProxies {
 public:
  // kUnavailable naming the address that cannot be listened on.
  static Result<std::unique_ptr<LinkProxies>> Start(const std::vector<ProxiedLink>& links);
  virtual ~LinkProxies() = default;  // closes everything

  // REQUIRES: a link of this name.
  virtual void Set(const std::string& link, LinkMode mode) = 0;
};

}  // namespace promptcache::chaos
