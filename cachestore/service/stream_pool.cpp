#include "cachestore/service/stream_pool.h"

#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

constexpr std::chrono::seconds kPause{30};

}  // namespace

void StreamPool::Offer(uint16_t port, const RequestId& token) {
  std::lock_guard lock(mutex_);
  ++offer_;
  place_ = {.port = HostOf(options_.endpoint).empty() ? uint16_t{0} : port, .token = token};
  not_before_ = {};
  idle_.clear();
}

std::optional<StreamPool::Stream> StreamPool::Take() {
  uint64_t offer = 0;
  Place place;
  {
    std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      std::unique_ptr<StreamSocket> socket = std::move(idle_.back());
      idle_.pop_back();
      if (socket->IsQuiet()) return Stream{std::move(socket), offer_, true};
    }
    if (place_.port == 0 || std::chrono::steady_clock::now() < not_before_) return std::nullopt;
    offer = offer_;
    place = place_;
  }
  auto socket = Connect(offer, std::move(place));
  if (socket.ok()) return Stream{*std::move(socket), offer, false};
  Pause(offer, socket.status());
  return std::nullopt;
}

Result<std::unique_ptr<StreamSocket>> StreamPool::Connect(uint64_t offer, Place place) {
  if (place.host.empty()) {
    PC_ASSIGN_OR_RETURN(place.host, ResolveHost(HostOf(options_.endpoint)));
    std::lock_guard lock(mutex_);
    if (offer == offer_) place_.host = place.host;
  }
  PC_ASSIGN_OR_RETURN(auto socket,
                      StreamSocket::Connect(place.host, place.port, options_.connect_timeout));
  PC_RETURN_IF_ERROR(socket->SetTimeout(options_.timeout));
  PC_RETURN_IF_ERROR(socket->Send(place.token.bytes));
  return socket;
}

void StreamPool::GiveBack(Stream stream) {
  constexpr size_t kMostKept = 4;
  std::lock_guard lock(mutex_);
  const bool is_kept = stream.offer == offer_ && idle_.size() < kMostKept;
  if (is_kept) idle_.push_back(std::move(stream.socket));
}

void StreamPool::Pause(uint64_t offer, const Status& why) {
  std::lock_guard lock(mutex_);
  if (offer != offer_) return;
  not_before_ = std::chrono::steady_clock::now() + kPause;
  Log(LogLevel::kWarning, "store.streams_paused",
      {{"endpoint", options_.endpoint},
       {"port", std::to_string(place_.port)},
       {"reason", why.message()}});
}

}  // namespace promptcache
