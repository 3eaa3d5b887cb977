// Frames between processes. One reactor thread per process owns all sockets; everything else talks
// to it by Post. Two implementations: ZmqTransport (zmq_transport.h) and FakeTransport
// (tests/fakes).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cluster/transport/key_owner.h"
#include "common/status.h"

namespace promptcache {

// Bytes with an owner: what arrives keeps the received message alive, what is sent keeps its source
// alive until the transport is done with it. Copying shares the bytes. May lie at any alignment.
class Frame {
 public:
  Frame() = default;
  // Owns a copy.
  static Frame Copy(std::span<const uint8_t> bytes);
  static Frame Own(std::vector<uint8_t> bytes);
  // Shares: `owner` lives until the last Frame is gone (which may be on an I/O thread).
  static Frame Share(std::shared_ptr<const void> owner, std::span<const uint8_t> bytes);

  std::span<const uint8_t> bytes() const { return bytes_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const uint8_t> bytes_;
};

// A message as the transport sees it: one header frame (an encoded Envelope) and at most one
// payload.
struct Frames {
  Frame header;
  Frame payload;
};

// A listening or connecting socket. Never reused within a process.
using SocketId = uint64_t;
// A peer of a listening socket, as the transport routes to it. Meaningless after the peer is gone;
// 0 for the one peer of a connecting socket.
using PeerId = uint64_t;

struct Incoming {
  SocketId socket = 0;
  PeerId peer = 0;
  Frames frames;
  // Of a listener whose links are authenticated: whose key the peer has proved to have. Else null.
  std::shared_ptr<const PeerKey> key;
};
using MessageHandler = std::function<void(Incoming)>;

struct ListenOptions {
  std::string endpoint;  // tcp://127.0.0.1:* | tcp://127.0.0.1:7420 | ipc://path | inproc://name,
                         // as ParseEndpointFor says
  uint64_t max_message_bytes = 4 << 20;  // a peer that announces more is dropped by the transport
  uint32_t high_water_messages = 1000;   // a fuse; byte budgets are the protocol's business
  // Complete messages of one peer that were not taken yet; then its connection is read no further
  // until half of them are. Few bound what a peer can make this side hold, and cost it half as much
  // time again for each message of a flood.
  uint32_t unread_messages = 1000;
};
struct ConnectOptions {
  std::string endpoint;
  uint64_t max_message_bytes = 4 << 20;
  uint32_t high_water_messages = 1000;
};

using TimerId = uint64_t;

// What components built on the transport use. Every method but Post must be called on the reactor
// thread (in a handler, a timer or a posted function), or before the reactor runs.
class Transport {
 public:
  virtual ~Transport() = default;

  // Opens a ROUTER. kInvalidArgument for an endpoint that is not one, leads beyond loopback while
  // links are plain, or names another key; kUnavailable when the address is in use.
  virtual Result<SocketId> Listen(const ListenOptions& options, MessageHandler handler) = 0;
  // The endpoint a listening socket is bound to, with the port that "*" became and, where links
  // have keys, its own behind it: what others connect to.
  virtual Result<std::string> BoundEndpoint(SocketId socket) const = 0;
  // Opens a DEALER. Connecting goes on in the background; messages are not queued before it
  // succeeds.
  virtual Result<SocketId> Connect(const ConnectOptions& options, MessageHandler handler) = 0;
  virtual void Close(SocketId socket) = 0;

  // kUnavailable: the peer is gone or not connected yet. kBusy: its queue is full.
  virtual Status Send(SocketId socket, PeerId peer, Frames frames) = 0;

  virtual TimerId After(std::chrono::milliseconds delay, std::function<void()> function) = 0;
  virtual void CancelTimer(TimerId timer) = 0;

  // Runs `function` on the reactor thread. From any thread. Dropped when the reactor has stopped.
  virtual void Post(std::function<void()> function) = 0;

  // Whom this process's key stands for; null: its links are plain. From any thread.
  virtual const KeyOwner* self() const = 0;
};

}  // namespace promptcache
