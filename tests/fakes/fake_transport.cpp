#include "tests/fakes/fake_transport.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "cluster/transport/endpoint.h"

namespace promptcache::testing {
namespace {

std::pair<std::string, std::string> Ordered(const std::string& a, const std::string& b) {
  return a < b ? std::pair(a, b) : std::pair(b, a);
}

}  // namespace

FakeNetwork::EventKey FakeNetwork::AddEvent(FakeTransport* owner, SteadyTime when,
                                            std::function<void()> function) {
  const EventKey key(when, ++last_event_);
  events_.emplace(key, Event{owner, std::move(function)});
  return key;
}

void FakeNetwork::CollectPosted() {
  for (FakeTransport* transport : transports_) {
    std::vector<std::function<void()>> posted;
    {
      std::lock_guard lock(transport->mutex_);
      posted.swap(transport->posted_);
    }
    for (auto& function : posted) AddEvent(transport, clock_.Now(), std::move(function));
  }
}

bool FakeNetwork::Step() {
  CollectPosted();
  const auto it = events_.begin();
  if (it == events_.end() || it->first.first > clock_.Now()) return false;
  const auto function = std::move(it->second.function);
  events_.erase(it);
  function();
  return true;
}

void FakeNetwork::RunUntilIdle() {
  for (int steps = 0; Step(); ++steps) {
    if (steps < 1'000'000) continue;
    std::fprintf(stderr, "FakeNetwork: still busy after a million steps\n");
    std::abort();
  }
}

void FakeNetwork::Advance(std::chrono::milliseconds by) {
  const SteadyTime end = clock_.Now() + by;
  for (;;) {
    RunUntilIdle();
    if (events_.empty() || events_.begin()->first.first > end) break;
    clock_.Advance(events_.begin()->first.first - clock_.Now());
  }
  clock_.Advance(end - clock_.Now());
}

void FakeNetwork::Partition(const std::string& a, const std::string& b) {
  partitions_.insert(Ordered(a, b));
}
void FakeNetwork::Heal(const std::string& a, const std::string& b) {
  partitions_.erase(Ordered(a, b));
}

std::shared_ptr<FakeNetwork::Link> FakeNetwork::LinkOf(FakeTransport* client, SocketId socket) {
  for (const auto& link : links_) {
    if (link->client == client && link->client_socket == socket) return link;
  }
  const auto listener = listeners_.find(client->Find(socket)->endpoint);
  if (listener == listeners_.end()) return nullptr;
  auto link = std::make_shared<Link>(Link{.client = client,
                                          .client_socket = socket,
                                          .server = listener->second.first,
                                          .server_socket = listener->second.second,
                                          .peer = ++last_peer_});
  links_.push_back(link);
  return link;
}

std::shared_ptr<FakeNetwork::Link> FakeNetwork::LinkTo(FakeTransport* server, SocketId socket,
                                                       PeerId peer) {
  for (const auto& link : links_) {
    if (link->server == server && link->server_socket == socket && link->peer == peer) return link;
  }
  return nullptr;
}

Status FakeNetwork::Transmit(const std::shared_ptr<Link>& link, Toward toward, Frames frames) {
  const bool to_server = toward == Toward::kServer;
  FakeTransport* from = to_server ? link->client : link->server;
  FakeTransport* to = to_server ? link->server : link->client;
  const auto& sender = *from->Find(to_server ? link->client_socket : link->server_socket);
  uint32_t& queued = link->queued[static_cast<int>(toward)];
  if (queued >= sender.high_water_messages) {
    return Busy("the queue to '" + sender.endpoint + "' is full");
  }
  const Delivery delivery{from->name(), to->name(), frames};
  const Verdict verdict = filter_ ? filter_(delivery) : Verdict::kDeliver;
  if (verdict == Verdict::kDrop || partitions_.contains(Ordered(from->name(), to->name()))) {
    return {};
  }
  for (int copies = verdict == Verdict::kDuplicate ? 2 : 1; copies > 0; --copies) {
    ++queued;
    AddEvent(to, clock_.Now(), [this, link, toward, frames] { Deliver(link, toward, frames); });
  }
  return {};
}

void FakeNetwork::Deliver(const std::shared_ptr<Link>& link, Toward toward, const Frames& frames) {
  const bool to_server = toward == Toward::kServer;
  --link->queued[static_cast<int>(toward)];
  if (!link->is_open) return;
  const SocketId socket = to_server ? link->server_socket : link->client_socket;
  const auto* receiver = (to_server ? link->server : link->client)->Find(socket);
  if (std::max(frames.header.size(), frames.payload.size()) > receiver->max_message_bytes) {
    link->is_open = false;
    std::erase(links_, link);
    return;
  }
  const auto& key = link->client->key_;
  if (to_server && key && key->revoked()) return;
  ++delivered_;
  const auto handler = receiver->handler;  // it may close its own socket
  (*handler)({.socket = socket,
              .peer = to_server ? link->peer : 0,
              .frames = frames,
              .key = to_server ? key : nullptr});
}

void FakeNetwork::CloseLinks(FakeTransport* transport, SocketId socket) {
  std::erase_if(links_, [&](const auto& link) {
    const bool ends = (link->client == transport && link->client_socket == socket) ||
                      (link->server == transport && link->server_socket == socket);
    if (ends) link->is_open = false;
    return ends;
  });
}

void FakeNetwork::Forget(FakeTransport* transport) {
  std::erase(transports_, transport);
  std::erase_if(events_, [&](const auto& event) { return event.second.owner == transport; });
}

FakeTransport::FakeTransport(FakeNetwork& network, std::string name)
    : network_(network), name_(std::move(name)) {
  network_.transports_.push_back(this);
}

FakeTransport::~FakeTransport() {
  while (!sockets_.empty()) Close(sockets_.begin()->first);
  network_.Forget(this);
}

FakeTransport::Socket* FakeTransport::Find(SocketId socket) {
  const auto it = sockets_.find(socket);
  return it == sockets_.end() ? nullptr : &it->second;
}

Result<SocketId> FakeTransport::Listen(const ListenOptions& options, MessageHandler handler) {
  PC_RETURN_IF_ERROR(
      ParseEndpoint(options.endpoint, EndpointUse::kListen, Reach::kLoopback).status());
  std::string endpoint = options.endpoint;
  if (endpoint.ends_with(":*")) {
    endpoint.replace(endpoint.size() - 1, 1, std::to_string(++network_.last_port_));
  }
  if (network_.listeners_.contains(endpoint)) {
    return Unavailable("cannot listen on '" + endpoint + "': the address is in use");
  }
  const SocketId id = ++last_socket_;
  network_.listeners_[endpoint] = {this, id};
  sockets_[id] = {.endpoint = endpoint,
                  .listens = true,
                  .max_message_bytes = options.max_message_bytes,
                  .high_water_messages = options.high_water_messages,
                  .handler = std::make_shared<MessageHandler>(std::move(handler))};
  return id;
}

Result<std::string> FakeTransport::BoundEndpoint(SocketId socket) const {
  const auto it = sockets_.find(socket);
  if (it == sockets_.end()) return NotFound("no such socket");
  return it->second.endpoint;
}

Result<SocketId> FakeTransport::Connect(const ConnectOptions& options, MessageHandler handler) {
  PC_RETURN_IF_ERROR(
      ParseEndpoint(options.endpoint, EndpointUse::kConnect, Reach::kLoopback).status());
  const SocketId id = ++last_socket_;
  sockets_[id] = {.endpoint = options.endpoint,
                  .max_message_bytes = options.max_message_bytes,
                  .high_water_messages = options.high_water_messages,
                  .handler = std::make_shared<MessageHandler>(std::move(handler))};
  return id;
}

void FakeTransport::Close(SocketId socket) {
  const auto it = sockets_.find(socket);
  if (it == sockets_.end()) return;
  if (it->second.listens) network_.listeners_.erase(it->second.endpoint);
  network_.CloseLinks(this, socket);
  sockets_.erase(it);
}

Status FakeTransport::Send(SocketId socket, PeerId peer, Frames frames) {
  const Socket* own = Find(socket);
  if (own == nullptr) return Unavailable("the socket is closed");
  if (frames.header.empty()) return InvalidArgument("a message needs a header");
  if (std::max(frames.header.size(), frames.payload.size()) > own->max_message_bytes) {
    return ResourceExhausted("a frame is over the limit " + std::to_string(own->max_message_bytes));
  }
  const auto link =
      own->listens ? network_.LinkTo(this, socket, peer) : network_.LinkOf(this, socket);
  if (link == nullptr) return Unavailable("'" + own->endpoint + "': nobody is there");
  const auto toward = own->listens ? FakeNetwork::Toward::kClient : FakeNetwork::Toward::kServer;
  return network_.Transmit(link, toward, std::move(frames));
}

TimerId FakeTransport::After(std::chrono::milliseconds delay, std::function<void()> function) {
  const TimerId id = ++last_timer_;
  timers_[id] = network_.AddEvent(this, network_.clock_.Now() + delay,
                                  [this, id, function = std::move(function)] {
                                    timers_.erase(id);
                                    function();
                                  });
  return id;
}

void FakeTransport::CancelTimer(TimerId timer) {
  const auto it = timers_.find(timer);
  if (it == timers_.end()) return;
  network_.events_.erase(it->second);
  timers_.erase(it);
}

void FakeTransport::Post(std::function<void()> function) {
  std::lock_guard lock(mutex_);
  posted_.push_back(std::move(function));
}

}  // namespace promptcache::testing
