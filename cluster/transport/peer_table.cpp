#include "cluster/transport/peer_table.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cluster/wire/codec.h"
#include "cluster/wire/roles.h"

namespace promptcache {
namespace {

constexpr size_t kShares = 4;       // of the places: a name and a tenant get one each
constexpr size_t kAdminShares = 8;  // of the places: one is for admins

// Whether its key holds a peer to a share.
bool IsBound(const PeerKey* key) { return key != nullptr && key->owner().role != PeerRole::kAdmin; }

Status CheckShare(const std::map<std::string, size_t>& taken, const std::string& by,
                  std::string_view what, size_t limit) {
  const auto found = taken.find(by);
  if (found == taken.end() || found->second < limit) return {};
  return ResourceExhausted(std::string(what) + " '" + by + "' has " +
                           std::to_string(found->second) + " links, as many as one may have");
}

void Uncount(std::map<std::string, size_t>& taken, const std::string& by) {
  const auto found = taken.find(by);
  if (--found->second == 0) taken.erase(found);
}

}  // namespace

const std::string& PeerInfo::tenant() const {
  static const std::string kNone;
  return key ? key->owner().tenant : kNone;
}

PeerTable::PeerTable(Transport& transport, PeerTableOptions options, PeerEvents events)
    : transport_(transport),
      options_(std::move(options)),
      events_(std::move(events)),
      unsent_(options_.max_unsent_bytes) {}

PeerTable::~PeerTable() {
  transport_.CancelTimer(timer_);
  if (socket_ != 0) transport_.Close(socket_);
}

Result<std::string> PeerTable::Listen(const ListenOptions& options) {
  PC_ASSIGN_OR_RETURN(socket_,
                      transport_.Listen(options, [this](Incoming in) { Handle(std::move(in)); }));
  max_frame_bytes_ = options.max_message_bytes;
  timer_ = transport_.After(options_.heartbeat, [this] { Tick(); });
  return transport_.BoundEndpoint(socket_);
}

const PeerInfo* PeerTable::Find(PeerId peer) const {
  const auto it = peers_.find(peer);
  return it == peers_.end() ? nullptr : it->second.info.get();
}

std::vector<PeerId> PeerTable::peers() const {
  std::vector<PeerId> ids;
  for (const auto& [id, peer] : peers_) ids.push_back(id);
  return ids;
}

Status PeerTable::SendNow(PeerId id, const Envelope& envelope, Frame payload) {
  PC_ASSIGN_OR_RETURN(Frame header, unsent_.Count(id, Frame::Own(EncodeEnvelope(envelope))));
  PC_ASSIGN_OR_RETURN(payload, unsent_.Count(id, std::move(payload)));
  return transport_.Send(socket_, id, {.header = std::move(header), .payload = std::move(payload)});
}

void PeerTable::OfferStreams(uint16_t port, const RequestId& token) {
  stream_port_ = port;
  stream_token_ = token;
}

Status PeerTable::Send(PeerId peer, const Envelope& envelope, Frame payload) {
  if (!peers_.contains(peer)) return Unavailable("the peer is gone");
  return SendNow(peer, envelope, std::move(payload));
}

// With a zero request id: it is about the link. A peer that cannot be reached needs no complaint.
void PeerTable::Complain(PeerId id, const Status& why) {
  (void)SendNow(id, {.body = Reply{.code = why.code(), .message = why.message()}}, {});
}

void PeerTable::Drop(PeerId peer, const Status& why) {
  if (!peers_.contains(peer)) return;
  Complain(peer, why);
  Remove(peer, why);
}

void PeerTable::Remove(PeerId id, const Status& why) {
  const auto it = peers_.find(id);
  if (it == peers_.end()) return;
  const auto info = it->second.info;
  peers_.erase(it);
  if (IsBound(info->key.get())) {
    Uncount(of_name_, info->key->owner().name);
    Uncount(of_tenant_, info->key->owner().tenant);
  }
  if (events_.on_down) events_.on_down(*info, why);
}

void PeerTable::Handle(Incoming incoming) {
  auto envelope = DecodeEnvelope(incoming.frames.header.bytes());
  if (!envelope.ok()) {
    ++counters_.bad_messages;
    // Strangers are told too: it may be a greeting in another version of the protocol.
    Complain(incoming.peer, envelope.status());
    return Remove(incoming.peer, envelope.status());
  }
  if (const auto* hello = std::get_if<Hello>(&envelope->body)) {
    return HandleHello(incoming, envelope->request_id, *hello);
  }
  const auto it = peers_.find(incoming.peer);
  if (it == peers_.end()) return HandleStranger(incoming.peer, envelope->body);
  const auto info = it->second.info;
  if (!HoldToKey(*info, envelope->body)) return;
  it->second.heard = true;
  if (std::holds_alternative<Ping>(envelope->body)) {
    const Status sent = SendNow(incoming.peer, {.body = Pong{}}, {});
    if (sent.code() == Code::kUnavailable) Remove(incoming.peer, sent);
    return;
  }
  if (std::holds_alternative<Pong>(envelope->body)) return;
  if (!events_.on_message) return;
  events_.on_message(*info, std::move(*envelope), std::move(incoming.frames.payload));
}

bool PeerTable::HoldToKey(const PeerInfo& info, const Message& body) {
  if (!info.key) return true;
  if (info.key->revoked()) {
    DropRevoked(info.id);
    return false;
  }
  if (MaySend(info.hello.role, body)) return true;
  ++counters_.forbidden;
  Drop(info.id, FailedPrecondition("a peer of the role " + std::string(RoleName(info.hello.role)) +
                                   " may not send " + std::string(MessageName(body))));
  return false;
}

void PeerTable::DropRevoked(PeerId id) {
  ++counters_.revoked;
  Drop(id, FailedPrecondition("the key of this link is not allowed any more"));
}

Status PeerTable::Admit(const PeerKey* key, const Hello& hello) {
  if (key != nullptr && (hello.role != key->owner().role || hello.name != key->owner().name)) {
    ++counters_.impostors;
    return FailedPrecondition("the key of this link is of the " +
                              std::string(RoleName(key->owner().role)) + " '" + key->owner().name +
                              "', and the greeting of the " + std::string(RoleName(hello.role)) +
                              " '" + hello.name + "'");
  }
  if (hello.min_version > kWireVersion || hello.max_version < kWireVersion) {
    return FailedPrecondition("it speaks protocol versions " + std::to_string(hello.min_version) +
                              " to " + std::to_string(hello.max_version) + ", here it is " +
                              std::to_string(kWireVersion));
  }
  PC_RETURN_IF_ERROR(CheckPlaces(key));
  return options_.admit ? options_.admit(hello) : Status();
}

Status PeerTable::CheckPlaces(const PeerKey* key) const {
  const size_t for_admins = IsBound(key) ? options_.max_peers / kAdminShares : 0;
  const size_t limit = options_.max_peers - for_admins;
  if (peers_.size() >= limit) {
    return ResourceExhausted("the limit of " + std::to_string(limit) + " peers is reached");
  }
  if (!IsBound(key)) return {};
  const size_t share = std::max<size_t>(1, options_.max_peers / kShares);
  const KeyOwner& owner = key->owner();
  PC_RETURN_IF_ERROR(CheckShare(of_name_, owner.name, RoleName(owner.role), share));
  // Who has no tenant of its own shares nothing with the others who have none.
  if (owner.tenant.empty()) return {};
  return CheckShare(of_tenant_, owner.tenant, "the tenant", share);
}

void PeerTable::HandleHello(const Incoming& from, const RequestId& request_id, const Hello& hello) {
  const PeerId id = from.peer;
  Remove(id, Unavailable("the peer started anew"));
  if (const Status refused = Admit(from.key.get(), hello); !refused.ok()) {
    ++counters_.refused;
    return Complain(id, refused);
  }
  const HelloAck ack{.version = kWireVersion,
                     .name = options_.name,
                     .epoch = options_.epoch,
                     .heartbeat_ms = static_cast<uint32_t>(options_.heartbeat.count()),
                     .lease_ms = static_cast<uint32_t>(options_.lease.count()),
                     .max_frame_bytes = max_frame_bytes_,
                     .stream_port = stream_port_,
                     .stream_token = stream_token_};
  if (!SendNow(id, {.request_id = request_id, .body = ack}, {}).ok()) return;  // gone already
  const auto info = std::make_shared<const PeerInfo>(
      PeerInfo{.id = id, .hello = hello, .version = kWireVersion, .key = from.key});
  peers_[id] = {.info = info};
  if (IsBound(info->key.get())) {
    ++of_name_[info->key->owner().name];
    ++of_tenant_[info->key->owner().tenant];
  }
  if (events_.on_up) events_.on_up(*info);
}

void PeerTable::HandleStranger(PeerId id, const Message& body) {
  ++counters_.strangers;
  // Answers to answers would go on forever between two that have both forgotten.
  if (std::holds_alternative<Reply>(body) || std::holds_alternative<Pong>(body)) return;
  Complain(id, FailedPrecondition("say hello first"));
}

void PeerTable::Tick() {
  std::vector<PeerId> expired;
  std::vector<PeerId> revoked;
  for (auto& [id, peer] : peers_) {
    if (peer.info->key && peer.info->key->revoked()) revoked.push_back(id);
    peer.silent = peer.heard ? std::chrono::milliseconds(0) : peer.silent + options_.heartbeat;
    peer.heard = false;
    if (peer.silent >= options_.lease) expired.push_back(id);
  }
  timer_ = transport_.After(options_.heartbeat, [this] { Tick(); });
  for (const PeerId id : revoked) DropRevoked(id);
  for (const PeerId id : expired) {
    ++counters_.expired;
    Drop(id, Unavailable("silent for " + std::to_string(options_.lease.count()) + " ms"));
  }
}

}  // namespace promptcache
