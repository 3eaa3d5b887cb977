// Messages between any two peers.
#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {

using wire::Reader;
using wire::Writer;

uint32_t WriteBody(Writer& writer, const Hello& in) {
  const auto name = writer.Text(in.name);
  const auto capabilities = writer.Texts(in.capabilities);
  return wire::CreateHello(writer.builder(), static_cast<wire::PeerRole>(in.role), in.min_version,
                           in.max_version, name, in.epoch, capabilities)
      .o;
}
void ReadBody(Reader& reader, const wire::Hello& in, Hello* out) {
  constexpr size_t kMaxCapabilities = 64;
  out->role = reader.Enum<PeerRole>(in.role(), {PeerRole::kClient, PeerRole::kAdmin}, "hello role");
  out->min_version = in.min_version();
  out->max_version = in.max_version();
  out->name = reader.Name(in.name(), "hello name");
  out->epoch = in.epoch();
  if (in.capabilities() != nullptr && in.capabilities()->size() > kMaxCapabilities) {
    reader.Fail("hello has more than 64 capabilities");
  }
  out->capabilities = reader.Tables<std::string>(
      in.capabilities(), "hello capabilities",
      [&](const flatbuffers::String* text) { return reader.Name(text, "hello capability"); });
}

uint32_t WriteBody(Writer& writer, const HelloAck& in) {
  const auto name = writer.Text(in.name);
  const wire::RequestId token = wire::ToWire(in.stream_token);
  return wire::CreateHelloAck(writer.builder(), in.version, name, in.epoch, in.heartbeat_ms,
                              in.lease_ms, in.max_frame_bytes, in.stream_port,
                              in.stream_port == 0 ? nullptr : &token)
      .o;
}
void ReadBody(Reader& reader, const wire::HelloAck& in, HelloAck* out) {
  out->version = in.version();
  out->name = reader.Name(in.name(), "hello ack name");
  out->epoch = in.epoch();
  out->heartbeat_ms = in.heartbeat_ms();
  out->lease_ms = in.lease_ms();
  out->max_frame_bytes = in.max_frame_bytes();
  out->stream_port = in.stream_port();
  if (in.stream_port() != 0 && in.stream_token() != nullptr) {
    out->stream_token = wire::FromWire<RequestId>(*in.stream_token());
  }
}

uint32_t WriteBody(Writer& writer, const Ping&) { return wire::CreatePing(writer.builder()).o; }
void ReadBody(Reader&, const wire::Ping&, Ping*) {}

uint32_t WriteBody(Writer& writer, const Pong&) { return wire::CreatePong(writer.builder()).o; }
void ReadBody(Reader&, const wire::Pong&, Pong*) {}

uint32_t WriteBody(Writer& writer, const Reply& in) {
  const auto message = writer.Text(in.message);
  return wire::CreateReply(writer.builder(), static_cast<wire::Code>(in.code), message).o;
}
void ReadBody(Reader& reader, const wire::Reply& in, Reply* out) {
  out->code = reader.Enum<Code>(in.code(), {Code::kOk, Code::kInternal}, "reply code");
  out->message = reader.Text(in.message());
}

}  // namespace promptcache
