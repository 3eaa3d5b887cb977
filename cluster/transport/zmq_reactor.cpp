#include "cluster/transport/zmq_reactor.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>

namespace promptcache {
namespace {

// Of one socket, before timers and the others have their turn: one message may take milliseconds.
constexpr int kMessagesPerTurn = 64;
constexpr std::chrono::milliseconds kTimePerTurn{5};
// Of the ready set; a socket's id, which begins at 1, gives its tokens and its monitor's.
constexpr uint64_t kWakeToken = 0;
constexpr uint64_t kKeysToken = 1;
uint64_t TokenOf(SocketId id) { return id << 1; }
uint64_t MonitorTokenOf(SocketId id) { return TokenOf(id) | 1; }
SocketId SocketOf(uint64_t token) { return token >> 1; }
bool IsMonitor(uint64_t token) { return (token & 1) != 0; }

// Rounded up, so that a timer is due when the wait ends.
int WaitMillis(std::optional<SteadyTime> next, SteadyTime now) {
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - now);
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3'600'000));
}

}  // namespace

ZmqTransport::Impl::~Impl() {
  Shutdown();
  close(wake_fd_);
}

void ZmqTransport::Impl::Wake() {
  const uint64_t one = 1;
  // The only failure is a full counter: then the reactor is awake.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void ZmqTransport::Impl::Post(std::function<void()> function) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    posted_.push_back(std::move(function));
    if (posted_.size() > 1) return;
  }
  Wake();
}

void ZmqTransport::Impl::Stop() {
  stop_ = true;
  Wake();
}

Status ZmqTransport::Impl::WatchOwn() {
  PC_RETURN_IF_ERROR(ready_set_.Add(wake_fd_, kWakeToken));
  return ready_set_.Add(zap_ ? zap_->event_fd() : -1, kKeysToken);
}

void ZmqTransport::Impl::Run() {
  while (!stop_) {
    RunPosted();
    RunTimers();
    if (!stop_) Poll();
  }
  Shutdown();
}

void ZmqTransport::Impl::RunPosted() {
  std::vector<std::function<void()>> functions;
  {
    std::lock_guard lock(mutex_);
    functions.swap(posted_);
  }
  for (auto& function : functions) {
    if (stop_) return;
    function();
    function = nullptr;
  }
}

void ZmqTransport::Impl::RunTimers() {
  const SteadyTime now = Now();
  const TimerId before = timers_.next_id();
  while (!stop_) {
    const auto function = timers_.PopDue(now, before);
    if (!function) return;
    (*function)();
  }
}

// Not zmq_poll, which asks every socket each time, with system calls.
void ZmqTransport::Impl::Poll() {
  const bool may_have = !turn_.empty() || (zap_ && zap_may_have_);
  const int wait_ms = may_have ? 0 : WaitMillis(timers_.Next(), Now());
  for (const uint64_t token : ready_set_.Wait(wait_ms)) TakeReady(token);
  if (zap_ && zap_may_have_) ServeKeys();
  for (const EntryPtr& entry : std::exchange(turn_, {})) {
    if (stop_) return;
    Serve(entry);
  }
}

void ZmqTransport::Impl::TakeReady(uint64_t token) {
  if (token == kWakeToken) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t taken = read(wake_fd_, &count, sizeof(count));
    return;
  }
  if (token == kKeysToken) {
    zap_may_have_ = true;
    return;
  }
  const auto found = sockets_.find(SocketOf(token));
  if (found == sockets_.end()) return;
  if (!IsMonitor(token)) return PutInTurn(found->second);
  found->second->socket->DrainMonitor();
  refusals_.failed_handshakes += found->second->socket->TakeFailedHandshakes();
}

void ZmqTransport::Impl::PutInTurn(const EntryPtr& entry) {
  if (std::exchange(entry->in_turn, true)) return;
  turn_.push_back(entry);
}

void ZmqTransport::Impl::ServeKeys() {
  const ZapHandler::Served served = zap_->Serve(kMessagesPerTurn);
  refusals_.unknown_keys += served.refused;
  zap_may_have_ = !served.all;
}

void ZmqTransport::Impl::Serve(const EntryPtr& entry) {
  const SteadyTime end = Now() + kTimePerTurn;
  for (int i = 0; i < kMessagesPerTurn && !stop_ && (i == 0 || Now() < end); ++i) {
    if (!entry->socket) return;  // its handler closed it
    Incoming incoming;
    incoming.socket = entry->id;
    switch (entry->socket->Receive(&incoming)) {
      case ZmqSocket::Received::kNothing:  // nor from what its handler has sent on it
        entry->in_turn = false;
        return;
      case ZmqSocket::Received::kBad:
        ++bad_frames_;
        break;
      case ZmqSocket::Received::kRevoked:
        ++refusals_.revoked;
        break;
      case ZmqSocket::Received::kMessage:
        ++received_;
        entry->handler(std::move(incoming));
        break;
    }
  }
  turn_.push_back(entry);
}

Result<SocketId> ZmqTransport::Impl::Add(Result<std::unique_ptr<ZmqSocket>> socket,
                                         MessageHandler handler) {
  if (!socket.ok()) return socket.status();
  const SocketId id = ++last_socket_;
  auto entry = std::make_shared<Entry>();
  entry->id = id;
  entry->socket = std::move(*socket);
  entry->handler = std::move(handler);
  entry->event_fd = entry->socket->event_fd();
  entry->monitor_fd = entry->socket->monitor_fd();
  PC_RETURN_IF_ERROR(ready_set_.Add(entry->event_fd, TokenOf(id)));
  if (Status status = ready_set_.Add(entry->monitor_fd, MonitorTokenOf(id)); !status.ok()) {
    ready_set_.Remove(entry->event_fd);
    return status;
  }
  PutInTurn(entry);
  sockets_.emplace(id, std::move(entry));
  return id;
}

void ZmqTransport::Impl::Close(SocketId id) {
  const auto it = sockets_.find(id);
  if (it == sockets_.end()) return;
  ready_set_.Remove(it->second->event_fd);
  ready_set_.Remove(it->second->monitor_fd);
  it->second->socket = nullptr;
  PutInTurn(it->second);  // its handler may be running, or own who closes it
  sockets_.erase(it);
}

ZmqSocket* ZmqTransport::Impl::Find(SocketId id) const {
  const auto it = sockets_.find(id);
  return it == sockets_.end() ? nullptr : it->second->socket.get();
}

Status ZmqTransport::Impl::Send(SocketId id, PeerId peer, Frames frames) {
  const auto it = sockets_.find(id);
  if (it == sockets_.end()) return Unavailable("the socket is closed");
  PutInTurn(it->second);  // sending takes in what its descriptor would tell of
  Status status = it->second->socket->Send(peer, std::move(frames));
  if (status.ok()) ++sent_;
  return status;
}

// A timer: looks after the allowlist again and again.
void ZmqTransport::Impl::CheckKeys() {
  if (zap_->KeysAreStale()) zap_->ReloadKeys();
  refusal_log_.Write(refusals_, zap_->last_refused());
  timers_.Add(Now() + options_.key_check, [this] { CheckKeys(); });
}

void ZmqTransport::Impl::Shutdown() {
  std::vector<std::function<void()>> dropped;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(posted_);
  }
  // Moved out first: what they hold may call the transport while it goes.
  const auto timers = std::exchange(timers_, TimerQueue());
  const auto sockets = std::exchange(sockets_, {});
  const auto turn = std::exchange(turn_, {});
  for (const auto& [id, entry] : sockets) entry->socket = nullptr;
  zap_ = nullptr;
}

}  // namespace promptcache
