// What any two ends of a link say.
#include "tests/unit/wire/samples/samples.h"

namespace promptcache::testing {

LinkSamples PeerSamples() {
  return {.messages = {Hello{.role = PeerRole::kWorker,
                             .min_version = 1,
                             .max_version = 3,
                             .name = "worker-1",
                             .epoch = 0x0123456789abcdef,
                             .capabilities = {"bf16", "lkhtd-v1"}},
                       HelloAck{.version = 2,
                                .name = "c",
                                .epoch = 5,
                                .heartbeat_ms = 250,
                                .lease_ms = 750,
                                .max_frame_bytes = 1ULL << 33},
                       Ping{}, Pong{},
                       Reply{.code = Code::kNotFound, .message = "schema 'x' is not registered"}},
          .appended = {{"stream", HelloAck{.name = "store",
                                           .stream_port = 65'535,
                                           .stream_token = {.bytes = {1, 2, 3}}}}}};
}

}  // namespace promptcache::testing
