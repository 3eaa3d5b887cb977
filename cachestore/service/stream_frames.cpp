#include "cachestore/service/stream_frames.h"

#include <array>
#include <string>
#include <vector>

#include "cluster/wire/codec.h"

namespace promptcache {
namespace {

constexpr size_t kHeadBytes = 8;

void PutU32(uint32_t value, uint8_t* out) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
}

uint32_t GetU32(const uint8_t* in) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= static_cast<uint32_t>(in[i]) << (8 * i);
  return value;
}

}  // namespace

Status SendStreamFrame(StreamSocket& socket, Message body, std::span<const uint8_t> payload) {
  const std::vector<uint8_t> envelope = EncodeEnvelope({.body = std::move(body)});
  std::vector<uint8_t> first(kHeadBytes + envelope.size());
  PutU32(static_cast<uint32_t>(envelope.size()), first.data());
  PutU32(static_cast<uint32_t>(payload.size()), first.data() + 4);
  std::copy(envelope.begin(), envelope.end(), first.begin() + kHeadBytes);
  return socket.Send(first, payload);
}

Result<StreamFrame> ReceiveStreamFrame(StreamSocket& socket) {
  std::array<uint8_t, kHeadBytes> head{};
  PC_RETURN_IF_ERROR(socket.Receive(head));
  const uint32_t envelope_bytes = GetU32(head.data());
  const uint32_t payload_bytes = GetU32(head.data() + 4);
  if (envelope_bytes > kMaxStreamEnvelopeBytes || payload_bytes > kMaxStreamPayloadBytes) {
    return InvalidArgument("a frame of " + std::to_string(envelope_bytes) + " and " +
                           std::to_string(payload_bytes) + " bytes in a stream");
  }
  std::vector<uint8_t> bytes(envelope_bytes);
  PC_RETURN_IF_ERROR(socket.Receive(bytes));
  PC_ASSIGN_OR_RETURN(Envelope envelope, DecodeEnvelope(bytes));
  return StreamFrame{.body = std::move(envelope.body), .payload_bytes = payload_bytes};
}

}  // namespace promptcache
