// Actions that send one message. Internal to coordinator/session.
#pragma once

#include <utility>

#include "coordinator/session/session.h"

namespace promptcache {

inline constexpr size_t kMaxMessageBytes = 4 << 10;  // of why something ended, that is kept

inline Action ToClient(PeerId client, const RequestId& id, Message body) {
  return SendAction{Side::kClient, client, {.request_id = id, .body = std::move(body)}};
}

inline Action ToWorker(PeerId worker, const RequestId& id, uint32_t attempt, Message body) {
  return SendAction{
      Side::kWorker, worker, {.request_id = id, .attempt = attempt, .body = std::move(body)}};
}

inline Final FinalOf(const Status& status) {
  return {.code = status.code(), .message = status.message()};
}

}  // namespace promptcache
