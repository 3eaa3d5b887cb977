// Actions that send one message. Internal to coordinator/session.
#pragma once

#include <utility>

#include "coordinator/session/session.h"

namespace promptcache {

inline constexpr size_t kMaxMessageBytes = 4 << 10;  // of why something ended, that is kept

// Every message about a request is made by these two, and carries its trace.
inline SendAction ToClient(const SessionRequest& request, Message body) {
  return {
      Side::kClient,
      request.client,
      {.request_id = request.report.id, .trace = request.report.trace, .body = std::move(body)}};
}

// `id` is the request's within its tenant.
inline SendAction ToWorker(PeerId worker, const RequestId& id, const SessionRequest& request,
                           Message body) {
  return {Side::kWorker,
          worker,
          {.request_id = id,
           .attempt = request.attempt,
           .trace = request.report.trace,
           .body = std::move(body)}};
}

inline Final FinalOf(const Status& status) {
  return {.code = status.code(), .message = status.message()};
}

}  // namespace promptcache
