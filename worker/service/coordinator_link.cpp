#include "worker/service/coordinator_link.h"

#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

constexpr uint64_t kMaxMessageBytes = uint64_t{64} << 20;

}  // namespace

CoordinatorLink::CoordinatorLink(Transport& transport, std::string endpoint, Hello hello,
                                 ConnectionEvents events)
    : endpoint_(std::move(endpoint)),
      connection_(transport,
                  {.connect = {.endpoint = endpoint_, .max_message_bytes = kMaxMessageBytes},
                   .hello = std::move(hello)},
                  Logged(std::move(events))) {}

ConnectionEvents CoordinatorLink::Logged(ConnectionEvents events) {
  events.on_up = [this, on_up = std::move(events.on_up)](const HelloAck& ack) {
    logged_reason_.clear();
    if (on_up) on_up(ack);
  };
  events.on_down = [this, on_down = std::move(events.on_down)](const Status& why) {
    const bool is_new = logged_reason_ != why.message();
    logged_reason_ = why.message();
    Log(is_new ? LogLevel::kWarning : LogLevel::kDebug, "no link to a coordinator",
        {{"endpoint", endpoint_}, {"reason", why.message()}});
    if (on_down) on_down(why);
  };
  return events;
}

void CoordinatorLink::SendSnapshot(const ResidentUnits& units) {
  Report(Residency{.seq = ++residency_seq_, .snapshot = true, .added = units.keys()});
}

void CoordinatorLink::SendChanges(const UnitChanges& changes) {
  if (!up()) return;  // the snapshot has them
  Report(Residency{.seq = ++residency_seq_, .added = changes.added, .removed = changes.removed});
}

void CoordinatorLink::SendHeartbeat(Heartbeat heartbeat, const ResidentUnits& units) {
  heartbeat.residency_seq = residency_seq_;
  heartbeat.residency_digest = units.digest();
  Report(std::move(heartbeat));
}

void CoordinatorLink::Report(Message message) {
  if (up()) (void)connection_.Send({.body = std::move(message)}).ok();
}

}  // namespace promptcache
