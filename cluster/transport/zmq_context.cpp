#include "cluster/transport/zmq_context.h"

#include <zmq.h>

#include <algorithm>
#include <cerrno>

namespace promptcache {
namespace {

constexpr int kMaxSockets = 65'536;

}  // namespace

TransportContext::TransportContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TransportContext::~TransportContext() = default;

std::shared_ptr<TransportContext> TransportContext::Create(int io_threads) {
  void* context = zmq_ctx_new();
  auto impl = std::make_unique<Impl>(context);
  zmq_ctx_set(context, ZMQ_IO_THREADS, io_threads);
  zmq_ctx_set(context, ZMQ_MAX_SOCKETS,
              std::min(kMaxSockets, zmq_ctx_get(context, ZMQ_SOCKET_LIMIT)));
  return std::shared_ptr<TransportContext>(new TransportContext(std::move(impl)));
}

TransportContext::Impl::~Impl() {
  while (zmq_ctx_term(context_) != 0 && errno == EINTR) {
  }
}

void TransportContext::Impl::AddInproc(const std::string& endpoint) {
  std::lock_guard lock(mutex_);
  inproc_[endpoint] = ++last_generation_;
}
void TransportContext::Impl::RemoveInproc(const std::string& endpoint) {
  std::lock_guard lock(mutex_);
  inproc_.erase(endpoint);
}
uint64_t TransportContext::Impl::InprocGeneration(const std::string& endpoint) const {
  std::lock_guard lock(mutex_);
  const auto it = inproc_.find(endpoint);
  return it == inproc_.end() ? 0 : it->second;
}

}  // namespace promptcache
