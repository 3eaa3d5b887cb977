#include "cachestore/service/remote_link.h"

#include "cachestore/service/wire.h"

namespace promptcache {
namespace {

// What a message without payload counts in a mailbox.
constexpr uint64_t kMessageOverhead = 256;

uint64_t CostOf(const Result<RemoteMessage>& message) {
  return kMessageOverhead + (message.ok() ? message->payload.size() : 0);
}

}  // namespace

void Mailbox::Push(Result<RemoteMessage> message) {
  {
    std::lock_guard lock(mutex_);
    if (bytes_ > limit_bytes_) return;  // it has failed before
    bytes_ += CostOf(message);
    if (bytes_ > limit_bytes_) {
      messages_.clear();
      message = Unavailable("the cachestore sends more than it was asked for");
    }
    messages_.push_back(std::move(message));
  }
  ready_.notify_one();
}

Result<RemoteMessage> Mailbox::Pop(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (!ready_.wait_for(lock, timeout, [this] { return !messages_.empty(); })) {
    return Unavailable("the cachestore does not answer");
  }
  Result<RemoteMessage> message = std::move(messages_.front());
  messages_.pop_front();
  if (bytes_ <= limit_bytes_) bytes_ -= CostOf(message);
  return message;
}

RemoteLink::RemoteLink(Transport& transport, const RemoteStoreOptions& options)
    : transport_(transport),
      options_(options),
      streams_({.endpoint = options.endpoint,
                .connect_timeout = options.connect_timeout,
                .timeout = options.timeout}) {}

void RemoteLink::Start() {
  transport_.Post([self = shared_from_this()] { self->Open(); });
}

void RemoteLink::Stop() {
  transport_.Post([self = shared_from_this()] {
    const Status closed = Unavailable("the link to the cachestore is closed");
    self->SetDown(closed);
    self->FailAll(closed);
    self->connection_.reset();
  });
}

void RemoteLink::Open() {
  ConnectionOptions options;
  options.connect = {.endpoint = options_.endpoint, .max_message_bytes = kMaxStoreMessageBytes};
  options.hello = {.role = PeerRole::kWorker, .name = options_.name};
  connection_ = std::make_unique<Connection>(
      transport_, options,
      ConnectionEvents{
          .on_up =
              [this](const HelloAck& ack) {
                if (options_.streams == BlobStreams::kWherePossible) {
                  streams_.Offer(ack.stream_port, ack.stream_token);
                }
                std::lock_guard lock(up_mutex_);
                up_ = true;
                up_changed_.notify_all();
              },
          .on_down =
              [this](const Status& why) {
                SetDown(why);
                FailAll(Unavailable("the cachestore was lost: " + why.message()));
              },
          .on_message =
              [this](Envelope envelope, Frame payload) {
                const auto found = mailboxes_.find(envelope.request_id);
                if (found == mailboxes_.end()) return;
                found->second->Push(RemoteMessage{std::move(envelope.body), std::move(payload)});
              }});
  const Status status = connection_->Start();
  if (status.ok()) return;
  SetDown(status);
  FailAll(status);
}

void RemoteLink::SetDown(const Status& why) {
  streams_.Offer(0, {});
  std::lock_guard lock(up_mutex_);
  up_ = false;
  why_down_ = why.message();
}

void RemoteLink::FailAll(const Status& status) {
  for (auto& [id, mailbox] : std::exchange(mailboxes_, {})) mailbox->Push(status);
}

std::unique_ptr<SharedWindow> RemoteLink::TakeWindow() {
  if (options_.memory_sharing == MemorySharing::kNever || !CanShareMemory(options_.endpoint)) {
    return nullptr;
  }
  {
    std::lock_guard lock(windows_mutex_);
    if (!windows_.empty()) {
      std::unique_ptr<SharedWindow> window = std::move(windows_.back());
      windows_.pop_back();
      return window;
    }
  }
  // Without one the bytes come over the wire.
  auto window = SharedWindow::Create(options_.window_bytes);
  return window.ok() ? *std::move(window) : nullptr;
}

void RemoteLink::GiveBack(std::unique_ptr<SharedWindow> window) {
  constexpr size_t kMostKept = 8;
  std::lock_guard lock(windows_mutex_);
  if (windows_.size() < kMostKept) windows_.push_back(std::move(window));
}

Status RemoteLink::WaitUp() {
  std::unique_lock lock(up_mutex_);
  if (up_changed_.wait_for(lock, options_.connect_timeout, [this] { return up_; })) return {};
  return Unavailable("the cachestore at " + options_.endpoint + " is not reachable" +
                     (why_down_.empty() ? "" : ": " + why_down_));
}

void RemoteLink::SendNow(const RequestId& id, Message message, Frame payload) {
  const Status status =
      connection_
          ? connection_->Send({.request_id = id,
                               .timeout_ms = static_cast<uint64_t>(options_.timeout.count()),
                               .body = std::move(message)},
                              std::move(payload))
          : Unavailable("the link to the cachestore is closed");
  if (status.ok()) return;
  const auto found = mailboxes_.find(id);
  if (found == mailboxes_.end()) return;
  // A full queue is how a socket notices first that its peer has gone.
  const bool is_full = status.code() == Code::kBusy;
  found->second->Push(is_full ? Unavailable(status.message()) : status);
}

RemoteLink::Call::Call(std::shared_ptr<RemoteLink> link, Message request)
    : link_(std::move(link)),
      id_(RequestId::Random()),
      mailbox_(std::make_shared<Mailbox>(link_->options_.window_bytes + kMaxStoreMessageBytes)) {
  link_->transport_.Post(
      [link = link_, id = id_, mailbox = mailbox_, request = std::move(request)]() mutable {
        link->mailboxes_.emplace(id, mailbox);
        link->SendNow(id, std::move(request), {});
      });
}

RemoteLink::Call::~Call() {
  link_->transport_.Post([link = link_, id = id_] { link->mailboxes_.erase(id); });
}

void RemoteLink::Call::Send(Message message, Frame payload) {
  link_->transport_.Post([link = link_, id = id_, message = std::move(message),
                          payload = std::move(payload)]() mutable {
    if (link->mailboxes_.contains(id)) link->SendNow(id, std::move(message), std::move(payload));
  });
}

void RemoteLink::Call::Abandon() { Send(Cancel{}); }

}  // namespace promptcache
