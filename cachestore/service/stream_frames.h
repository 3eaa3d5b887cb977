// How a cachestore without keys serves blobs over a bare tcp connection: the messages of a fetch
// with nothing between the page cache and the socket. ZeroMQ's way has three copies and a dozen
// changes of threads more. Internal to cachestore/service; for writers of peers: schemas/WIRE.md.
//
// The connecting side says the token of its link's HelloAck, then one FetchBlob after the other.
// The store answers each with Chunks, one behind the other, up to the end of what was asked for, or
// with a Done that says why not. The first Chunk may begin before what was asked for, the last may
// end behind it. TCP itself is the credit. Each message is a frame:
//
//   envelope bytes u32 | payload bytes u32 | envelope | payload        both little endian
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "cachestore/service/stream_socket.h"
#include "cachestore/store.h"
#include "cluster/wire/messages.h"

namespace promptcache {

inline constexpr uint64_t kMaxStreamEnvelopeBytes = 64 << 10;
inline constexpr uint64_t kMaxStreamPayloadBytes = BlobReader::kMaxUncheckedBytes;

// Errors as StreamSocket::Send.
Status SendStreamFrame(StreamSocket& socket, Message body, std::span<const uint8_t> payload = {});

// What stands before a payload, which is still to be received.
struct StreamFrame {
  Message body;
  uint32_t payload_bytes = 0;
};
// kInvalidArgument for what is no frame; errors as StreamSocket::Receive.
Result<StreamFrame> ReceiveStreamFrame(StreamSocket& socket);

}  // namespace promptcache
