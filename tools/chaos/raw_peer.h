// A peer that speaks ZMTP 3.0 (no security) by hand, and keeps to it only as far as it likes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/file_descriptor.h"
#include "tools/chaos/link_proxies.h"

namespace promptcache::chaos {

// What cannot be sent is not; nothing waits longer than a second, but connecting.
class RawPeer {
 public:
  // Where nobody listens, or nothing more can be opened, everything comes to nothing.
  explicit RawPeer(const TcpAddress& address);

  bool connected() const { return socket_.open(); }
  // Its part of the handshake of a DEALER.
  void Greet();
  // Until the other side has done its part.
  void AwaitGreeting();
  void SendRaw(std::string_view bytes);
  // A frame that announces `announced` bytes; those given follow.
  void SendFrame(std::string_view bytes, uint64_t announced);
  void SendMessage(std::string_view header) { SendFrame(header, header.size()); }
  void SendMessage(const Envelope& envelope);
  // Until the other side says something more or closes; false after a second, or when it has.
  bool Hear();
  // Closes its sending side and reads until the other side closes or a second has passed.
  void Leave();

 private:
  FileDescriptor socket_;
};

}  // namespace promptcache::chaos
