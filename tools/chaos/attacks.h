// What somebody does who can reach a port and means harm.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/dice.h"
#include "tools/chaos/link_proxies.h"
#include "tools/chaos/raw_peer.h"

namespace promptcache::chaos {

struct Attack {
  std::string name;
  // One round against one port.
  std::function<void(const TcpAddress&, Dice&)> strike;
};
// Garbage, truncated and oversized frames, 4 GiB announced, half a handshake, and more.
const std::vector<Attack>& Attacks();

// Goes on with an attack on all these ports until destruction, with a millisecond between rounds.
class Attacker {
 public:
  Attacker(const Attack& attack, std::vector<TcpAddress> ports, uint64_t seed);
  uint64_t rounds() const { return rounds_.load(); }

 private:
  std::atomic<uint64_t> rounds_{0};
  std::jthread thread_;  // last: it ends before what it uses
};

enum class IdleStage : uint8_t { kConnected, kHandshaken, kGreeted };

// Connections that come so far and then say nothing more, until destruction.
class IdleCrowd {
 public:
  // Fewer where the system gives no more.
  IdleCrowd(const TcpAddress& port, size_t count, IdleStage stage);
  size_t size() const { return peers_.size(); }

 private:
  std::vector<RawPeer> peers_;
};

}  // namespace promptcache::chaos
