// What comes over a bare tcp connection, as both of its ends take it: one frame with its payload
// after the other. What they took must be sent as the same frame.
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cachestore/service/stream_frames.h"
#include "tests/fuzz/fuzzer.h"

namespace {

using promptcache::FileDescriptor;
using promptcache::StreamSocket;

// Two ends of one connection.
std::array<StreamSocket, 2> Connection() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
  return {StreamSocket(FileDescriptor(ends[0])), StreamSocket(FileDescriptor(ends[1]))};
}

void CheckSentAlike(const promptcache::StreamFrame& frame, std::span<const uint8_t> payload) {
  auto [near, far] = Connection();
  if (!SendStreamFrame(near, frame.body, payload).ok()) std::abort();
  const auto again = ReceiveStreamFrame(far);
  if (again.ok() && again->body == frame.body && again->payload_bytes == payload.size()) return;
  std::fprintf(stderr, "a frame is another one when it is sent\n");
  std::abort();
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kRoom = 64 << 10;  // in a socket, so that sending waits for nobody
  if (size > kRoom) return 0;
  auto [near, far] = Connection();
  if (!near.Send({data, size}).ok()) std::abort();
  near.ShutDown();
  for (;;) {
    const auto frame = ReceiveStreamFrame(far);
    if (!frame.ok()) return 0;
    std::vector<uint8_t> payload(frame->payload_bytes);
    if (!far.ReceiveHashed(payload).ok()) return 0;
    CheckSentAlike(*frame, payload);
  }
}
