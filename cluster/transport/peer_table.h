// The listening side of links: greets back, keeps track of who is there, drops who is silent or
// speaks garbage.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster/transport/transport.h"
#include "cluster/transport/unsent_bytes.h"
#include "cluster/wire/messages.h"
#include "common/status.h"

namespace promptcache {

struct PeerTableOptions {
  std::string name;    // told to peers
  uint64_t epoch = 0;  // start time of this process in ns
  std::chrono::milliseconds heartbeat{500};
  std::chrono::milliseconds lease{3'000};
  // More are refused. Where links have keys, one name and one tenant get at most a quarter of these
  // places each, and an eighth is for admins, who are held to neither.
  size_t max_peers = 4'096;
  // Of what was sent and has not left, of all peers together, as UnsentBytes says.
  uint64_t max_unsent_bytes = UINT64_MAX;
  // Optional: a failure refuses the peer with this status.
  std::function<Status(const Hello&)> admit;
};

struct PeerInfo {
  PeerId id = 0;
  Hello hello;
  uint16_t version = kWireVersion;
  // Whose key the link has, with the tenant; role and name are those of `hello`. Null: the link is
  // not authenticated, and `hello` is what the peer says.
  std::shared_ptr<const PeerKey> key;

  // Of the key, never of a message. Empty: none of its own.
  const std::string& tenant() const;
};

// All are optional and called on the reactor thread; they may call the table. on_down follows every
// on_up exactly once, except when the table itself goes.
struct PeerEvents {
  std::function<void(const PeerInfo&)> on_up;
  std::function<void(const PeerInfo&, const Status& why)> on_down;
  // Everything but greetings and heartbeats, from peers that are up.
  std::function<void(const PeerInfo&, Envelope, Frame payload)> on_message;
};

struct PeerCounters {
  uint64_t bad_messages = 0;  // did not decode; their senders were dropped
  uint64_t strangers = 0;     // messages from peers that have not said hello
  uint64_t refused = 0;       // greetings
  uint64_t expired = 0;       // leases
  uint64_t impostors = 0;     // greetings in another name or role than the key's; also refused
  uint64_t forbidden = 0;     // messages that a role may not send; their senders were dropped
  uint64_t revoked = 0;       // peers that were dropped because their key is not allowed any more
};

// Belongs to the reactor thread. The transport must outlive it.
class PeerTable {
 public:
  PeerTable(Transport& transport, PeerTableOptions options, PeerEvents events);
  ~PeerTable();
  PeerTable(const PeerTable&) = delete;
  PeerTable& operator=(const PeerTable&) = delete;

  // The bound endpoint. Errors as Transport::Listen. Call once.
  Result<std::string> Listen(const ListenOptions& options);
  // Tells those who greet from now on, as HelloAck has it.
  void OfferStreams(uint16_t port, const RequestId& token);

  // kUnavailable for peers that are not up; kBusy when too much of what was sent to it has not
  // left; else as Transport::Send.
  Status Send(PeerId peer, const Envelope& envelope, Frame payload = {});
  // kBusy when the largest message may be one too many, unless all that was sent to it has left:
  // for who is asked to make a large one.
  Status CheckRoom(PeerId peer) const { return unsent_.CheckRoom(peer, max_frame_bytes_); }
  // Forgets the peer, telling it why. Calls on_down. Unknown peers are ignored.
  void Drop(PeerId peer, const Status& why);

  size_t size() const { return peers_.size(); }
  std::vector<PeerId> peers() const;
  const PeerInfo* Find(PeerId peer) const;
  const PeerCounters& counters() const { return counters_; }

 private:
  struct Peer {
    std::shared_ptr<const PeerInfo> info;  // shared with callbacks, which may drop the peer
    bool heard = true;
    std::chrono::milliseconds silent{0};
  };

  void Handle(Incoming incoming);
  void HandleHello(const Incoming& from, const RequestId& request_id, const Hello& hello);
  Status Admit(const PeerKey* key, const Hello& hello);
  Status CheckPlaces(const PeerKey* key) const;
  // False: the peer was dropped, because of what it sent or because of its key.
  bool HoldToKey(const PeerInfo& info, const Message& body);
  void DropRevoked(PeerId id);
  void HandleStranger(PeerId id, const Message& body);
  void Tick();
  void Remove(PeerId id, const Status& why);
  Status SendNow(PeerId id, const Envelope& envelope, Frame payload);
  void Complain(PeerId id, const Status& why);

  Transport& transport_;
  const PeerTableOptions options_;
  const PeerEvents events_;
  SocketId socket_ = 0;
  TimerId timer_ = 0;
  uint64_t max_frame_bytes_ = 0;
  uint16_t stream_port_ = 0;
  RequestId stream_token_;
  std::map<PeerId, Peer> peers_;
  // Of these, by what their keys stand for.
  std::map<std::string, size_t> of_name_;
  std::map<std::string, size_t> of_tenant_;
  UnsentBytes unsent_;
  PeerCounters counters_;
};

}  // namespace promptcache
