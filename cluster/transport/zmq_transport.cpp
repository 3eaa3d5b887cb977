#include "cluster/transport/zmq_transport.h"

#include <sys/eventfd.h>

#include <utility>

#include "cluster/transport/zmq_reactor.h"
#include "common/log.h"

namespace promptcache {

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
  PC_ASSIGN_OR_RETURN(ReadySet ready, ReadySet::Create());
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    return Unavailable(
        "cannot open an event descriptor; raise the limit of open files (ulimit -n)");
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(zap), std::move(ready), wake_fd);
  PC_RETURN_IF_ERROR(impl->WatchOwn());
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
