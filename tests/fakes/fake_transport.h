// Transports in memory on one network, with time and delivery in the hands of the test.
//
//   FakeNetwork network;
//   FakeTransport server(network, "server"), client(network, "client");
//   ... Listen, Connect, Send ...
//   network.RunUntilIdle();                  // delivers everything that is due
//   network.Advance(milliseconds(500));      // fires timers on the way, in order
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/transport/transport.h"
#include "tests/fakes/fake_clock.h"

namespace promptcache::testing {

class FakeTransport;

// Not thread safe, except for Post of its transports. Outlives its transports.
class FakeNetwork {
 public:
  enum class Verdict { kDeliver, kDrop, kDuplicate };
  struct Delivery {
    std::string from;  // names of transports
    std::string to;
    const Frames& frames;
  };

  const FakeClock& clock() const { return clock_; }

  // Runs the next delivery, timer or posted function that is due now. False when there is none.
  bool Step();
  // Steps until nothing is due now. Aborts after a million steps: two parts then feed each other.
  void RunUntilIdle();
  // Moves time forward, running what becomes due in order and what follows from it.
  void Advance(std::chrono::milliseconds by);

  // Asked once for every message sent; what it says happens when the message would be delivered.
  void SetFilter(std::function<Verdict(const Delivery&)> filter) { filter_ = std::move(filter); }
  // Messages between the two vanish without an error, as on a broken cable.
  void Partition(const std::string& a, const std::string& b);
  void Heal(const std::string& a, const std::string& b);

  uint64_t delivered() const { return delivered_; }

 private:
  friend class FakeTransport;

  enum class Toward { kServer = 0, kClient = 1 };
  struct Event {
    FakeTransport* owner = nullptr;  // its end removes the event
    std::function<void()> function;
  };
  using EventKey = std::pair<SteadyTime, uint64_t>;
  struct Link {
    FakeTransport* client = nullptr;
    SocketId client_socket = 0;
    FakeTransport* server = nullptr;
    SocketId server_socket = 0;
    PeerId peer = 0;
    uint32_t queued[2] = {0, 0};  // to the server, to the client
    bool is_open = true;
  };

  EventKey AddEvent(FakeTransport* owner, SteadyTime when, std::function<void()> function);
  void CollectPosted();
  std::shared_ptr<Link> LinkOf(FakeTransport* client, SocketId socket);
  std::shared_ptr<Link> LinkTo(FakeTransport* server, SocketId socket, PeerId peer);
  Status Transmit(const std::shared_ptr<Link>& link, Toward toward, Frames frames);
  void Deliver(const std::shared_ptr<Link>& link, Toward toward, const Frames& frames);
  void Forget(FakeTransport* transport);
  void CloseLinks(FakeTransport* transport, SocketId socket);

  FakeClock clock_;
  std::map<EventKey, Event> events_;
  uint64_t last_event_ = 0;
  std::vector<FakeTransport*> transports_;
  std::map<std::string, std::pair<FakeTransport*, SocketId>> listeners_;
  std::vector<std::shared_ptr<Link>> links_;
  std::set<std::pair<std::string, std::string>> partitions_;
  std::function<Verdict(const Delivery&)> filter_;
  PeerId last_peer_ = 0;
  int last_port_ = 10'000;
  uint64_t delivered_ = 0;
};

// Behaves as ZmqTransport does: nothing is queued for a listener that is not there, a restarted
// listener is reached again, a frame over the receiver's limit cuts the link, a full queue is busy,
// nothing comes from who has a revoked key.
// Its destruction is the death of its process.
class FakeTransport final : public Transport {
 public:
  FakeTransport(FakeNetwork& network, std::string name);
  ~FakeTransport() override;

  Result<SocketId> Listen(const ListenOptions& options, MessageHandler handler) override;
  Result<std::string> BoundEndpoint(SocketId socket) const override;
  Result<SocketId> Connect(const ConnectOptions& options, MessageHandler handler) override;
  void Close(SocketId socket) override;
  Status Send(SocketId socket, PeerId peer, Frames frames) override;
  TimerId After(std::chrono::milliseconds delay, std::function<void()> function) override;
  void CancelTimer(TimerId timer) override;
  void Post(std::function<void()> function) override;
  const KeyOwner* self() const override { return key_ ? &key_->owner() : nullptr; }

  const std::string& name() const { return name_; }
  // As if this process had proved from now on to have the key: with it, others see its messages
  // come, until the key is revoked.
  void SetKey(std::shared_ptr<PeerKey> key) { key_ = std::move(key); }

 private:
  friend class FakeNetwork;

  struct Socket {
    std::string endpoint;
    bool listens = false;
    uint64_t max_message_bytes = 0;
    uint32_t high_water_messages = 0;
    std::shared_ptr<MessageHandler> handler;
  };

  Socket* Find(SocketId socket);

  FakeNetwork& network_;
  const std::string name_;
  std::shared_ptr<PeerKey> key_;
  std::map<SocketId, Socket> sockets_;
  SocketId last_socket_ = 0;
  std::map<TimerId, FakeNetwork::EventKey> timers_;
  TimerId last_timer_ = 0;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
};

}  // namespace promptcache::testing
