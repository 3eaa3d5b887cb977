#include "cluster/transport/zmq_transport.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "cluster/transport/refusals.h"
#include "cluster/transport/timer_queue.h"
#include "cluster/transport/zap_handler.h"
#include "cluster/transport/zmq_socket.h"
#include "common/log.h"

namespace promptcache {
namespace {

// Of one socket, before timers and the others have their turn: one message may take milliseconds.
constexpr int kMessagesPerTurn = 64;
constexpr std::chrono::milliseconds kTimePerTurn{5};
constexpr size_t kFirstSocketItem = 2;  // of the poll set

// Rounded up, so that a timer is due when the wait ends.
int PollMillis(std::optional<SteadyTime> next, SteadyTime now) {
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - now);
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3'600'000));
}

pollfd Watch(int fd) { return {fd, POLLIN, 0}; }  // a negative one is passed over

}  // namespace

class ZmqTransport::Impl {
 public:
  Impl(ZmqTransportOptions options, std::unique_ptr<ZapHandler> zap, int wake_fd)
      : options_(std::move(options)), wake_fd_(wake_fd), zap_(std::move(zap)) {
    if (zap_) CheckKeys();
  }
  ~Impl() {
    Shutdown();
    close(wake_fd_);
  }

  void Run();
  void Stop();
  Result<SocketId> Add(Result<std::unique_ptr<ZmqSocket>> socket, MessageHandler handler);
  void Close(SocketId id);
  ZmqSocket* Find(SocketId id) const;
  Status Send(SocketId id, PeerId peer, Frames frames);
  void Post(std::function<void()> function);

  void ReloadKeys() {
    if (zap_) zap_->ReloadKeys();
  }

  const std::shared_ptr<TransportContext>& context() const { return options_.context; }
  const LinkSecurity& security() const { return options_.security; }
  template <typename Options>
  SocketOptions OptionsOf(const Options& options, uint32_t unread_messages) const {
    return {options.max_message_bytes, options.high_water_messages, unread_messages,
            options_.linger,           &options_.security,          zap_ ? &zap_->keys() : nullptr};
  }
  TimerQueue& timers() { return timers_; }
  SteadyTime Now() const { return options_.clock->Now(); }
  TransportCounters counters() const {
    return {bad_frames_,      sent_, received_, refusals_.failed_handshakes, refusals_.unknown_keys,
            refusals_.revoked};
  }

 private:
  struct Entry {
    SocketId id = 0;
    std::unique_ptr<ZmqSocket> socket;  // null once closed
    MessageHandler handler;
    bool may_have = true;  // something to be taken, although its descriptor says nothing
  };

  void Wake();
  void RunPosted();
  void RunTimers();
  void Poll();
  void RebuildPollSet();
  void Serve(Entry& entry);
  void CheckKeys();
  void Shutdown();

  const ZmqTransportOptions options_;
  const int wake_fd_;

  // Of the reactor thread.
  std::map<SocketId, std::shared_ptr<Entry>> sockets_;
  std::vector<std::shared_ptr<Entry>> polled_;  // an entry's place gives its items' places
  std::vector<pollfd> poll_items_;              // the wake-up, the keys, then two an entry
  bool zap_may_have_ = true;
  bool poll_set_is_old_ = true;
  SocketId last_socket_ = 0;
  TimerQueue timers_;
  std::unique_ptr<ZapHandler> zap_;  // null without an allowlist
  RefusalLog refusal_log_;

  Refusals refusals_;
  std::atomic<uint64_t> bad_frames_{0};
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> received_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  bool closed_ = false;                        // guarded by mutex_
};

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

void ZmqTransport::Impl::RebuildPollSet() {
  polled_.clear();
  poll_items_ = {Watch(wake_fd_), Watch(zap_ ? zap_->event_fd() : -1)};
  for (const auto& [id, entry] : sockets_) {
    polled_.push_back(entry);
    poll_items_.push_back(Watch(entry->socket->event_fd()));
    poll_items_.push_back(Watch(entry->socket->monitor_fd()));
  }
  poll_set_is_old_ = false;
}

// Not zmq_poll, which asks every socket each time, with system calls.
void ZmqTransport::Impl::Poll() {
  if (poll_set_is_old_) RebuildPollSet();
  const bool may_have =
      (zap_ && zap_may_have_) || std::any_of(polled_.begin(), polled_.end(), [](const auto& entry) {
        return entry->socket && entry->may_have;
      });
  const int wait_ms = may_have ? 0 : PollMillis(timers_.Next(), Now());
  if (::poll(poll_items_.data(), poll_items_.size(), wait_ms) < 0) {
    return;  // a signal interrupted the wait
  }
  if (poll_items_[0].revents != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t taken = read(wake_fd_, &count, sizeof(count));
  }
  if (zap_ && (zap_may_have_ || poll_items_[1].revents != 0)) {
    const ZapHandler::Served served = zap_->Serve(kMessagesPerTurn);
    refusals_.unknown_keys += served.refused;
    zap_may_have_ = !served.all;
  }
  for (size_t i = 0; i < polled_.size() && !stop_; ++i) {
    Entry& entry = *polled_[i];
    const pollfd* const items = &poll_items_[kFirstSocketItem + 2 * i];
    if (items[1].revents != 0 && entry.socket) {
      entry.socket->DrainMonitor();
      refusals_.failed_handshakes += entry.socket->TakeFailedHandshakes();
    }
    if (entry.may_have || items[0].revents != 0) Serve(entry);
  }
}

void ZmqTransport::Impl::Serve(Entry& entry) {
  const SteadyTime end = Now() + kTimePerTurn;
  for (int i = 0; i < kMessagesPerTurn && !stop_ && (i == 0 || Now() < end); ++i) {
    if (!entry.socket) return;  // its handler closed it
    Incoming incoming;
    incoming.socket = entry.id;
    switch (entry.socket->Receive(&incoming)) {
      case ZmqSocket::Received::kNothing:
        entry.may_have = false;
        return;
      case ZmqSocket::Received::kBad:
        ++bad_frames_;
        break;
      case ZmqSocket::Received::kRevoked:
        ++refusals_.revoked;
        break;
      case ZmqSocket::Received::kMessage:
        ++received_;
        entry.handler(std::move(incoming));
        break;
    }
  }
  entry.may_have = true;
}

Result<SocketId> ZmqTransport::Impl::Add(Result<std::unique_ptr<ZmqSocket>> socket,
                                         MessageHandler handler) {
  if (!socket.ok()) return socket.status();
  const SocketId id = ++last_socket_;
  auto entry = std::make_shared<Entry>();
  entry->id = id;
  entry->socket = std::move(*socket);
  entry->handler = std::move(handler);
  sockets_.emplace(id, std::move(entry));
  poll_set_is_old_ = true;
  return id;
}

void ZmqTransport::Impl::Close(SocketId id) {
  const auto it = sockets_.find(id);
  if (it == sockets_.end()) return;
  // The entry itself, with the handler that may be running, lives until the poll set is rebuilt.
  it->second->socket = nullptr;
  sockets_.erase(it);
  poll_set_is_old_ = true;
}

ZmqSocket* ZmqTransport::Impl::Find(SocketId id) const {
  const auto it = sockets_.find(id);
  return it == sockets_.end() ? nullptr : it->second->socket.get();
}

Status ZmqTransport::Impl::Send(SocketId id, PeerId peer, Frames frames) {
  const auto it = sockets_.find(id);
  if (it == sockets_.end()) return Unavailable("the socket is closed");
  it->second->may_have = true;  // sending takes in what its descriptor would tell of
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
  polled_.clear();
  for (const auto& [id, entry] : sockets) entry->socket = nullptr;
  zap_ = nullptr;
}

ZmqTransport::ZmqTransport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ZmqTransport::~ZmqTransport() = default;

Result<std::unique_ptr<ZmqTransport>> ZmqTransport::Create(ZmqTransportOptions options) {
  if (options.context == nullptr) options.context = TransportContext::Create();
  std::unique_ptr<ZapHandler> zap;
  if (options.security.own && !options.security.keys.empty()) {
    PC_ASSIGN_OR_RETURN(zap, ZapHandler::Open(options.context, options.security.keys));
  }
  if (options.security.allow_plaintext && !options.security.own) {
    Log(LogLevel::kWarning,
        "links beyond this machine are plain: whoever reaches them may read, "
        "forge and delete (security.allow_plaintext)");
  }
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    return Unavailable(
        "cannot open an event descriptor; raise the limit of open files (ulimit -n)");
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(zap), wake_fd);
  return std::unique_ptr<ZmqTransport>(new ZmqTransport(std::move(impl)));
}

Result<std::unique_ptr<ZmqTransport>> ZmqTransport::Create(
    std::shared_ptr<TransportContext> context) {
  return Create(ZmqTransportOptions{.context = std::move(context)});
}

void ZmqTransport::Run() { impl_->Run(); }
void ZmqTransport::Stop() { impl_->Stop(); }
void ZmqTransport::ReloadKeys() { impl_->ReloadKeys(); }
const KeyOwner* ZmqTransport::self() const {
  const auto& own = impl_->security().own;
  return own ? &own->owner : nullptr;
}
void ZmqTransport::Close(SocketId socket) { impl_->Close(socket); }
void ZmqTransport::Post(std::function<void()> function) { impl_->Post(std::move(function)); }
TransportCounters ZmqTransport::counters() const { return impl_->counters(); }

Result<SocketId> ZmqTransport::Listen(const ListenOptions& options, MessageHandler handler) {
  return impl_->Add(ZmqSocket::Listen(impl_->context(), options.endpoint,
                                      impl_->OptionsOf(options, options.unread_messages)),
                    std::move(handler));
}

Result<SocketId> ZmqTransport::Connect(const ConnectOptions& options, MessageHandler handler) {
  return impl_->Add(ZmqSocket::Connect(impl_->context(), options.endpoint,
                                       impl_->OptionsOf(options, options.high_water_messages)),
                    std::move(handler));
}

Result<std::string> ZmqTransport::BoundEndpoint(SocketId socket) const {
  const ZmqSocket* found = impl_->Find(socket);
  if (found == nullptr) return NotFound("no such socket");
  return found->endpoint();
}

Status ZmqTransport::Send(SocketId socket, PeerId peer, Frames frames) {
  return impl_->Send(socket, peer, std::move(frames));
}

TimerId ZmqTransport::After(std::chrono::milliseconds delay, std::function<void()> function) {
  return impl_->timers().Add(impl_->Now() + delay, std::move(function));
}

void ZmqTransport::CancelTimer(TimerId timer) { impl_->timers().Cancel(timer); }

}  // namespace promptcache
