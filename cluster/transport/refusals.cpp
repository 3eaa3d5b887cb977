#include "cluster/transport/refusals.h"

#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

uint64_t SinceLast(const std::atomic<uint64_t>& counter, uint64_t& last) {
  const uint64_t now = counter;
  return now - std::exchange(last, now);
}

}  // namespace

void RefusalLog::Write(const Refusals& refusals, const std::string& last_unknown_key) {
  const uint64_t handshakes = SinceLast(refusals.failed_handshakes, failed_handshakes_);
  const uint64_t keys = SinceLast(refusals.unknown_keys, unknown_keys_);
  const uint64_t revoked = SinceLast(refusals.revoked, revoked_);
  if (handshakes + keys + revoked == 0) return;
  Log(LogLevel::kWarning, "peers were refused",
      {{"failed_handshakes", handshakes},
       {"unknown_keys", keys},
       {"last_unknown_key", keys > 0 ? last_unknown_key : ""},
       {"messages_of_revoked_keys", revoked}});
}

}  // namespace promptcache
